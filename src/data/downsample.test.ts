import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import type { DType, NdArray, TypedArray } from "../formats/array.ts";
import { memoryColumn } from "./column.ts";
import { binStarts, downsampleColumn, downsampleFactor } from "./downsample.ts";

function column(dtype: DType, data: TypedArray, width?: number) {
  const shape = width === undefined ? [data.length] : [data.length / width, width];
  return memoryColumn({ dtype, shape, data } as NdArray);
}

describe("downsampleFactor()", () => {
  test("divides the rates", () => expect(downsampleFactor(240, 60)).toBe(4));

  test.each([
    [240, 100],
    [120, 240],
    [240, 0],
  ])("refuses %d Hz to %d Hz", (source, target) => {
    expect(() => downsampleFactor(source, target)).toThrow(UserError);
  });
});

describe("binStarts()", () => {
  test("cuts the frame axis and drops the rest", () => {
    expect([...binStarts(7, 2)]).toEqual([0, 2, 4]);
    expect([...binStarts(2, 3)]).toEqual([]);
  });

  test("starts anew at every trial when told the trials", () => {
    const trials = Float64Array.of(1, 1, 1, 2, 2, 3, 4, 4, 4, 4, 4);
    const starts = binStarts(trials.length, 2, trials);
    expect([...starts]).toEqual([0, 3, 6, 8]);
    for (const start of starts) expect(trials[start]).toBe(trials[start + 1]);
  });
});

describe("downsampleColumn()", () => {
  const starts = binStarts(5, 2);

  test("sums spike counts and true rates", () => {
    for (const key of ["robs", "true_rates"]) {
      const counts = column("float32", Float32Array.of(1, 10, 2, 20, 3, 30, 4, 40, 5, 50), 2);
      expect(downsampleColumn(key, counts, starts, 2)).toEqual({
        dtype: "float32",
        shape: [2, 2],
        data: Float32Array.of(3, 30, 7, 70),
      });
    }
  });

  test("refuses counts without a unit axis", () => {
    const counts = column("float32", new Float32Array(5));
    expect(() => downsampleColumn("robs", counts, starts, 2)).toThrow("expected [frames, units]");
  });

  test("takes the first image of a bin, in its own element type", () => {
    const stim = column("uint8", Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 2);
    expect(downsampleColumn("stim", stim, starts, 2).data).toEqual(Uint8Array.of(1, 2, 5, 6));
  });

  test("averages int64 towards zero and other integers as float32", () => {
    const numbers = column("int64", BigInt64Array.of(-4n, -7n, 4n, 7n, 0n));
    expect(downsampleColumn("trial_inds", numbers, starts, 2).data).toEqual(BigInt64Array.of(-5n, 5n));
    const flags = column("bool", Uint8Array.of(1, 0, 1, 1, 1));
    expect(downsampleColumn("flag", flags, starts, 2).data).toEqual(Float32Array.of(0.5, 1));
  });

  test("counts a half-tracked bin as half valid, or as invalid when strict", () => {
    const valid = column("float64", Float64Array.of(1, 0, 1, 1, 1));
    expect(downsampleColumn("dpi_valid", valid, starts, 2).data).toEqual(Float64Array.of(0.5, 1));
    const nan = column("float64", Float64Array.of(1, 1, 1, Number.NaN, 1));
    const strict = downsampleColumn("dpi_valid", nan, starts, 2, { strictValidity: true });
    expect(strict.data).toEqual(Float64Array.of(1, 0));
  });

  test("gives the same result for recordings longer than one block", () => {
    const frames = 10_001;
    const long = column(
      "float64",
      Float64Array.from({ length: frames }, (_, t) => t),
    );
    const result = downsampleColumn("t_bins", long, binStarts(frames, 3), 3);
    expect(result.data).toEqual(Float64Array.from({ length: 3333 }, (_, i) => 3 * i + 1));
  });
});
