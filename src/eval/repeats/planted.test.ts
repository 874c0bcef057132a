/**
 * Ceilings and scores of populations whose rates are known. Coverage is that of 400 units (two populations of 200): within
 * three binomial errors, 95 % is 91.7 to 98.3 %.
 */
import { describe, expect, test } from "vitest";
import { coverage, type Design, median, plantedScores, plantedUnits, plantPopulation } from "./planted.fake.ts";
import { type RepeatScoreName, type RepeatScoreOptions, type RepeatScores, repeatScores } from "./scores.ts";

const UNITS = 200;
const SEEDS = [1, 2];

const CEILINGS: RepeatScoreName[] = [
  ...(["signal_power", "noise_power", "ccmax", "ccmax_signal_power", "fev", "jackknife_oracle"] as const),
  ...(["conservative_oracle", "explained_variance_psth"] as const),
];

/** Scores of planted populations, and how often every interval covers, over all of them. */
function scorePopulations(design: Design, options: RepeatScoreOptions, minTrials: number) {
  const covered: Partial<Record<RepeatScoreName, number>> = {};
  const scored: RepeatScores[] = [];
  for (const seed of SEEDS) {
    const population = plantPopulation(design, UNITS, seed);
    const result = repeatScores(population.responses, options);
    const all = Array.from({ length: UNITS }, (_, unit) => plantedScores(population, unit, 2));
    const ofSplits = Array.from({ length: UNITS }, (_, unit) => plantedScores(population, unit, minTrials));
    for (const name of Object.keys(result.scores) as RepeatScoreName[]) {
      const planted = (name === "ccmax" || name === "ccnorm" ? ofSplits : all).map((scores) => scores[name]);
      const { low, high } = result.scores[name];
      covered[name] = (covered[name] ?? 0) + coverage(low, high, planted) / SEEDS.length;
    }
    scored.push(result);
  }
  return { covered: covered as Record<RepeatScoreName, number>, scored };
}

const splitHalf = { splits: 50 };

/** Part of the units with an interval whose interval covers. */
function coveredWhereKnown({ low, high }: { low: Float64Array; high: Float64Array }, planted: readonly number[]) {
  const known = [...low.keys()].filter((unit) => !Number.isNaN(low[unit]) && !Number.isNaN(high[unit]));
  const part = (values: Float64Array) => Float64Array.from(known, (unit) => values[unit]!);
  const covered = coverage(
    part(low),
    part(high),
    known.map((unit) => planted[unit]!),
  );
  return { known: known.length, covered };
}

describe("repeatScores() of planted populations", { timeout: 120_000 }, () => {
  test.each<[string, Design, RepeatScoreOptions, number]>([
    ["complete trials", { kind: "complete", trials: 30, bins: 150 }, { ccnorm: splitHalf }, 20],
    [
      "trials that end early",
      { kind: "early ends", trials: 40, bins: 120, shortest: 40 },
      { ccnorm: { ...splitHalf, minTrialsPerHalf: 5 } },
      20,
    ],
    [
      "images with 6 to 10 repeats",
      { kind: "images", trials: 10, bins: 300, fewest: 6 },
      { ccnorm: { ...splitHalf, minTrialsPerBin: 6, minTrialsPerHalf: 2 } },
      6,
    ],
  ])(
    "covers every planted ceiling at its nominal rate, and scores true rates as perfect: %s",
    (_, design, options, minTrials) => {
      const { covered, scored } = scorePopulations(design, options, minTrials);
      for (const name of CEILINGS) {
        expect(covered[name], name).toBeGreaterThanOrEqual(0.91);
        expect(covered[name], name).toBeLessThanOrEqual(0.98);
      }
      for (const { scores } of scored) {
        expect(median(scores.ccnorm.values)).toBeGreaterThanOrEqual(0.98);
        expect(median(scores.ccnorm_signal_power.values)).toBeGreaterThanOrEqual(0.98);
        expect(median(scores.feve.values)).toBeGreaterThanOrEqual(0.98);
      }
    },
  );

  test("is conservative, not blind, for units with little signal and 6 repeats", () => {
    const population = plantPopulation({ kind: "complete", trials: 6, bins: 100, scale: 0.3 }, UNITS, 1);
    const { scores } = repeatScores(population.responses, { ccnorm: { splits: 2 } });
    const planted = Array.from({ length: UNITS }, (_, unit) => plantedScores(population, unit, 2).ccmax_signal_power);
    const { values, low, high, reasons } = scores.ccmax_signal_power;
    expect(coverage(low, high, planted)).toBeGreaterThanOrEqual(0.93);
    const undefinedUnit = values.findIndex((value) => Number.isNaN(value));
    expect(reasons[undefinedUnit]).toContain("by chance");
    expect([low[undefinedUnit], high[undefinedUnit]! < 0.9]).toEqual([0, true]);
  });

  test("covers the scores of predictions that are wrong", () => {
    const population = plantPopulation({ kind: "complete", trials: 30, bins: 150 }, UNITS, 4);
    const { expected, responses } = population;
    const wrong = expected.map((rate, place) => 0.3 + rate * (0.5 + ((place * 0.618) % 1)));
    const rates = responses.rates.map((_, cell) => wrong[cell % wrong.length]!);
    const { scores } = repeatScores({ ...responses, rates }, { ccnorm: splitHalf });
    const column = (values: Float64Array, unit: number) => values.filter((_, place) => place % UNITS === unit);
    const planted = Array.from({ length: UNITS }, (_, unit) => scoresOf(column(expected, unit), column(wrong, unit)));
    for (const [name, values] of [
      ["ccnorm", planted.map(({ ccnorm }) => ccnorm)],
      ["ccnorm_signal_power", planted.map(({ ccnorm }) => ccnorm)],
      ["feve", planted.map(({ feve }) => feve)],
    ] as const) {
      const { known, covered } = coveredWhereKnown(scores[name], values);
      expect(known, name).toBe(UNITS);
      expect(covered, name).toBeGreaterThanOrEqual(0.91);
      expect(covered, name).toBeLessThanOrEqual(0.985);
    }
  });

  test("over bins covers what was planted in the population of stimuli", () => {
    const [bins, trials] = [200, 10];
    const { responses } = plantPopulation({ kind: "complete", trials, bins }, UNITS, 5);
    const { scores } = repeatScores(responses, {
      intervals: "bins",
      resamples: 400,
      ccnorm: { ...splitHalf, minTrialsPerBin: 10, minTrialsPerHalf: 5 },
    });
    const { means, shapes } = plantedUnits(UNITS, 5);
    const signal = means.map((mean, unit) => mean ** 2 / shapes[unit]!);
    const ratio = (noise: (mean: number) => number) =>
      signal.map((s, unit) => Math.sqrt(s / (s + noise(means[unit]!))));
    for (const [name, planted] of [
      ["signal_power", signal],
      ["noise_power", means],
      ["ccmax", ratio((mean) => mean / trials)],
      ["ccmax_signal_power", ratio((mean) => mean / trials)],
      ["fev", ratio((mean) => mean).map((r) => r * r)],
      ["single_trial_correlation", ratio((mean) => mean)],
    ] as const) {
      const { low, high } = scores[name];
      expect(coverage(low, high, planted), name).toBeGreaterThanOrEqual(0.9);
      expect(coverage(low, high, planted), name).toBeLessThanOrEqual(0.98);
    }
  });
});

/** CCnorm and FEVE of predictions that are wrong, without noise. */
function scoresOf(expected: Float64Array, predicted: Float64Array): { ccnorm: number; feve: number } {
  const n = expected.length;
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / n;
  const [e, p] = [mean(expected), mean(predicted)];
  const products = (a: Float64Array, ma: number, b: Float64Array, mb: number) =>
    a.reduce((sum, value, i) => sum + (value - ma) * (b[i]! - mb), 0);
  const signal = products(expected, e, expected, e);
  const error = expected.reduce((sum, value, i) => sum + (value - predicted[i]!) ** 2, 0);
  return {
    ccnorm: products(expected, e, predicted, p) / Math.sqrt(signal * products(predicted, p, predicted, p)),
    feve: 1 - error / signal,
  };
}
