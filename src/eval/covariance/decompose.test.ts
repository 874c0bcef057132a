import { beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { setNumThreads } from "../../torch/index.ts";
import type { CovarianceParts } from "./components.ts";
import { decomposeCovariance } from "./decompose.ts";
import { fakePopulation } from "./eye-population.fake.ts";
import { diagonal } from "./matrix.ts";
import type { EyeResponses } from "./samples.ts";

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

function expectClose(actual: Float64Array, expected: readonly number[]): void {
  expect([...actual]).toEqual(expected.map((value) => expect.closeTo(value, 9)));
}

/** Second moments by visiting every pair, for the naive target with weights by pairs, of one unit pair (a, b). */
function byPairs({ trials, bins, units, robs, eye }: EyeResponses, threshold: number, a: number, b: number) {
  const at = (trial: number, bin: number, unit: number) => robs[(trial * bins + bin) * units + unit]!;
  const sums = { all: 0, pairs: 0, close: 0, closePairs: 0, meanA: 0, meanB: 0 };
  for (let bin = 0; bin < bins; bin++) {
    for (let i = 0; i < trials; i++) {
      for (let j = i + 1; j < trials; j++) {
        const product = (at(i, bin, a) * at(j, bin, b) + at(j, bin, a) * at(i, bin, b)) / 2;
        const [p, q] = [2 * (i * bins + bin), 2 * (j * bins + bin)];
        sums.all += product;
        sums.pairs += 1;
        sums.meanA += (at(i, bin, a) + at(j, bin, a)) / 2;
        sums.meanB += (at(i, bin, b) + at(j, bin, b)) / 2;
        if (Math.hypot(eye[p]! - eye[q]!, eye[p + 1]! - eye[q + 1]!) < threshold) {
          sums.close += product;
          sums.closePairs += 1;
        }
      }
    }
  }
  const square = (sums.meanA * sums.meanB) / sums.pairs ** 2;
  return { psth: sums.all / sums.pairs - square, rate: sums.close / sums.closePairs - square, pairs: sums.closePairs };
}

describe("decomposeCovariance()", () => {
  beforeAll(() => setNumThreads(1));

  test("has the moments that a loop over pairs has", () => {
    const population = fakePopulation({ trials: 14, bins: 6, units: 3 });
    const parts = decomposeCovariance(population, { target: "naive", threshold: 0.08 });
    for (const [a, b] of [
      [0, 0],
      [0, 1],
      [2, 1],
    ] as const) {
      const expected = byPairs(population, 0.08, a, b);
      expect(parts.psth[a * 3 + b]).toBeCloseTo(expected.psth, 10);
      expect(parts.rate[a * 3 + b]).toBeCloseTo(expected.rate, 10);
      expect(parts.closePairs).toBe(expected.pairs);
    }
    expectClose(parts.noise, [...parts.total.map((value, i) => value - parts.rate[i]!)]);
    expectClose(parts.fano, [...diagonal(parts.noise, 3).map((value, unit) => value / parts.meanRate[unit]!)]);
  });

  test("finds the planted share of eye movements and Poisson noise, near enough", () => {
    const population = fakePopulation({ trials: 250, bins: 30, units: 6, gazeDeg: 0.2 });
    const { oneMinusAlpha, fano, noiseCorrelation } = decomposeCovariance(population);
    expect(mean(population.eyeShare)).toBeGreaterThan(0.2);
    expect(mean(oneMinusAlpha)).toBeCloseTo(mean(population.eyeShare), 1);
    expect(Math.abs(mean(oneMinusAlpha) - mean(population.eyeShare))).toBeLessThan(0.04);
    expect(Math.abs(mean(fano) - 1)).toBeLessThan(0.03);
    expect(Math.abs(mean(noiseCorrelation))).toBeLessThan(0.02);
  });

  test("leaves noiseless rates hardly any noise, where the PSTH alone leaves what eye movements make", () => {
    const fano: number[] = [];
    const withoutEye: number[] = [];
    for (let seed = 1; seed <= 6; seed++) {
      const { rates, ...population } = fakePopulation({ trials: 250, bins: 20, units: 2, gazeDeg: 0.2, seed });
      const { total, psth, meanRate, ...parts } = decomposeCovariance({ ...population, robs: rates });
      fano.push(...parts.fano);
      withoutEye.push(...[0, 1].map((unit) => (total[3 * unit]! - psth[3 * unit]!) / meanRate[unit]!));
    }
    expect(Math.abs(mean(fano))).toBeLessThan(0.02);
    expect(mean(withoutEye)).toBeGreaterThan(0.08);
  });

  test("with half PSTHs, agrees with all pairs, and follows its seed", () => {
    const population = fakePopulation({ trials: 60, bins: 20, units: 2 });
    const split = (seed: number) =>
      decomposeCovariance(population, { psth: { method: "split_half", splits: 40, seed } }).psth;
    const all = decomposeCovariance(population).psth;
    split(1).forEach((value, i) => {
      expect(Math.abs(value - all[i]!)).toBeLessThan(0.06);
    });
    expect(split(1)).toEqual(split(1));
    expect(split(1)).not.toEqual(split(2));
  });

  test("leaves bins of trials out where a unit or the eye is NaN", () => {
    const population = fakePopulation({ trials: 20, bins: 5, units: 2 });
    population.robs[3] = Number.NaN;
    population.eye[8] = Number.NaN;
    const valid = new Uint8Array(100).fill(1);
    valid[99] = 0;
    const parts = decomposeCovariance({ ...population, valid });
    expect(parts).toMatchObject({ samples: 97, timeBins: 5 });
    expect(parts.total.every(Number.isFinite)).toBe(true);
  });

  test("is NaN, with a reason, where too few trials share a time bin", () => {
    const parts = decomposeCovariance(fakePopulation({ trials: 9, bins: 5, units: 2 }));
    expect(parts).toMatchObject({ samples: 0, timeBins: 0, closePairs: 0 });
    expect(parts.reason).toBe("0 time bins have 10 usable trials or more: 2 needed");
    expectAllNaN(parts, ["meanRate", "total", "psth", "rate", "noise", "noiseCorrelation", "fano", "oneMinusAlpha"]);
    expect(
      decomposeCovariance({ trials: 0, bins: 5, units: 1, robs: new Float64Array(0), eye: new Float64Array(0) }).reason,
    ).toMatch(/time bins have/);
  });

  test("is NaN where close pairs are needed and there are none", () => {
    const parts = decomposeCovariance(fakePopulation({ trials: 20, bins: 5, units: 2 }), { threshold: 1e-9 });
    expect(parts.reason).toMatch("no two trials have eye positions less than 1e-9 degrees apart");
    expectAllNaN(parts, ["rate", "noise", "fano", "oneMinusAlpha"]);
    expect(parts.total.every(Number.isFinite) && parts.psth.every(Number.isFinite)).toBe(true);
  });

  test("is NaN, and does not throw, where eye positions lie on a line", () => {
    const population = fakePopulation({ trials: 20, bins: 5, units: 2 });
    for (let i = 1; i < population.eye.length; i += 2) population.eye[i] = 0;
    const full = decomposeCovariance(population);
    expect(full.reason).toMatch("lie on a line");
    expectAllNaN(full, ["rate", "noise", "fano", "oneMinusAlpha"]);
    expect(full.psth.every(Number.isFinite)).toBe(true);
    expectAllNaN(decomposeCovariance(population, { target: "central" }), ["meanRate", "total", "psth", "fano"]);
    // No density is needed for the naive target, and a Gaussian has one.
    expect(decomposeCovariance(population, { target: "naive" }).rate.every(Number.isFinite)).toBe(true);
    expect(decomposeCovariance(population, { density: "gaussian" }).rate.every(Number.isFinite)).toBe(true);
  });

  test("is NaN, never 0, for a unit without spikes", () => {
    const population = fakePopulation({ trials: 40, bins: 8, units: 2 });
    for (let i = 1; i < population.robs.length; i += 2) population.robs[i] = 0;
    const { fano, oneMinusAlpha, noiseCorrelation } = decomposeCovariance(population);
    expect(fano[1]).toBeNaN();
    expect(oneMinusAlpha[1]).toBeNaN();
    expect(noiseCorrelation[1]).toBeNaN();
    expect(fano[0]).toBeGreaterThan(0.5);
  });

  test("refuses sizes that do not agree and numbers out of range", () => {
    const population = fakePopulation({ trials: 12, bins: 3, units: 2 });
    expect(() => decomposeCovariance({ ...population, bins: 4 })).toThrow(UserError);
    expect(() => decomposeCovariance(population, { threshold: 0 })).toThrow(
      "threshold is 0, expected a number above 0",
    );
    expect(() => decomposeCovariance(population, { weightClip: Number.NaN })).toThrow("weightClip is NaN");
  });
});

function expectAllNaN(parts: CovarianceParts, names: readonly (keyof CovarianceParts)[]): void {
  for (const name of names) {
    const values = parts[name] as Float64Array;
    const offDiagonal = name === "noiseCorrelation" ? values.filter((_, i) => i % (parts.units + 1) !== 0) : values;
    expect([name, offDiagonal.every(Number.isNaN)]).toEqual([name, true]);
  }
}
