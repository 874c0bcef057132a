import { describe, expect, test } from "vitest";
import { Random } from "../../data/synthetic/random.ts";
import { UserError } from "../../errors.ts";
import { bootstrapMean, bootstrapPairedDifference } from "./bootstrap.ts";

describe("bootstrapMean()", () => {
  test("covers the true mean at about its nominal rate", () => {
    const random = new Random(11);
    let covered = 0;
    for (let run = 0; run < 300; run++) {
      const values = Float64Array.from({ length: 40 }, () => random.normal(2, 1));
      const { low, high } = bootstrapMean(values, { resamples: 400, seed: run, level: 0.9 });
      if (low <= 2 && 2 <= high) covered += 1;
    }
    // 90 %, less a little for the small sample; three binomial standard errors are 5 %.
    expect(covered / 300).toBeGreaterThan(0.83);
    expect(covered / 300).toBeLessThan(0.95);
  });

  test("is reproducible by its seed, and reports the plain mean", () => {
    const values = [1, 2, 4, 8, 16];
    expect(bootstrapMean(values)).toEqual(bootstrapMean(values));
    expect(bootstrapMean(values, { seed: 1, resamples: 50 })).not.toEqual(bootstrapMean(values, { resamples: 50 }));
    expect(bootstrapMean(values).mean).toBeCloseTo(6.2, 12);
  });

  test("takes resamples that are given, among the finite values", () => {
    const values = [Number.NaN, 1, 3];
    const indices = [
      [0, 0],
      [0, 1],
      [1, 1],
    ];
    const { low, high } = bootstrapMean(values, { indices, level: 0.5 });
    expect([low, high]).toEqual([1.5, 2.5]);
    expect(() => bootstrapMean(values, { indices: [[0, 2]] })).toThrow("index 2 is not among the 2 finite values");
  });

  test("is NaN without values, and refuses a level that is none", () => {
    expect(bootstrapMean([Number.NaN])).toEqual({ mean: Number.NaN, low: Number.NaN, high: Number.NaN });
    expect(() => bootstrapMean([1], { level: 95 })).toThrow(UserError);
  });
});

describe("bootstrapPairedDifference()", () => {
  test("is the mean difference over pairs that are complete", () => {
    const { mean, low, high } = bootstrapPairedDifference([3, 4, Number.NaN, 9], [1, 2, 0, Number.NaN]);
    expect([mean, low, high]).toEqual([2, 2, 2]);
    expect(() => bootstrapPairedDifference([1, 2], [1])).toThrow("Cannot pair 2 values with 1");
  });
});
