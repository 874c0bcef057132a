import { describe, expect, test } from "vitest";
import { meanNoiseCorrelation, noiseCorrelations } from "./noise-correlation.ts";

describe("noiseCorrelations()", () => {
  test("is the correlation matrix of a covariance that is one", () => {
    expect([...noiseCorrelations(Float64Array.of(4, 3, 3, 9), 2)]).toEqual(
      [0, 0.5, 0.5, 0].map((x) => expect.closeTo(x, 12)),
    );
  });

  test("is possible for an estimate that is not positive semi-definite", () => {
    // Correlations of 0.9, 0.9 and −0.9 cannot be.
    const impossible = Float64Array.of(1, 0.9, 0.9, 0.9, 1, -0.9, 0.9, -0.9, 1);
    const [, a, b, , , c] = noiseCorrelations(impossible, 3);
    expect(1 + 2 * a! * b! * c! - a! ** 2 - b! ** 2 - c! ** 2).toBeGreaterThan(-1e-9);
    expect(a).toBeLessThan(0.9);
  });

  test("is NaN for a unit without a variance", () => {
    const [, pair] = noiseCorrelations(Float64Array.of(1, Number.NaN, Number.NaN, Number.NaN), 2);
    expect(pair).toBeNaN();
    expect(meanNoiseCorrelation(Float64Array.of(1, Number.NaN, Number.NaN, Number.NaN), 2)).toBeNaN();
    expect(meanNoiseCorrelation(Float64Array.of(4, 3, 3, 9), 2)).toBeCloseTo(Math.atanh(0.5), 9);
  });
});
