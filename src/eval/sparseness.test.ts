import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../data/random.ts";
import { lifetimeSparseness, sparseness } from "./sparseness.ts";

describe("sparseness()", () => {
  test("is 0 for equal responses and 1 for a single one", () => {
    expect(sparseness([3, 3, 3])).toBe(0);
    expect(sparseness([0, 0, 7, 0])).toBe(1);
  });

  test("follows the formula, does not depend on scale, and passes over NaN", () => {
    // a = (6/3)² / (14/3)
    expect(sparseness([1, 2, 3])).toBeCloseTo((1 - 6 / 7) / (2 / 3), 12);
    expect(sparseness([10, Number.NaN, 20, 30])).toBeCloseTo(sparseness([1, 2, 3]), 12);
  });

  test("is NaN without responses", () => {
    expect(sparseness([0, 0])).toBeNaN();
    expect(sparseness([1])).toBeNaN();
  });
});

/** Poisson spikes by multiplication of uniform draws. */
function poisson(random: MersenneTwister, rate: number): number {
  let count = 0;
  for (let product = random.uniform(); product > Math.exp(-rate); product *= random.uniform()) count++;
  return count;
}

describe("lifetimeSparseness()", () => {
  test("removes the bias of few trials", () => {
    const random = new MersenneTwister(5);
    const [trials, bins, units] = [6, 2000, 2];
    // A constant rate, and one that is 4 in a fifth of the bins and 0 elsewhere.
    const rates = Float64Array.from({ length: trials * bins * units }, (_, i) => {
      const bin = Math.floor(i / units) % bins;
      return i % units === 0 ? 0.5 : bin % 5 === 0 ? 4 : 0;
    });
    const robs = rates.map((rate) => poisson(random, rate));
    const { naive, corrected, predicted } = lifetimeSparseness({ trials, bins, units, robs, rates });
    expect(naive[0]).toBeGreaterThan(0.2);
    expect(corrected[0]).toBeCloseTo(0, 1);
    expect(predicted[0]).toBeCloseTo(0, 9);
    expect(predicted[1]).toBeCloseTo(0.8, 3);
    expect(Math.abs(corrected[1]! - 0.8)).toBeLessThan(0.01);
    expect(naive[1]).toBeGreaterThan(corrected[1]!);
  });

  test("leaves out cells that were not observed, and says why a number is missing", () => {
    const rates = new Float64Array(12).fill(1);
    const robs = Float64Array.of(1, 0, 3, 0, Number.NaN, 0, 1, 0, 3, 0, 9, 0);
    const dfs = Float64Array.from({ length: 12 }, (_, i) => (i === 10 ? 0 : 1));
    const { naive, corrected, reasons } = lifetimeSparseness({ trials: 2, bins: 3, units: 2, robs, rates, dfs });
    expect(naive[0]).toBeCloseTo(sparseness([1, 3]), 12);
    expect(corrected[0]).toBeCloseTo(sparseness([1, 3]), 12);
    expect(reasons).toEqual([null, "no spikes"]);
    const single = lifetimeSparseness({
      trials: 1,
      bins: 2,
      units: 1,
      robs: Float64Array.of(1, 2),
      rates: new Float64Array(2),
    });
    expect(single.corrected[0]).toBeNaN();
    expect(single.reasons).toEqual(["fewer than two bins were seen in two trials"]);
  });
});
