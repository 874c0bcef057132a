import { describe, expect, test } from "vitest";
import { correlation } from "./correlation.ts";

/** Pearson's formula as textbooks have it, in two passes. */
function pearson(x: readonly number[], y: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const sum = (value: (i: number) => number) => x.reduce((total, _, i) => total + value(i), 0);
  const covariance = sum((i) => (x[i]! - mx) * (y[i]! - my));
  return covariance / Math.sqrt(sum((i) => (x[i]! - mx) ** 2) * sum((i) => (y[i]! - my) ** 2));
}

describe("correlation()", () => {
  test("is what the example says", () => {
    const scores = correlation({ rates: Float32Array.of(1, 2, 3), robs: Float32Array.of(0, 2, 1), units: 1 });
    expect([...scores]).toEqual([expect.closeTo(0.5, 12)]);
  });

  test("is Pearson's formula for each unit over the samples that are valid for it", () => {
    const [samples, units] = [50, 3];
    const cells = (value: (i: number) => number) => Float32Array.from({ length: samples * units }, (_, i) => value(i));
    const rates = cells((i) => (i * 0.618) % 1);
    const robs = cells((i) => Math.floor(((i * 0.618) % 1) * 2 + ((i * 0.414) % 1)));
    const dfs = cells((i) => (i * 7) % 5);
    const scores = correlation({ rates, robs, dfs, units });
    for (let unit = 0; unit < units; unit++) {
      const valid = [...dfs.keys()].filter((i) => i % units === unit && dfs[i]! > 0);
      const [x, y] = [valid.map((i) => rates[i]!), valid.map((i) => robs[i]!)];
      expect(valid.length).toBeLessThan(samples);
      expect(scores[unit]).toBeCloseTo(pearson(x, y), 12);
    }
  });

  test("takes a mask of one column, and ignores NaN under a weight of 0", () => {
    const rates = Float32Array.of(1, 3, 2, 2, Number.NaN, 9, 3, 1);
    const robs = Float32Array.of(0, 3, 1, 2, 5, Number.NaN, 2, 1);
    const dfs = Float32Array.of(1, 1, 0, 1);
    expect([...correlation({ rates, robs, dfs, units: 2 })]).toEqual([expect.closeTo(1, 12), expect.closeTo(1, 12)]);
  });

  test("keeps NaN that counts", () => {
    const samples = { rates: Float32Array.of(1, Number.NaN, 3), robs: Float32Array.of(1, 2, 3), units: 1 };
    expect(correlation(samples)[0]).toBeNaN();
  });

  test.each([
    ["a constant rate", [0.1, 0.1, 0.1], [0, 1, 2]],
    ["a silent unit", [0.1, 0.2, 0.3], [0, 0, 0]],
    ["a single sample", [0.1], [1]],
    ["no sample", [], []],
  ])("is NaN for %s", (_, rates, robs) => {
    expect(correlation({ rates: Float32Array.from(rates), robs: Float32Array.from(robs), units: 1 })[0]).toBeNaN();
  });

  test("sees small variations beside a large mean, and stays within -1 and 1", () => {
    const robs = Float32Array.from({ length: 999 }, (_, i) => (i * 0.618) % 1);
    const rates = robs.map((value) => 4096 - Math.round(value * 8) / 8);
    const exact = pearson([...rates], [...robs]);
    expect(correlation({ rates, robs, units: 1 })[0]).toBeCloseTo(exact, 10);
    expect(correlation({ rates: robs, robs, units: 1 })[0]).toBeLessThanOrEqual(1);
    expect(correlation({ rates: robs.map((value) => -value), robs, units: 1 })[0]).toBeGreaterThanOrEqual(-1);
  });
});
