/**
 * @file Noise-corrected correlation with a ceiling from split halves (evaluation specification, section 8.2).
 */

import { UserError } from "../../errors.ts";
import type { TrialResponses } from "../trials.ts";
import { NO_SIGNAL } from "./measure.ts";
import { alignRepeats, eligiblePlaces, type Repeats, whyNotPredicted, whyNotScored } from "./repeats.ts";
import { drawHalves, type Halves, halfCorrelations, type SplitSetting } from "./split-half.ts";

export interface CcnormOptions {
  /** Random halves of the trials; 500 when absent. */
  splits?: number | undefined;
  /** Of the random halves. */
  seed?: number | undefined;
  /** Orders of the trials to use instead of random ones: the first ⌊trials / 2⌋ are half A. */
  permutations?: readonly ArrayLike<number>[] | undefined;
  /** Fewest valid trials of a bin; 20 when absent. */
  minTrialsPerBin?: number | undefined;
  /** Fewest bins; 20 when absent. */
  minTimeBins?: number | undefined;
  /** Fewest valid trials of a bin in either half; half of `minTrialsPerBin` when absent. */
  minTrialsPerHalf?: number | undefined;
  /** `"reference"`: without enough bins with finite predictions the ceiling is NaN too, and `ddof` may be 1. */
  compat?: "reference" | undefined;
  /** 1 shrinks every correlation by (bins − 1)/bins, as the reference does on request (E-20). */
  ddof?: 0 | 1 | undefined;
}

/** Noise-corrected correlations and their parts, [units] each; NaN where not defined. */
export interface Ccnorm {
  /** CCabs / CCmax, as it comes: above 1 by chance, or when predictions follow single trials. */
  ccnorm: Float64Array;
  /** The same between 0 and 1, as the reference reports it (E-21). */
  clipped: Float64Array;
  ccabs: Float64Array;
  ccmax: Float64Array;
  /** Mean correlation of the halves. */
  cchalf: Float64Array;
  /** Splits with a correlation. */
  splitsUsed: Int32Array;
  /** Why `ccmax` is NaN, null where it is not. */
  ceilingReasons: (string | null)[];
  /** Why `ccnorm` is NaN; where it is a number, null or what was left out. */
  reasons: (string | null)[];
}

/** Below this ceiling a quotient says nothing. */
export const SMALLEST_CCMAX = 1e-3;

/**
 * Noise-corrected correlation of predictions with repeats, and the ceiling that it is relative to:
 *
 * `CCnorm = CCabs / CCmax`, `CCmax = sqrt(2 CChalf / (1 + CChalf))`
 *
 * CCabs is Pearson's correlation over bins of the mean response and the mean prediction over the bin's valid trials,
 * CChalf the mean over random splits of the correlation of the mean responses of two halves of the trials (Hsu, Borst &
 * Theunissen 2004, Network 15:91; Schoppe et al. 2016, Front. Comput. Neurosci. 10:10; for positive CChalf their formula
 * is this one). NaN, not a number from its square, where CChalf is not positive.
 *
 * Bins in which a valid trial has no finite prediction are left out of CCabs, and `reasons` says how many predictions are
 * missing. Ceilings do not need predictions.
 *
 * @throws UserError when arrays or permutations do not fit
 * @example
 * const { ccnorm, ccmax } = ccnorm(trials, { splits: 500, seed: 7 });
 */
export function ccnorm(responses: TrialResponses, options: CcnormOptions = {}): Ccnorm {
  const prepared = prepareCcnorm(responses, options);
  const { repeats, setting, halves, requirements } = prepared;
  const { units } = repeats;
  const whole = wholeCorrelations(setting);
  const half = halfCorrelations(setting, halves);
  const ccmax = half.mean.map(ccmaxFromHalf);
  const result: Ccnorm = {
    ccnorm: new Float64Array(units).fill(Number.NaN),
    clipped: new Float64Array(units).fill(Number.NaN),
    ccabs: whole.ccabs,
    ccmax,
    cchalf: half.mean,
    splitsUsed: half.used,
    ceilingReasons: [],
    reasons: [],
  };
  for (let unit = 0; unit < units; unit++) {
    const unscored = whyNotScored(repeats, unit, requirements);
    const tooFew = whole.bins[unit]! < requirements.minBins;
    if (options.compat === "reference" ? tooFew : enoughBins(setting, unit) < requirements.minBins) {
      result.ccmax[unit] = Number.NaN;
      result.cchalf[unit] = Number.NaN;
      result.splitsUsed[unit] = 0;
    }
    if (tooFew) result.ccabs[unit] = Number.NaN;
    if (result.ccmax[unit]! > SMALLEST_CCMAX) result.ccnorm[unit] = result.ccabs[unit]! / result.ccmax[unit]!;
    result.clipped[unit] = Math.min(1, Math.max(0, result.ccnorm[unit]!));
    const ceiling = Number.isNaN(result.ccmax[unit])
      ? (unscored ?? (result.splitsUsed[unit] === 0 ? "no split has enough trials in both halves" : NO_SIGNAL))
      : null;
    result.ceilingReasons.push(ceiling);
    result.reasons.push(ceiling ?? whyNotPredicted(repeats, unit));
  }
  return result;
}

/** The ceiling of correlations with a mean over trials from the correlation of halves; NaN when that is not positive. */
export function ccmaxFromHalf(cchalf: number): number {
  return cchalf > 0 ? Math.sqrt((2 * cchalf) / (1 + cchalf)) : Number.NaN;
}

/** What scores and intervals both need. */
export interface PreparedCcnorm {
  repeats: Repeats;
  setting: SplitSetting;
  halves: Halves[];
  requirements: { minTrials: number; minBins: number };
}

/** Resolves options, aligns repeats and draws halves. */
export function prepareCcnorm(responses: TrialResponses, options: CcnormOptions): PreparedCcnorm {
  const { minTrialsPerBin = 20, minTimeBins = 20, splits = 500, seed = 0, permutations, compat, ddof = 0 } = options;
  if (ddof === 1 && compat !== "reference") {
    throw new UserError("Cannot correlate with ddof 1: it shrinks correlations by (bins - 1) / bins", {
      hint: 'Leave ddof out, or set compat to "reference" for the numbers that the reference gives with it.',
    });
  }
  const repeats = alignRepeats(responses);
  const sums = sumTrials(repeats, repeats.robs);
  const setting: SplitSetting = {
    repeats,
    sums,
    means: meanResponses(repeats, sums),
    eligible: eligiblePlaces(repeats, minTrialsPerBin),
    minPerHalf: options.minTrialsPerHalf ?? Math.max(1, Math.floor(minTrialsPerBin / 2)),
    minBins: minTimeBins,
    ddof,
  };
  const halves = drawHalves(repeats.trials, { splits, seed, given: permutations });
  return { repeats, setting, halves, requirements: { minTrials: minTrialsPerBin, minBins: minTimeBins } };
}

/** Mean response of every unit over its valid cells. */
function meanResponses({ units, counts }: Repeats, sums: Float64Array): Float64Array {
  const [total, cells] = [new Float64Array(units), new Float64Array(units)];
  for (let place = 0; place < sums.length; place++) {
    total[place % units]! += sums[place]!;
    cells[place % units]! += counts[place]!;
  }
  return total.map((sum, unit) => (cells[unit] === 0 ? 0 : sum / cells[unit]!));
}

function enoughBins({ eligible, repeats }: SplitSetting, unit: number): number {
  let count = 0;
  for (let place = unit; place < eligible.length; place += repeats.units) count += eligible[place]!;
  return count;
}

/** CCabs of every unit, and the bins it is over. */
function wholeCorrelations({ repeats, eligible, ddof }: SplitSetting): { ccabs: Float64Array; bins: Int32Array } {
  const { units } = repeats;
  const { y, p } = placeMeans(repeats, eligible);
  const kept = Array.from({ length: units }, (_, unit) => finitePlaces(y, p, unit, units));
  return {
    ccabs: Float64Array.from(kept, (places) => correlateAt(places, y, p, ddof)),
    bins: Int32Array.from(kept, (places) => places.length),
  };
}

/** The places of a unit where two columns are finite numbers. */
export function finitePlaces(a: Float64Array, b: Float64Array, unit: number, units: number): number[] {
  const places = [];
  for (let place = unit; place < a.length; place += units) {
    if (Number.isFinite(a[place]) && Number.isFinite(b[place])) places.push(place);
  }
  return places;
}

/** Mean response and mean prediction of every place; NaN where a place is not eligible. */
export function placeMeans(repeats: Repeats, eligible: Uint8Array): { y: Float64Array; p: Float64Array } {
  const mean = (sum: number, place: number) => (eligible[place] === 1 ? sum / repeats.counts[place]! : Number.NaN);
  return { y: sumTrials(repeats, repeats.robs).map(mean), p: sumTrials(repeats, repeats.rates).map(mean) };
}

/** Sums over valid trials of responses or predictions, [bins, units]. */
export function sumTrials({ trials, counts }: Repeats, values: Float64Array): Float64Array {
  const places = counts.length;
  const sums = new Float64Array(places);
  for (let trial = 0; trial < trials; trial++) {
    for (let place = 0, cell = trial * places; place < places; place++, cell++) sums[place]! += values[cell]!;
  }
  return sums;
}

/** Pearson correlation over chosen places; NaN for fewer than two or when a side does not vary. */
export function correlateAt(places: readonly number[], a: Float64Array, b: Float64Array, ddof: 0 | 1 = 0): number {
  const n = places.length;
  let [meanA, meanB] = [0, 0];
  for (const place of places) {
    meanA += a[place]! / n;
    meanB += b[place]! / n;
  }
  let [aa, bb, ab] = [0, 0, 0];
  for (const place of places) {
    const [x, y] = [a[place]! - meanA, b[place]! - meanB];
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  if (n < 2 || !(aa > n * (1e-14 * meanA) ** 2) || !(bb > n * (1e-14 * meanB) ** 2)) return Number.NaN;
  return ((ab / Math.sqrt(aa * bb)) * (n - ddof)) / n;
}
