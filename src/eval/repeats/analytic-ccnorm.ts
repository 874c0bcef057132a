/**
 * @file Two closed forms of the noise-corrected correlation: the one as published with signal power, for complete trials,
 * and the reference's older one (evaluation specification, sections 8.3 and 8.4).
 */

import type { TrialResponses } from "../trials.ts";
import { correlateAt, finitePlaces, placeMeans } from "./ccnorm.ts";
import { NO_SIGNAL, REQUIREMENTS, type UnitScores } from "./measure.ts";
import {
  alignRepeats,
  type BinRequirements,
  eligiblePlaces,
  type Repeats,
  whyNotPredicted,
  whyNotScored,
} from "./repeats.ts";

/** Powers of units over complete trials, [units] each. */
export interface CompletePowers {
  /** Trials that were used: the first so many of every bin. */
  repeatsUsed: Int32Array;
  signalPower: UnitScores;
  /** Mean over trials of the variance over bins: signal and noise. */
  totalPower: UnitScores;
  /** Variance over bins of the mean response. */
  varianceOfMean: UnitScores;
  ccmax: UnitScores;
}

/**
 * Signal power over complete trials (Sahani & Linden 2003, NIPS 15; Schoppe et al. 2016, Front. Comput. Neurosci. 10:10):
 *
 * `SP = (Var_t(Σ_n x_n) − Σ_n Var_t(x_n)) / (N (N − 1))`, `TP = mean_n Var_t(x_n)`, `CCmax = sqrt(SP / Var_t(mean_n x_n))`
 *
 * with variances over bins that divide by bins − 1. Bins with more than N valid trials give their first N; N is the
 * smallest number of valid trials of any bin with at least `minTrials`. {@link signalPower} uses all trials instead.
 */
export function completeSignalPower(
  responses: TrialResponses,
  requirements: Partial<BinRequirements> = {},
): CompletePowers {
  const needed = { ...REQUIREMENTS, ...requirements };
  const repeats = alignRepeats(responses);
  const { units } = repeats;
  const eligible = eligiblePlaces(repeats, needed.minTrials);
  const scores = (): UnitScores => ({ values: new Float64Array(units).fill(Number.NaN), reasons: [] });
  const [signal, total, ofMean, ccmax] = [scores(), scores(), scores(), scores()];
  const repeatsUsed = new Int32Array(units);
  for (let unit = 0; unit < units; unit++) {
    const reason = whyNotScored(repeats, unit, needed);
    for (const { reasons } of [signal, total, ofMean, ccmax]) reasons.push(reason);
    if (reason !== null) continue;
    const rows = firstTrials(repeats, eligible, unit);
    const powers = powersOf(rows);
    repeatsUsed[unit] = rows.length;
    signal.values[unit] = powers.signal;
    total.values[unit] = powers.total;
    ofMean.values[unit] = powers.ofMean;
    if (powers.signal > 0) ccmax.values[unit] = Math.sqrt(powers.signal / powers.ofMean);
    else ccmax.reasons[unit] = NO_SIGNAL;
  }
  return { repeatsUsed, signalPower: signal, totalPower: total, varianceOfMean: ofMean, ccmax };
}

/** The first N valid responses of every eligible bin, [N][bins]. */
function firstTrials({ trials, units, valid, robs, counts }: Repeats, eligible: Uint8Array, unit: number): number[][] {
  const places = Array.from({ length: counts.length / units }, (_, bin) => bin * units + unit);
  const chosen = places.filter((place) => eligible[place] === 1);
  const repeats = chosen.reduce((least, place) => Math.min(least, counts[place]!), trials);
  const rows: number[][] = Array.from({ length: repeats }, () => []);
  for (const place of chosen) {
    for (let trial = 0, rank = 0; rank < repeats; trial++) {
      const cell = trial * counts.length + place;
      if (valid[cell] === 1) rows[rank++]!.push(robs[cell]!);
    }
  }
  return rows;
}

function powersOf(rows: readonly number[][]): { signal: number; total: number; ofMean: number } {
  const n = rows.length;
  const sums = rows[0]!.map((_, bin) => rows.reduce((sum, row) => sum + row[bin]!, 0));
  const ofSums = variance(sums, 1);
  const single = rows.reduce((sum, row) => sum + variance(row, 1), 0);
  return { signal: (ofSums - single) / (n * (n - 1)), total: single / n, ofMean: ofSums / n ** 2 };
}

function variance(values: readonly number[], ddof: 0 | 1): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - ddof);
}

/** Noise-corrected correlation and its parts, [units] each. */
export interface PublishedCcnorm {
  ccnorm: Float64Array;
  ccabs: Float64Array;
  ccmax: Float64Array;
}

/**
 * CCnorm, CCabs and CCmax with the very conventions of the code that Schoppe et al. (2016) published: signal power as in
 * {@link completeSignalPower}, with variances that divide by bins − 1, everything else with ones that divide by bins.
 * Therefore CCmax is larger, and CCnorm smaller, than elsewhere here by the factor `sqrt(bins / (bins − 1))`.
 */
export function publishedCcnorm(
  responses: TrialResponses,
  requirements: Partial<BinRequirements> = {},
): PublishedCcnorm {
  const { signalPower } = completeSignalPower(responses, requirements);
  const repeats = alignRepeats(responses);
  const { units } = repeats;
  const { y, p } = placeMeans(repeats, eligiblePlaces(repeats, { ...REQUIREMENTS, ...requirements }.minTrials));
  const parts = { ccnorm: new Float64Array(units), ccabs: new Float64Array(units), ccmax: new Float64Array(units) };
  for (let unit = 0; unit < units; unit++) {
    const places = finitePlaces(y, p, unit, units);
    const power = signalPower.values[unit]!;
    parts.ccabs[unit] = correlateAt(places, y, p);
    parts.ccmax[unit] =
      power > 0
        ? Math.sqrt(
            power /
              variance(
                places.map((place) => y[place]!),
                0,
              ),
          )
        : Number.NaN;
    parts.ccnorm[unit] = parts.ccabs[unit]! / parts.ccmax[unit]!;
  }
  return parts;
}

export interface AnalyticCcnormOptions {
  /** Fewest valid trials of a bin; 20 when absent. */
  minTrialsPerBin?: number | undefined;
  /** Fewest bins; 20 when absent. */
  minTimeBins?: number | undefined;
  /** `"reference"`: variances over trials and over bins divide by their number − `ddof`, the covariance by the number. */
  compat?: "reference" | undefined;
  /** With `compat`: 0, which takes too little noise away and so makes CCnorm too small, or 1; 0 when absent. */
  ddof?: 0 | 1 | undefined;
}

/**
 * The reference's older noise-corrected correlation, without resampling (specification, section 8.4):
 *
 * `CCnorm = Cov_t(y, p) / sqrt(Var_t(p) SP)`, `SP = Var_t(y) − mean_t(s²_t / n_t)`
 *
 * By default the variance over trials divides by n − 1 and variances over bins by their number: the reference's with its
 * noise term made unbiased. {@link ccnormBySignalPower} divides by bins − 1 as well.
 */
export function analyticCcnorm(responses: TrialResponses, options: AnalyticCcnormOptions = {}): UnitScores {
  const { minTrialsPerBin = 20, minTimeBins = 20, compat, ddof = 0 } = options;
  const [trialDdof, binDdof] = compat === "reference" ? [ddof, ddof] : [1 as const, 0 as const];
  const repeats = alignRepeats(responses);
  const { units } = repeats;
  const eligible = eligiblePlaces(repeats, minTrialsPerBin);
  const { y, p } = placeMeans(repeats, eligible);
  const noise = noiseOfMeans(repeats, y, trialDdof);
  const values = new Float64Array(units).fill(Number.NaN);
  const reasons = Array.from(values, (_, unit) => {
    const unscored = whyNotScored(repeats, unit, { minTrials: minTrialsPerBin, minBins: minTimeBins });
    if (unscored !== null) return unscored;
    const places = finitePlaces(y, p, unit, units);
    if (places.length < minTimeBins) return whyNotPredicted(repeats, unit);
    const varianceOfMean = variance(
      places.map((place) => y[place]!),
      binDdof,
    );
    const power = varianceOfMean - places.reduce((sum, place) => sum + noise[place]!, 0) / places.length;
    if (power <= 0) return NO_SIGNAL;
    values[unit] = correlateAt(places, y, p, binDdof) * Math.sqrt(varianceOfMean / power);
    return whyNotPredicted(repeats, unit);
  });
  return { values, reasons };
}

/** s²/n of every place. */
function noiseOfMeans({ trials, valid, robs, counts }: Repeats, y: Float64Array, ddof: 0 | 1): Float64Array {
  const places = counts.length;
  const squares = new Float64Array(places);
  for (let cell = 0; cell < trials * places; cell++) {
    if (valid[cell] === 1) squares[cell % places]! += (robs[cell]! - y[cell % places]!) ** 2;
  }
  return squares.map((sum, place) => sum / (counts[place]! - ddof) / counts[place]!);
}
