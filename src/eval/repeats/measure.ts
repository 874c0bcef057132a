/**
 * @file What a score of repeats is: a function of a unit's totals, the scale on which its interval is made, and when it is
 * not defined.
 */

import type { TrialResponses } from "../trials.ts";
import { alignRepeats, type BinRequirements, type Repeats, whyNotPredicted, whyNotScored } from "./repeats.ts";
import { sumPlaces, sumTotals, type Totals, totalsOf } from "./totals.ts";

/** Scores of units. */
export interface UnitScores {
  /** [units]; NaN where the score is not defined. */
  values: Float64Array;
  /** Why a score is NaN, null where it is not, [units]. */
  reasons: (string | null)[];
}

/** One score, as a function of {@link Totals}. */
export interface Measure {
  /** Whether predictions take part. */
  readonly predicted: boolean;
  /** The totals that it reads. */
  readonly uses: readonly (keyof Totals)[];
  /** The score on a scale where its error is nearly normal and nearly independent of its size. */
  scaled(totals: Totals): number;
  /** From that scale, ascending, to the score's own; NaN where the score is not defined. */
  value(scaled: number): number;
  /** Like `value` for the ends of intervals: where the score is not defined, the nearest value that is. */
  limit(scaled: number): number;
  /** Why `value` is NaN although there are repeats, and predictions where they matter. */
  readonly undefinedBecause: string;
}

/** Why chance-level repeats leave a score undefined. */
export const NO_SIGNAL = "no positive signal power: repeats agree no better than by chance";

/** Bins that are scored when nothing else is asked for. */
export const REQUIREMENTS: BinRequirements = { minTrials: 2, minBins: 20 };

/** A unit's repeats and their sums, made once for all measures. */
export interface Prepared {
  repeats: Repeats;
  totals: Float64Array;
  /** Why nothing can be said about a unit, [units]. */
  unscored: (string | null)[];
  /** Why its predictions cannot be scored, [units]. */
  unpredicted: (string | null)[];
}

/** Scores of all units. */
export function scoreUnits(prepared: Prepared, measure: Measure): UnitScores {
  const { repeats, totals, unscored, unpredicted } = prepared;
  const values = new Float64Array(repeats.units).fill(Number.NaN);
  const reasons = Array.from(values, (_, unit) => {
    const reason = unscored[unit] ?? (measure.predicted ? unpredicted[unit] : null) ?? null;
    if (reason !== null) return reason;
    values[unit] = measure.value(measure.scaled(totalsOf(totals, unit)));
    return Number.isNaN(values[unit]) ? measure.undefinedBecause : null;
  });
  return { values, reasons };
}

/** Aligns repeats and notes which units can be scored. */
export function prepareUnits(responses: TrialResponses, requirements: BinRequirements): Prepared {
  const repeats = alignRepeats(responses);
  const { units } = repeats;
  return {
    repeats,
    totals: sumTotals(sumPlaces(repeats, Math.max(2, requirements.minTrials)), -1),
    unscored: Array.from({ length: units }, (_, unit) => whyNotScored(repeats, unit, requirements)),
    unpredicted: Array.from({ length: units }, (_, unit) => whyNotPredicted(repeats, unit)),
  };
}

/** A measure as a function of responses, with the usual requirements: at least 2 trials per bin and 20 such bins. */
export function measureUnits(
  responses: TrialResponses,
  measure: Measure,
  requirements: Partial<BinRequirements> = {},
): UnitScores {
  return scoreUnits(prepareUnits(responses, { ...REQUIREMENTS, ...requirements }), measure);
}
