import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../data/synthetic/random.ts";
import { UserError } from "../../errors.ts";
import { setNumThreads } from "../../torch/index.ts";
import { type ModelRates, rateVarianceComponents, splitHalfPsthVariance } from "./model-rates.ts";

/** Rates of one unit with a variance between time bins and one within. */
function normalRates(
  random: Random,
  { trials, bins, between, within }: { trials: number; bins: number; between: number; within: number },
): ModelRates {
  const phases = Float64Array.from({ length: bins }, () => random.normal(0, Math.sqrt(between)));
  const rates = Float64Array.from({ length: trials * bins }, (_, i) => {
    return 5 + phases[i % bins]! + random.normal(0, Math.sqrt(within));
  });
  return { trials, bins, units: 1, rates };
}

describe("rateVarianceComponents()", () => {
  test("recovers known variances on average over 300 simulations, unbalanced", () => {
    const random = new Random(5);
    const runs = 300;
    let [within, between] = [0, 0];
    for (let run = 0; run < runs; run++) {
      const rates = normalRates(random, { trials: 12, bins: 20, between: 2, within: 3 });
      // Trials that end early: from 12 of the first bin down to 4 of the last.
      const valid = Array.from({ length: 12 * 20 }, (_, i) => (Math.floor(i / 20) < 12 - 0.4 * (i % 20) ? 1 : 0));
      const anova = rateVarianceComponents({ ...rates, valid });
      within += anova.within[0]! / runs;
      between += anova.between[0]! / runs;
    }
    expect(Math.abs(within / 3 - 1)).toBeLessThan(0.03);
    expect(Math.abs(between / 2 - 1)).toBeLessThan(0.06);
  });

  test("has the same share after scaling and shifting", () => {
    const rates = normalRates(new Random(1), { trials: 8, bins: 9, between: 1, within: 1 });
    const share = rateVarianceComponents(rates).oneMinusAlpha[0]!;
    const scaled = rateVarianceComponents({ ...rates, rates: rates.rates.map((rate) => 4 * rate - 16) });
    expect(scaled.oneMinusAlpha[0]).toBeCloseTo(share, 12);
    expect(scaled.within[0]).toBeCloseTo(16 * rateVarianceComponents(rates).within[0]!, 9);
  });

  test("is 0 for a pure PSTH, and nearly 1 for variance within bins alone", () => {
    const random = new Random(2);
    const psth = normalRates(random, { trials: 10, bins: 30, between: 1, within: 0 });
    expect(rateVarianceComponents(psth).oneMinusAlpha[0]).toBe(0);
    const shares = Array.from(
      { length: 50 },
      () =>
        rateVarianceComponents(normalRates(random, { trials: 10, bins: 100, between: 0, within: 1 })).oneMinusAlpha[0]!,
    );
    expect(shares.reduce((sum, share) => sum + share, 0) / 50).toBeGreaterThan(0.97);
  });

  test("weights time bins by their trials", () => {
    // Three rates in one bin, one in the other: n0 = (4 − (9 + 1) / 4) / 1 = 1.5, MSw = 2 / 2, MSb = 3.
    const valid = [1, 1, 1, 0, 1, 0];
    const rates = Float64Array.of(1, 4, 2, 9, 3, 9);
    const anova = rateVarianceComponents({ trials: 3, bins: 2, units: 1, rates, valid }, { minTrialsPerBin: 1 });
    expect(anova.within[0]).toBeCloseTo(1, 12);
    expect(anova.between[0]).toBeCloseTo((3 - 1) / 1.5, 12);
    expect([anova.timeBins[0], anova.samples[0]]).toEqual([2, 4]);
  });

  test("has no share where nothing varies", () => {
    const anova = rateVarianceComponents({ trials: 3, bins: 4, units: 1, rates: new Float64Array(12).fill(0.1) });
    expect([anova.within[0], anova.between[0], anova.total[0], anova.oneMinusAlpha[0]]).toEqual([0, 0, 0, Number.NaN]);
    expect([anova.timeBins[0], anova.samples[0]]).toEqual([4, 12]);
  });

  test("is NaN with counts of 0 and a reason for a unit without enough rates, beside one that has them", () => {
    const rates = Float64Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? (i * 0.37) % 1 : Number.NaN));
    const anova = rateVarianceComponents({ trials: 3, bins: 4, units: 2, rates });
    expect(anova.total[0]).toBeGreaterThan(0);
    expect([anova.total[1], anova.oneMinusAlpha[1], anova.timeBins[1], anova.samples[1]]).toEqual([
      Number.NaN,
      Number.NaN,
      0,
      0,
    ]);
    expect(anova.reason).toBe("unit 1 has 0 time bins with 2 rates or more: 2 needed");
  });

  test("refuses sizes that do not agree", () => {
    const rates = new Float64Array(12);
    expect(() => rateVarianceComponents({ trials: 3, bins: 5, units: 1, rates })).toThrow("[3, 5, 1] takes 15");
    expect(() => rateVarianceComponents({ trials: 3, bins: 4, units: 1, rates, valid: [1] })).toThrow(UserError);
  });
});

describe("splitHalfPsthVariance()", () => {
  beforeAll(() => setNumThreads(1));

  test("has no variance of noise in it", () => {
    const random = new Random(3);
    const values = Array.from(
      { length: 40 },
      () => splitHalfPsthVariance(normalRates(random, { trials: 10, bins: 60, between: 1, within: 4 }))[0]!,
    );
    expect(Math.abs(values.reduce((sum, value) => sum + value, 0) / 40 - 1)).toBeLessThan(0.12);
  });

  test("takes given orders of trials, skipping time bins with one trial", () => {
    const nan = Number.NaN;
    const rates = Float64Array.of(1, nan, 4, 3, 7, 6);
    const given = { trials: 2, bins: 3, units: 1, rates };
    // Bins 0 and 2 remain; halves are trial 0 (1, 4) and trial 1 (3, 6).
    expect([
      ...splitHalfPsthVariance(given, {
        permutations: [
          [
            [0, 1],
            [0, 1],
          ],
        ],
      }),
    ]).toEqual([expect.closeTo(4.5, 12)]);
    expect(splitHalfPsthVariance({ ...given, valid: [1, 1, 0, 1, 1, 1] })[0]).toBeNaN();
    expect(() => splitHalfPsthVariance(given, { permutations: [[[0, 1]]] })).toThrow(
      "orders of 1 time bins are given, 2",
    );
    expect(() =>
      splitHalfPsthVariance(given, {
        permutations: [
          [
            [0, 1],
            [0, 9],
          ],
        ],
      }),
    ).toThrow(UserError);
  });
});
