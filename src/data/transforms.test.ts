import { describe, expect, test } from "vitest";
import type { TransformOp } from "../config/ops.ts";
import { UserError } from "../errors.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { checkPipeline, concatenateLast, runPipeline, TRANSFORMS } from "./transforms.ts";

const context = { unitColumns: Int32Array.of(1, 0) };

function array(values: number[], shape = [values.length]): NdArray {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

function run(x: NdArray, ...ops: TransformOp[]): NdArray {
  return runPipeline(x, ops, context);
}

const basis = {
  num_delta_funcs: 0,
  num_cosine_funcs: 3,
  history_bins: 9,
  log_spacing: false,
  peak_range_ms: [5, 40] as [number, number],
  bin_size_ms: 5,
  normalize: true,
  orthogonalize: false,
  causal: true,
  batch_norm: false,
};
const cones = {
  alpha: 1,
  beta: 8e-5,
  gamma: 0.5,
  tau_y_ms: 5,
  tau_z_ms: 60,
  n_y: 5,
  n_z: 2,
  filter_length: 32,
  sampling_rate: 240,
  learnable_params: false as const,
};

describe("runPipeline()", () => {
  test("leaves its input alone unless it may take its place, with the same result", () => {
    const ops: TransformOp[] = [
      { name: "pixelnorm", params: {} },
      { name: "unsqueeze", params: { axis: 1 } },
      { name: "mul", params: { factor: 3 } },
      { name: "maxnorm", params: {} },
      { name: "symlog", params: {} },
    ];
    for (const count of [1, 2, 3, 4, 5]) {
      const input = () => ({ dtype: "float32", shape: [4], data: Float32Array.of(0, 127, 128, 255) }) as const;
      const kept = input();
      const expected = runPipeline(kept, ops.slice(0, count), context);
      expect(kept).toEqual(input());
      const own = input();
      const result = runPipeline(own, ops.slice(0, count), { ...context, inPlace: true });
      expect(result).toEqual(expected);
      expect(result.data).toBe(own.data);
    }
  });

  test("suggests the closest name for an unknown transform", () => {
    const op = { name: "pixlnorm", params: {} } as unknown as TransformOp;
    for (const attempt of [() => run(array([1]), op), () => checkPipeline([op])]) {
      expect(attempt).toThrow(expect.objectContaining({ name: "UserError", hint: 'Did you mean "pixelnorm"?' }));
    }
  });

  test("maxnorm keeps zeros and ignores NaN", () => {
    const op: TransformOp = { name: "maxnorm", params: {} };
    expect([...run(array([0, 0]), op).data]).toEqual([0, 0]);
    expect([...run(array([1, Number.NaN, -4]), op).data]).toEqual([0.25, Number.NaN, -1]);
  });

  test("select_units picks columns in any order, with repeats, and refuses others", () => {
    const x = array([1, 2, 3, 4, 5, 6], [2, 3]);
    const select = (indices: number[] | "cids") => run(x, { name: "select_units", params: { indices } });
    expect([...select([2, 0, 2]).data]).toEqual([3, 1, 3, 6, 4, 6]);
    expect([...select("cids").data]).toEqual([2, 1, 5, 4]);
    expect(() => select([3])).toThrow(UserError);
  });

  test("unsqueeze counts negative axes from the end", () => {
    expect(run(array([1, 2], [1, 2]), { name: "unsqueeze", params: { axis: -1 } }).shape).toEqual([1, 2, 1]);
    expect(() => run(array([1]), { name: "unsqueeze", params: { axis: 3 } })).toThrow(UserError);
  });

  test("smooth needs more frames than half its kernel", () => {
    const op: TransformOp = { name: "smooth", params: { type: "gaussian", params: 2 } };
    expect(() => run(array([1, 2, 3]), op)).toThrow("at least 7 frames are needed");
  });

  test("runs transforms that look across frames within trials when told their starts", () => {
    const x = array([1, 2, 4, 100, 103, 103], [6, 1]);
    const trialStarts = Int32Array.of(0, 3);
    const diff = runPipeline(x, [{ name: "diff", params: { axis: 0 } }], { ...context, trialStarts });
    expect([...diff.data]).toEqual([0, 1, 2, 0, 3, 0]);
    const smooth: TransformOp = { name: "smooth", params: { type: "gaussian", params: 1 } };
    const smoothed = toFloat64(runPipeline(x, [smooth], { ...context, trialStarts }));
    expect(Math.max(...smoothed.slice(0, 3))).toBeLessThan(4);
    expect(Math.min(...smoothed.slice(3))).toBeGreaterThan(99);
  });

  test("temporal_basis answers an impulse with its rows: later when causal, centred when not", () => {
    const impulse = array(
      Array.from({ length: 30 }, (_, t) => (t === 12 ? 1 : 0)),
      [30, 1],
    );
    const peak = (causal: boolean) => {
      const { data } = run(impulse, { name: "temporal_basis", params: { ...basis, causal } });
      const last = Array.from({ length: 30 }, (_, t) => Number(data[3 * t + 2]));
      return last.indexOf(Math.max(...last));
    };
    // The third row peaks at 40 ms, 8 bins plus the leading zero; its half length is 5.
    expect(peak(true)).toBe(12 + 9);
    expect(peak(false)).toBe(12 + 5 - 9);
  });

  test("temporal_basis and dacones refuse shapes they do not know", () => {
    const x = array([1, 2], [1, 1, 1, 2]);
    expect(() => run(x, { name: "temporal_basis", params: basis })).toThrow(UserError);
    expect(() => run(x, { name: "dacones", params: cones })).toThrow(UserError);
    expect(() => run(array([1]), { name: "fftwhitening", params: { f_0: 0.4, n: 4 } })).toThrow(UserError);
  });
});

describe("checkPipeline()", () => {
  test("warns about cones after pixelnorm and about batch norm", () => {
    const pixelnorm: TransformOp = { name: "pixelnorm", params: {} };
    expect(checkPipeline([pixelnorm, { name: "dacones", params: cones }])).toHaveLength(1);
    expect(checkPipeline([{ name: "dacones", params: cones }])).toEqual([]);
    expect(checkPipeline([{ name: "temporal_basis", params: { ...basis, batch_norm: true } }])).toHaveLength(1);
  });
});

describe("concatenateLast()", () => {
  test("joins rows", () => {
    const joined = concatenateLast([array([1, 2, 3, 4], [2, 2]), array([5, 6], [2, 1])], "behavior");
    expect(joined).toEqual(array([1, 2, 5, 3, 4, 6], [2, 3]));
  });

  test("refuses parts of different length", () => {
    expect(() => concatenateLast([array([1, 2], [2, 1]), array([1], [1, 1])], "behavior")).toThrow('into "behavior"');
  });
});

test("TRANSFORMS lists every transform under its own name with a text", () => {
  for (const [name, entry] of Object.entries(TRANSFORMS)) {
    expect(entry.name).toBe(name);
    expect(entry.doc).toMatch(/\.$/);
    expect(entry.formula).not.toBe("");
  }
});
