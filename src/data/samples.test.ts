import { describe, expect, test } from "vitest";
import type { NdArray } from "../formats/array.ts";
import { Recording } from "./recording.ts";
import { SampleSet, type SampleSetParts } from "./samples.ts";

const frames = 20;

function numbered(shape: number[], dtype: "float32" | "uint8" = "float32"): NdArray {
  const length = shape.reduce((product, n) => product * n, 1);
  const data = dtype === "uint8" ? new Uint8Array(length) : new Float32Array(length);
  return { dtype, shape, data: data.map((_, i) => i % 251) };
}

function recording(type: string, stim = numbered([frames, 2, 3], "uint8")): Recording {
  return new Recording(type, [
    ["stim", stim],
    ["robs", numbered([frames, 2])],
    ["dfs", numbered([frames, 1])],
  ]);
}

function samples(parts: Partial<SampleSetParts> = {}): SampleSet {
  return new SampleSet({
    session: "S",
    recordings: [recording("a"), recording("b")],
    recordingOf: Int32Array.of(0, 0, 1, 1),
    frameOf: Int32Array.of(5, 19, 5, 7),
    keysLags: { stim: [0, 1, 3], robs: 0 },
    pixelnorm: false,
    ...parts,
  });
}

describe("SampleSet.serve()", () => {
  test("puts lags on an axis of their own, in list order", () => {
    const { stim, robs } = samples().serve([0, 3]);
    expect(stim!.shape).toEqual([2, 3, 2, 3]);
    const first = Array.from({ length: 6 }, (_, k) => Number(stim!.data[6 * k]));
    expect(first).toEqual([5 * 6, 4 * 6, 2 * 6, 7 * 6, 6 * 6, 4 * 6]);
    expect(robs).toEqual({ dtype: "float32", shape: [2, 2], data: Float32Array.of(10, 11, 14, 15) });
  });

  test("puts channels before lags", () => {
    const stim = numbered([frames, 2, 1, 3]);
    const set = samples({ recordings: [recording("a", stim), recording("b", stim)] });
    const served = set.serveOne(0).stim!;
    expect(served.shape).toEqual([2, 3, 1, 3]);
    // Channel 1 of frames 5, 4 and 2; a frame has six values.
    expect([...served.data.slice(9)]).toEqual([33, 34, 35, 27, 28, 29, 15, 16, 17]);
  });

  test("normalises grey levels exactly as float32 arithmetic does", () => {
    const served = samples({ pixelnorm: true }).serveOne(0).stim!.data;
    const expected = Math.fround(Math.fround(30 - 127) / Math.fround(255));
    expect(served[0]).toBe(expected);
  });

  test("counts negative positions from the end and refuses others", () => {
    expect(samples().serve([-1])).toEqual(samples().serve([3]));
    for (const position of [4, -5, 0.5]) expect(() => samples().serve([position])).toThrow(RangeError);
    expect(() => samples({ recordingOf: new Int32Array(), frameOf: new Int32Array() }).serveOne(0)).toThrow(RangeError);
  });
});

describe("new SampleSet()", () => {
  test("refuses samples whose lags leave the recording", () => {
    expect(() => samples({ keysLags: { robs: 6 } })).toThrow('session "S", type "a" (20 frames): 1 of 2 frames');
    expect(() => samples({ keysLags: { robs: -1 } })).toThrow("up to 1 frames after the end");
  });

  test("refuses keys that are missing or differ between recordings", () => {
    expect(() => samples({ keysLags: { rbos: 0 } })).toThrow(expect.objectContaining({ hint: 'Did you mean "robs"?' }));
    const other = recording("b", numbered([frames, 2, 3]));
    expect(() => samples({ recordings: [recording("a"), other] })).toThrow(
      'Cannot serve "stim" of session "S": a has uint8 [frames, 2, 3], b has float32 [frames, 2, 3]',
    );
  });
});

describe("SampleSet", () => {
  test("finds the samples of a type", () => {
    expect([...samples().ofType("b").frameOf]).toEqual([5, 7]);
    expect(samples().ofType("c")).toHaveLength(0);
    expect([...samples().framesOf(0)]).toEqual([5, 19]);
  });

  test("changes lags and checks them again", () => {
    expect(
      samples()
        .withLags({ robs: [0, 5] })
        .serveOne(0).robs!.shape,
    ).toEqual([2, 2]);
    expect(() => samples().withLags({ robs: 7 })).toThrow("before the start");
  });

  test("keeps the order of a subset and joins sets of the same recordings", () => {
    const set = samples();
    const joined = set.subset([3, 0]).concat(set.ofType("a"));
    expect([...joined.frameOf]).toEqual([7, 5, 5, 19]);
    expect([...joined.recordingOf]).toEqual([1, 0, 0, 0]);
    expect(() => set.concat(samples())).toThrow(RangeError);
  });
});
