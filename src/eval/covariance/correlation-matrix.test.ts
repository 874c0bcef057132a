import { describe, expect, test } from "vitest";
import { covarianceToCorrelation, upperTriangle } from "./correlation-matrix.ts";

describe("covarianceToCorrelation()", () => {
  test("gives no correlations for the identity, and 0 on the diagonal", () => {
    expect([...covarianceToCorrelation(Float64Array.of(1, 0, 0, 1), 2)]).toEqual([0, 0, 0, 0]);
  });

  test("divides by both standard deviations", () => {
    const correlation = covarianceToCorrelation(Float64Array.of(4, 3, 3, 9), 2);
    expect([...correlation]).toEqual([0, 0.5, 0.5, 0]);
  });

  test("is NaN for pairs with a unit that hardly varies, and clips what is impossible", () => {
    const correlation = covarianceToCorrelation(Float64Array.of(1, 2, 0.01, 2, 1, 0, 0.01, 0, 0.0005), 3);
    expect([...correlation]).toEqual([0, 1, Number.NaN, 1, 0, Number.NaN, Number.NaN, Number.NaN, 0]);
    expect(covarianceToCorrelation(Float64Array.of(1, 0.01, 0.01, 0.0005), 2, 0)[1]).toBeCloseTo(0.4472, 4);
  });
});

describe("upperTriangle()", () => {
  test("lists pairs row after row", () => {
    expect([...upperTriangle(Float64Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8), 3)]).toEqual([1, 2, 5]);
    expect(upperTriangle(Float64Array.of(1), 1)).toHaveLength(0);
  });
});
