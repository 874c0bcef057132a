/**
 * @file Correlation of predictions with single trials.
 */

import type { TrialResponses } from "../trials.ts";
import { type Measure, measureUnits, type UnitScores } from "./measure.ts";
import type { BinRequirements } from "./repeats.ts";
import { centred, pearson } from "./totals.ts";

export const SINGLE_TRIAL_CORRELATION: Measure = {
  predicted: true,
  uses: ["cells", "r", "rr", "q", "qq", "rq"],
  scaled: ({ cells, r, rr, q, qq, rq }) =>
    Math.atanh(pearson(centred(rq, r, q, cells), centred(rr, r, r, cells), centred(qq, q, q, cells))),
  value: Math.tanh,
  limit: Math.tanh,
  undefinedBecause: "the prediction or the response does not vary",
};

/**
 * Single-trial correlation: Pearson's between response and prediction over all valid (trial, bin) cells, the noise of
 * single trials included (the main score of Willeke et al. 2022, Sensorium, arXiv:2206.08666). Its ceiling for predictions
 * that are alike in all trials is `sqrt(FEV)`.
 *
 * @returns −1 to 1, [units]
 */
export function singleTrialCorrelation(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, SINGLE_TRIAL_CORRELATION, requirements);
}
