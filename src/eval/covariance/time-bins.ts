/**
 * @file Samples grouped by the time bin they belong to, and the weight of each bin (evaluation specification, section
 * 15.2).
 */

import { allFinite, type EyeSamples } from "./samples.ts";

/**
 * How time bins with different numbers of trials share in the averages: as many pairs as they have (`pair_count`), all
 * alike (`uniform`), or as many trials as they have (`trial_count`).
 */
export type BinWeighting = "pair_count" | "uniform" | "trial_count";

/** Samples of the bins that have enough of them. */
export interface BinnedSamples extends EyeSamples {
  /** Samples of each bin, by their number. */
  groups: Int32Array[];
}

/**
 * Keeps samples whose spikes and gaze are finite, of time bins with at least `minTrials` of them (and two, to have a pair).
 * Bins are renumbered from 0.
 */
export function groupByBin(samples: EyeSamples, minTrials: number): BinnedSamples {
  const { units, length } = samples;
  const found = new Map<number, number>();
  const finite = [...samples.bins.keys()].filter(
    (row) => allFinite(samples.counts, row, units) && allFinite(samples.trajectories, row, 2 * length),
  );
  for (const row of finite) found.set(samples.bins[row]!, (found.get(samples.bins[row]!) ?? 0) + 1);
  const kept = [...found.keys()].filter((bin) => found.get(bin)! >= Math.max(2, minTrials)).sort((a, b) => a - b);
  const number = new Map(kept.map((bin, i) => [bin, i]));
  const rows = finite.filter((row) => number.has(samples.bins[row]!));
  const groups: number[][] = kept.map(() => []);
  rows.forEach((row, sample) => {
    groups[number.get(samples.bins[row]!)!]!.push(sample);
  });
  return {
    units,
    length,
    counts: pickRows(samples.counts, rows, units),
    bins: Int32Array.from(rows, (row) => number.get(samples.bins[row]!)!),
    trajectories: pickRows(samples.trajectories, rows, 2 * length),
    groups: groups.map((group) => Int32Array.from(group)),
  };
}

/** Some rows of [rows, width]. */
export function pickRows(values: Float64Array, rows: ArrayLike<number>, width: number): Float64Array {
  const picked = new Float64Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    picked.set(values.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width);
  }
  return picked;
}

/** Weight of one sample in the mean rate, for a bin of `trials` samples. */
export function sampleWeight(weighting: BinWeighting, trials: number): number {
  return { pair_count: (trials - 1) / 2, uniform: 1 / trials, trial_count: 1 }[weighting];
}

/** Weight of a whole bin of `trials` samples. */
export function binWeight(weighting: BinWeighting, trials: number): number {
  return sampleWeight(weighting, trials) * trials;
}

/** Weight of one of the `pairs` close pairs of a bin of `trials` samples. */
export function closePairWeight(weighting: BinWeighting, trials: number, pairs: number): number {
  return { pair_count: 1, uniform: 1 / pairs, trial_count: trials / pairs }[weighting];
}
