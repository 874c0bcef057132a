/**
 * @file Populations with planted rates: Poisson spikes, repeats of equal or unequal number, and what every score is an
 * estimate of.
 */

import { MersenneTwister, mixSeeds } from "../../data/random.ts";
import type { TrialResponses } from "../trials.ts";
import type { RepeatScoreName } from "./scores.ts";

/** How many valid trials bins have: all of them, fewer towards the end of trials, or any number from `fewest`; `scale` multiplies rates. */
export type Design = { trials: number; bins: number; scale?: number } & (
  | { kind: "complete" }
  | { kind: "early ends"; shortest: number }
  | { kind: "images"; fewest: number }
);

export interface Planted {
  responses: TrialResponses;
  /** Expected spikes, [bins, units]. */
  expected: Float64Array;
}

/** Gamma variate of shape k, mean 1 (sums of exponentials, so k is whole). */
function gamma(random: MersenneTwister, k: number): number {
  let sum = 0;
  for (let i = 0; i < k; i++) sum -= Math.log(1 - random.uniform());
  return sum / k;
}

function poisson(random: MersenneTwister, mean: number): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random.uniform(); product > limit; product *= random.uniform()) count += 1;
  return count;
}

/**
 * What units of a population are: mean spikes per bin, from 0.5 to 5, and how little they vary over bins; expected spikes
 * are gamma distributed with variance mean² / shape.
 */
export function plantedUnits(units: number, seed: number, scale = 1): { means: number[]; shapes: number[] } {
  const random = new MersenneTwister(mixSeeds(seed, units));
  const means = Array.from({ length: units }, () => scale * 0.5 * 10 ** random.uniform());
  return { means, shapes: means.map((_, unit) => [1, 2, 4, 8][unit % 4]!) };
}

/** Units of {@link plantedUnits} and their Poisson spikes. The prediction is the expected number of spikes. */
export function plantPopulation(design: Design, units: number, seed: number): Planted {
  const { trials, bins, scale } = design;
  const random = new MersenneTwister(seed);
  const { means, shapes } = plantedUnits(units, seed, scale);
  const expected = Float64Array.from({ length: bins * units }, (_, place) => {
    return means[place % units]! * gamma(random, shapes[place % units]!);
  });
  const shown = shownTrials(design, random);
  const robs = new Float64Array(trials * bins * units).fill(Number.NaN);
  const rates = new Float64Array(trials * bins * units);
  for (let cell = 0; cell < robs.length; cell++) {
    rates[cell] = expected[cell % expected.length]!;
    if (shown[Math.floor(cell / units)] === 1) robs[cell] = poisson(random, rates[cell]!);
  }
  return { responses: { trials, bins, units, robs, rates }, expected };
}

/** 1 where a bin of a trial was shown, [trials, bins]. */
function shownTrials(design: Design, random: MersenneTwister): Uint8Array {
  const { trials, bins } = design;
  const shown = new Uint8Array(trials * bins).fill(1);
  const between = (low: number, high: number) => low + Math.floor(random.uniform() * (high - low + 1));
  if (design.kind === "early ends") {
    for (let trial = 0; trial < trials; trial++)
      shown.fill(0, trial * bins + between(design.shortest, bins), (trial + 1) * bins);
  }
  if (design.kind === "images") {
    for (let bin = 0; bin < bins; bin++) {
      for (let trial = between(design.fewest, trials); trial < trials; trial++) shown[trial * bins + bin] = 0;
    }
  }
  return shown;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** What every score of a unit is an estimate of, given the expected spikes of the bins and which trials were shown. */
export function plantedScores(
  { responses, expected }: Planted,
  unit: number,
  minTrials: number,
): Record<RepeatScoreName, number> {
  const { trials, bins, units, robs } = responses;
  const shown: { rate: number; n: number }[] = [];
  for (let bin = 0; bin < bins; bin++) {
    const place = bin * units + unit;
    let n = 0;
    for (let trial = 0; trial < trials; trial++) n += Number(!Number.isNaN(robs[trial * bins * units + place]!));
    if (n >= minTrials) shown.push({ rate: expected[place]!, n });
  }
  const average = mean(shown.map(({ rate }) => rate));
  const signal = shown.reduce((sum, { rate }) => sum + (rate - average) ** 2, 0) / (shown.length - 1);
  const noiseOfMean = mean(shown.map(({ rate, n }) => rate / n));
  // Poisson: the variance of a cell is its rate.
  const cells = shown.reduce((sum, { n }) => sum + n, 0);
  const overCells = (f: (bin: { rate: number; n: number }) => number) =>
    shown.reduce((sum, bin) => sum + bin.n * f(bin), 0) / cells;
  const cellMean = overCells(({ rate }) => rate);
  const cellSignal = overCells(({ rate }) => (rate - cellMean) ** 2);
  const single = cellSignal + cellMean;
  const total = (single * cells - cellMean) / (cells - 1);
  const rest = cellSignal + overCells(({ rate, n }) => rate / (n - 1));
  const populationMeans = ((signal + noiseOfMean) * (shown.length - 1)) / shown.length;
  const populationNoise = mean(shown.map(({ rate, n }) => (rate * (n - 1)) / n));
  const ccmax = Math.sqrt(signal / (signal + noiseOfMean));
  return {
    signal_power: signal,
    noise_power: average,
    ccmax,
    ccmax_signal_power: ccmax,
    fev: (total - cellMean) / total,
    jackknife_oracle: cellSignal / Math.sqrt(single * rest),
    conservative_oracle: Math.sqrt(populationMeans / (populationMeans + populationNoise)),
    explained_variance_psth: 1 - (cellMean + overCells(({ rate, n }) => rate / (n - 1))) / single,
    single_trial_correlation: Math.sqrt(cellSignal / single),
    correlation_to_average: ccmax,
    ccnorm: 1,
    ccnorm_signal_power: 1,
    feve: 1,
    explained_variance: cellSignal / single,
  };
}

/** Part of the units whose interval covers what was planted. */
export function coverage(low: Float64Array, high: Float64Array, planted: readonly number[]): number {
  return mean(planted.map((value, unit) => Number(low[unit]! <= value && value <= high[unit]!)));
}

/** Median of the values that are numbers. */
export function median(values: Float64Array): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
