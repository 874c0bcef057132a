/**
 * @file Repeats made ready for scoring: which cells count, with what is not valid set to zero, and why a unit may have no
 * score (evaluation specification, sections 1.4 and 8). The caller's arrays are only read.
 */

import { UserError } from "../../errors.ts";
import type { TrialResponses } from "../trials.ts";

/** Valid responses and predictions. A cell is (trial, bin, unit), a place (bin, unit). */
export interface Repeats {
  trials: number;
  bins: number;
  units: number;
  /** 1 where a cell counts, [trials, bins, units]. */
  valid: Uint8Array;
  /** Responses, 0 where a cell does not count, [trials, bins, units]. */
  robs: Float64Array;
  /** Predictions, 0 where a cell does not count, [trials, bins, units]. */
  rates: Float64Array;
  /** Valid trials of every place, [bins, units]. */
  counts: Float64Array;
}

/** What a place needs to be scored, and how many of them a unit needs. */
export interface BinRequirements {
  /** Fewest valid trials of a bin. */
  minTrials: number;
  /** Fewest bins with so many trials. */
  minBins: number;
}

/**
 * Reads off which cells count: a response that is not NaN under a weight that is not 0 (a NaN weight counts, as in the
 * reference).
 *
 * @throws UserError when an array does not have trials × bins × units elements
 */
export function alignRepeats({ trials, bins, units, robs, rates, dfs }: TrialResponses): Repeats {
  const cells = trials * bins * units;
  for (const [name, values] of Object.entries({ robs, rates, ...(dfs && { dfs }) })) {
    if (values.length === cells) continue;
    throw new UserError(
      `Cannot score repeats: ${name} has ${values.length} elements, ${trials} trials × ${bins} bins × ${units} units ` +
        `are ${cells}`,
    );
  }
  const places = bins * units;
  const repeats: Repeats = {
    trials,
    bins,
    units,
    valid: new Uint8Array(cells),
    robs: new Float64Array(cells),
    rates: new Float64Array(cells),
    counts: new Float64Array(places),
  };
  for (let cell = 0; cell < cells; cell++) {
    const response = robs[cell]!;
    if (Number.isNaN(response) || (dfs !== undefined && dfs[cell]! <= 0)) continue;
    repeats.valid[cell] = 1;
    repeats.robs[cell] = response;
    repeats.rates[cell] = rates[cell]!;
    repeats.counts[cell % places]! += 1;
  }
  return repeats;
}

/** 1 where a place has enough valid trials, [bins, units]. */
export function eligiblePlaces({ counts }: Repeats, minTrials: number): Uint8Array {
  return Uint8Array.from(counts, (count) => (count >= minTrials ? 1 : 0));
}

/** Why a unit's repeats cannot be scored at all; null when they can. */
export function whyNotScored(repeats: Repeats, unit: number, { minTrials, minBins }: BinRequirements): string | null {
  const { bins, units, counts } = repeats;
  let [most, enough] = [0, 0];
  for (let bin = 0; bin < bins; bin++) {
    const count = counts[bin * units + unit]!;
    most = Math.max(most, count);
    if (count >= minTrials) enough += 1;
  }
  if (most === 0) return "no valid bins: the mask, or what is missing, leaves nothing";
  if (most === 1) return "no repeats: every bin has at most one valid trial";
  if (enough < minBins) {
    return most < minTrials
      ? `too few trials: at most ${most} valid trials in a bin, ${minTrials} needed`
      : `too few bins: ${enough} bins have ${minTrials} valid trials, ${minBins} bins needed`;
  }
  const range = responseRange(repeats, unit);
  if (range.low !== range.high) return null;
  return range.high === 0 ? "no spikes in the valid bins" : "the response is the same in all valid bins";
}

function responseRange({ trials, bins, units, valid, robs }: Repeats, unit: number): { low: number; high: number } {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let cell = unit; cell < trials * bins * units; cell += units) {
    if (valid[cell] === 0) continue;
    low = Math.min(low, robs[cell]!);
    high = Math.max(high, robs[cell]!);
  }
  return { low, high };
}

/** Why a unit's predictions cannot be scored: how many are not finite, or that they never change; null when they can. */
export function whyNotPredicted({ trials, bins, units, valid, rates }: Repeats, unit: number): string | null {
  let [missing, all, low, high] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let cell = unit; cell < trials * bins * units; cell += units) {
    if (valid[cell] === 0) continue;
    const rate = rates[cell]!;
    all += 1;
    if (Number.isFinite(rate)) {
      low = Math.min(low, rate);
      high = Math.max(high, rate);
    } else {
      missing += 1;
    }
  }
  if (missing > 0) return `${missing} of ${all} predictions are not finite numbers`;
  return low === high ? "the prediction is the same in all valid bins" : null;
}
