import { expect, test } from "vitest";
import { gatherFrames } from "./gather.ts";
import { scope } from "./scope.ts";
import { empty, full } from "./tensor.ts";

/** Two recordings of 6 and 4 frames of 2 channels of 3 pixels; values count up. */
const bytes = [6, 4].map((frames, i) => Uint8Array.from({ length: frames * 6 }, (_, k) => 100 * i + k));
const gather = {
  sources: bytes,
  recordings: Int32Array.of(0, 1, 0),
  frames: Int32Array.of(5, 2, 3),
  lags: Int32Array.of(2, 0, -1),
  channels: 2,
  pixels: 3,
};
const taken = [
  { ...gather, recordings: Int32Array.of(1), frames: Int32Array.of(2) },
  { ...gather, recordings: Int32Array.of(0), frames: Int32Array.of(3) },
];
/** [channels, lags, pixels] of frame 2 of the second, and of frame 3 of the first recording. */
const expected = [
  [100, 101, 102, 112, 113, 114, 118, 119, 120, 103, 104, 105, 115, 116, 117, 121, 122, 123],
  [6, 7, 8, 18, 19, 20, 24, 25, 26, 9, 10, 11, 21, 22, 23, 27, 28, 29],
];

test("gatherFrames() puts channels before lags and converts bytes", () => {
  scope(() => {
    for (const [i, one] of taken.entries()) {
      for (const dtype of ["uint8", "float32"] as const) {
        const out = full([20], 9, { dtype });
        gatherFrames(out, 1, one);
        expect([...(out.toTypedArray() as Float32Array)]).toEqual([9, ...expected[i]!, 9]);
      }
    }
  });
});

test("gatherFrames() copies float32 as it is", () => {
  const sources = bytes.map((source) => Float32Array.from(source, (x) => x / 7));
  scope(() => {
    const out = empty([18]);
    gatherFrames(out, 0, { ...taken[0]!, sources, normalise: true });
    expect(out.toTypedArray()).toEqual(Float32Array.from(expected[0]!, (x) => x / 7));
  });
});

test("gatherFrames() normalises every grey level exactly", () => {
  const levels = Uint8Array.from({ length: 256 }, (_, level) => level);
  scope(() => {
    const out = empty([256]);
    gatherFrames(out, 0, {
      sources: [levels],
      recordings: Int32Array.of(0),
      frames: Int32Array.of(0),
      lags: Int32Array.of(0),
      channels: 1,
      pixels: 256,
      normalise: true,
    });
    expect(out.toTypedArray()).toEqual(Float32Array.from(levels, (x) => (x - 127) / 255));
  });
});

test("gatherFrames() refuses what would reach beyond its arrays", () => {
  scope(() => {
    const out = empty([54]);
    const refuse = (change: Partial<typeof gather>, message: string, into = out, position = 0) =>
      expect(() => gatherFrames(into, position, { ...gather, ...change })).toThrow(message);
    refuse({}, "recording 0 has no frame 6");
    refuse({ lags: Int32Array.of(4, 3, 0) }, "recording 1 has no frame -2");
    refuse({ recordings: Int32Array.of(0, 2, 0), lags: Int32Array.of(0, 0, 0) }, "no recording 2");
    refuse({ recordings: Int32Array.of(0) }, "as many recordings as frames");
    refuse({}, "no room", out, 1);
    refuse({}, "float32 or uint8", empty([54], { dtype: "int64" }));
    refuse({}, "contiguous", empty([9, 6]).transpose(0, 1));
    refuse({ sources: [Float32Array.of(1)] as never }, "sources must be bytes", empty([54], { dtype: "uint8" }));
  });
});
