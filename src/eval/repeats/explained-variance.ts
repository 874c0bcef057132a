/**
 * @file Variance of single trials that is explained by a prediction, and by the PSTH of the other trials (evaluation
 * specification, section 8.5).
 */

import type { TrialResponses } from "../trials.ts";
import { type Measure, measureUnits, type UnitScores } from "./measure.ts";
import type { BinRequirements } from "./repeats.ts";
import { centred } from "./totals.ts";

const fraction = (logRatio: number) => -Math.expm1(-logRatio);

export const EXPLAINED_VARIANCE: Measure = {
  predicted: true,
  uses: ["cells", "r", "rr", "q", "qq", "rq"],
  scaled: ({ cells, r, rr, q, qq, rq }) =>
    Math.log(centred(rr, r, r, cells) / centred(rr - 2 * rq + qq, r - q, r - q, cells)),
  value: fraction,
  limit: fraction,
  undefinedBecause: "the response does not vary",
};

/**
 * Explained variance of single trials, over all valid (trial, bin) cells: `1 − Var(q − r) / Var(r)`. A constant offset
 * of the prediction costs nothing, a wrong gain does. Its ceiling for predictions that are alike in all trials is FEV.
 *
 * @returns up to 1, [units]
 */
export function explainedVariance(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, EXPLAINED_VARIANCE, requirements);
}

export const EXPLAINED_VARIANCE_OF_PSTH: Measure = {
  predicted: false,
  uses: ["cells", "r", "rr", "oo", "ro"],
  scaled: ({ cells, r, rr, oo, ro }) => Math.log(centred(rr, r, r, cells) / (rr - 2 * ro + oo)),
  value: fraction,
  limit: fraction,
  undefinedBecause: "the response does not vary",
};

/**
 * Variance of single trials that the PSTH of the other trials explains, `1 − Var(o − r) / Var(r)` over all valid (trial,
 * bin) cells, o the mean response of the bin's other trials. The noise of that mean counts against it: with n trials its
 * expectation is FEV less `(1 − FEV)/(n − 1)`, negative for units without signal.
 *
 * @returns up to 1, [units]
 */
export function explainedVarianceOfPsth(
  responses: TrialResponses,
  requirements?: Partial<BinRequirements>,
): UnitScores {
  return measureUnits(responses, EXPLAINED_VARIANCE_OF_PSTH, requirements);
}
