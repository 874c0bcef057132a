import { describe, expect, test } from "vitest";
import { setNumThreads, type Tensor, tensorStats } from "../../torch/index.ts";
import { finestGrid, gridFeatures, wholeFrame } from "./pixel-grid.ts";
import { noiseMovie, plantedRecording, samplesOf } from "./planted.fake.ts";
import { frameShape, inFrameOrder, stimulusLags, streamFeatures } from "./stimulus-features.ts";

setNumThreads(1);

const shape = { frames: 50, height: 3, width: 4 };
const recordings = ["a", "b"].map((type, i) =>
  plantedRecording(shape, noiseMovie(shape, 10 + i), new Uint8Array(50), {}, type),
);
const set = samplesOf(
  recordings,
  [
    [1, 6, 40],
    [0, 20, 50],
    [0, 6, 15],
  ],
  6,
);

describe("streamFeatures()", () => {
  test("gives every sample what the set serves, whatever the order", async () => {
    const frame = frameShape(set);
    const features = gridFeatures(frame, stimulusLags(set, 4), finestGrid(frame, wholeFrame(frame), 12));
    const { live } = tensorStats();
    for (const positions of [Int32Array.from(set.frameOf.keys()), inFrameOrder(set), Int32Array.of(70, 3, 3, 51)]) {
      const rows: number[][] = [];
      const receive = (block: Tensor, start: number) => {
        const values = block.toTypedArray() as Float32Array;
        for (let i = 0; i < block.size(0); i++) rows[start + i] = Array.from(values.subarray(i * 48, (i + 1) * 48));
      };
      await streamFeatures(set, positions, features, receive, { stage: "test" });
      expect(rows.length).toBe(positions.length);
      const served = set.serve(positions).stim!;
      rows.forEach((row, i) => {
        const expected = Array.from(served.data.subarray(i * 72, i * 72 + 48) as Float32Array);
        expect(row).toEqual(expected.map((value) => expect.closeTo(value, 5)));
      });
    }
    expect(tensorStats().live).toBe(live);
  });

  test("reads blocks that together hold every sample once", async () => {
    const large = { frames: 40, height: 1200, width: 1500 };
    const movie = new Uint8Array(40 * 1200 * 1500);
    for (let t = 0; t < 40; t++) movie.fill(5 * t, t * 1_800_000, (t + 1) * 1_800_000);
    const wide = samplesOf([plantedRecording(large, movie, new Uint8Array(40))], [[0, 3, 40]], 3);
    const frame = frameShape(wide);
    const features = gridFeatures(frame, stimulusLags(wide, 3), finestGrid(frame, wholeFrame(frame), 1));
    const starts: number[] = [];
    const newest: number[] = [];
    const receive = (block: Tensor, start: number) => {
      starts.push(start);
      newest.push(...Array.from(block.select(1, 0).toTypedArray() as Float32Array));
    };
    await streamFeatures(wide, inFrameOrder(wide), features, receive, { stage: "test" });
    expect(starts.length).toBeGreaterThan(3);
    expect(newest).toEqual(Array.from({ length: 37 }, (_, i) => expect.closeTo((5 * (3 + i) - 127) / 255, 2)));
  });

  test("reports progress and stops when told to", async () => {
    const frame = frameShape(set);
    const features = gridFeatures(frame, stimulusLags(set, 4), finestGrid(frame, wholeFrame(frame), 12));
    const signal = AbortSignal.abort(new Error("enough"));
    const order = inFrameOrder(set);
    await expect(streamFeatures(set, order, features, () => {}, { stage: "x", signal })).rejects.toThrow("enough");
    const told: object[] = [];
    await streamFeatures(set, order, features, () => {}, { stage: "x", onProgress: (p) => told.push(p) });
    expect(told.at(-1)).toEqual({ stage: "x", done: set.length, total: set.length });
  });
});
