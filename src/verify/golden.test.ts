import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { NdArray } from "../formats/array.ts";
import { closeness, readGolden, relativeError, runCase } from "./golden.ts";

function float32(shape: number[], values: number[]): NdArray {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

describe("relativeError()", () => {
  test("is the largest difference over the largest reference value", () => {
    expect(relativeError([1, 2.5, -4], [1, 2, -4])).toBe(0.125);
    expect(relativeError([0, 0], [0, 0])).toBe(0);
  });

  test("lets NaN and infinity meet their like only", () => {
    expect(relativeError([Number.NaN, 1], [Number.NaN, 1])).toBe(0);
    expect(relativeError([Number.NaN, 1], [0, 1])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([0, 1], [Number.NaN, 1])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([1, Number.POSITIVE_INFINITY], [1, Number.POSITIVE_INFINITY])).toBe(0);
    expect(relativeError([1, 1], [1, Number.POSITIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
  });

  test("is infinite for other shapes", () => {
    expect(relativeError(float32([2, 1], [1, 2]), float32([1, 2], [1, 2]))).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  });
});

test("closeness() measures each element against its own tolerance", () => {
  expect(closeness([10.5, 0.001], [10, 0], { atol: 0.01, rtol: 0.1 })).toBeCloseTo(0.5 / 1.01);
});

describe("runCase()", () => {
  test("passes with the comparison that came closest to its limit", () => {
    const result = runCase("case", (compare) => {
      compare.exact("same", [1], [1]);
      compare.relative("near", [1.01], [1], 0.1);
      compare.relative("nearer", [1.001], [1], 0.1);
    });
    expect(result).toMatchObject({ status: "passed", worst: { what: "near", tolerance: 0.1 } });
  });

  test("fails when a comparison does, naming it", () => {
    const result = runCase("case", (compare) => {
      compare.exact("first", [1], [2]);
      compare.same("second", { a: 1, b: 2 }, { b: 2, a: 1 });
      compare.exact("third", [1], [1]);
    });
    expect(result).toMatchObject({ status: "failed", reason: "differs in first, second" });
  });

  test("fails when nothing is compared or an error is thrown", () => {
    expect(runCase("case", () => {})).toMatchObject({ status: "failed", reason: "nothing was compared" });
    const thrown = runCase("case", () => {
      throw new Error("no");
    });
    expect(thrown).toMatchObject({ status: "failed", reason: "threw no" });
  });
});

test("readGolden() names the file it cannot read", () => {
  const folder = join(import.meta.dirname, "../../test/fixtures/data");
  expect(() => readGolden(folder, "nothing")).toThrow("nothing.json");
});
