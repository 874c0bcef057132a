/**
 * @file Sparseness of responses.
 */
import type { TrialResponses } from "./trials.ts";

/**
 * How unevenly responses are distributed: 0 when all are equal, 1 when only one differs from 0. `S = (1 − a) / (1 − 1/n)` (Vinje &
 * Gallant 2000, Science 287, 1273–1276) with the activity ratio `a = (Σ r / n)² / (Σ r² / n)` of Rolls & Tovee 1995 (Journal of
 * Neurophysiology 73, 713–726). Over stimuli of one unit it is lifetime sparseness, over units at one time population sparseness.
 *
 * Responses are estimated from spikes, and their errors count as differences: with few trials or short bins S is too large (a
 * unit of constant rate that fires once in n bins has S = 1). Compare only values from equal numbers of trials, or use
 * {@link lifetimeSparseness}, which can remove this bias.
 *
 * @param responses 0 or more; NaN values are passed over
 * @returns NaN with fewer than two responses, or when all are 0
 */
export function sparseness(responses: ArrayLike<number>): number {
  const defined = Float64Array.from(responses).filter((r) => !Number.isNaN(r));
  const sum = defined.reduce((total, r) => total + r, 0);
  const squares = defined.reduce((total, r) => total + r * r, 0);
  return fromSums(defined.length, sum, squares);
}

/** Sparseness of every unit over the bins of a repeated stimulus. */
export interface LifetimeSparseness {
  /** Of the mean over trials, [units]. */
  readonly naive: Float64Array;
  /**
   * With the variance of each mean subtracted from its square, so that `Σ r²` is unbiased, [units]. The ratio is still slightly
   * biased with few bins, and can leave [0, 1] by chance.
   */
  readonly corrected: Float64Array;
  /** Of the predicted rates, averaged over the same trials, [units]. */
  readonly predicted: Float64Array;
  /** Why a unit's `corrected` is NaN, [units]; null where it is a number. */
  readonly reasons: readonly (string | null)[];
}

/**
 * Lifetime sparseness over the bins of repeats, see {@link sparseness}. Bins that were seen in a single trial do not count for
 * `corrected`, as their variance is unknown.
 */
export function lifetimeSparseness(responses: TrialResponses): LifetimeSparseness {
  const { units } = responses;
  const naive = new Float64Array(units);
  const corrected = new Float64Array(units);
  const predicted = new Float64Array(units);
  const reasons = Array.from({ length: units }, (_, unit) => {
    const bins = binMoments(responses, unit);
    naive[unit] = sparseness(bins.map(({ mean }) => mean));
    predicted[unit] = sparseness(bins.map(({ rate }) => rate));
    const repeated = bins.filter(({ n }) => n > 1);
    const sum = repeated.reduce((total, { mean }) => total + mean, 0);
    const squares = repeated.reduce((total, { n, mean, variance }) => total + mean * mean - variance / n, 0);
    corrected[unit] = squares > 0 ? fromSums(repeated.length, sum, squares) : Number.NaN;
    if (!Number.isNaN(corrected[unit])) return null;
    if (repeated.length < 2) return "fewer than two bins were seen in two trials";
    return sum === 0 ? "no spikes" : "responses vary no more between bins than between trials";
  });
  return { naive, corrected, predicted, reasons };
}

function fromSums(n: number, sum: number, squares: number): number {
  if (n < 2 || squares === 0) return Number.NaN;
  const activity = (sum / n) ** 2 / (squares / n);
  return (1 - activity) / (1 - 1 / n);
}

interface BinMoments {
  /** Trials. */
  n: number;
  mean: number;
  /** Between trials, squares divided by n − 1. */
  variance: number;
  /** Mean prediction. */
  rate: number;
}

/** Moments over trials of every bin in which a unit was observed. */
function binMoments({ trials, bins, units, robs, rates, dfs }: TrialResponses, unit: number): BinMoments[] {
  return Array.from({ length: bins }, (_, bin) => {
    const cells = Array.from({ length: trials }, (_, trial) => (trial * bins + bin) * units + unit).filter(
      (cell) => !Number.isNaN(robs[cell]) && (dfs === undefined || dfs[cell]! > 0),
    );
    const n = cells.length;
    const mean = cells.reduce((sum, cell) => sum + robs[cell]!, 0) / n;
    const variance = cells.reduce((sum, cell) => sum + (robs[cell]! - mean) ** 2, 0) / (n - 1);
    return { n, mean, variance, rate: cells.reduce((sum, cell) => sum + rates[cell]!, 0) / n };
  }).filter(({ n }) => n > 0);
}
