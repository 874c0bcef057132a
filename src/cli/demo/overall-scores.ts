/**
 * @file The numbers that the demo ends with.
 */
import type { Evaluation } from "../../eval/evaluate.ts";
import { trueRates } from "../../report/evaluation-report.ts";
import { poolUnits, summarize } from "../../report/evaluation-units.ts";

/** Means over units; null where they are not known. */
export interface OverallScores {
  /** Bits per spike. */
  readonly bits: number | null;
  /** Of the true rates. */
  readonly oracleBits: number | null;
  /** Part of what the true rates reach. */
  readonly fraction: number | null;
}

/** Scores over all units of an evaluation, of the twin and of the true rates. */
export function overallScores(evaluation: Evaluation): OverallScores {
  const units = poolUnits(evaluation);
  const { n, mean } = summarize(units.scores.get("bps")?.values ?? []);
  const truth = trueRates(units);
  return { bits: n === 0 ? null : mean, oracleBits: truth?.bits ?? null, fraction: truth?.fraction ?? null };
}
