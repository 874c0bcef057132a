/**
 * @file The jackknife oracle: how well the other trials predict a trial.
 */

import type { TrialResponses } from "../trials.ts";
import { type Measure, measureUnits, type UnitScores } from "./measure.ts";
import type { BinRequirements } from "./repeats.ts";
import { centred, pearson } from "./totals.ts";

export const JACKKNIFE_ORACLE: Measure = {
  predicted: false,
  uses: ["cells", "r", "rr", "oo", "ro"],
  scaled: ({ cells, r, rr, oo, ro }) =>
    Math.atanh(pearson(centred(ro, r, r, cells), centred(rr, r, r, cells), centred(oo, r, r, cells))),
  value: Math.tanh,
  limit: Math.tanh,
  undefinedBecause: "the response does not vary",
};

/**
 * Jackknife oracle (Walker et al. 2019, Nat. Neurosci. 22:2060; Ecker et al. 2019, ICLR; Sinz et al. 2018, NeurIPS):
 * Pearson's correlation over all valid (trial, bin) cells between a response and the mean response of the bin's other
 * trials. That mean is itself noisy, so the oracle lies below the single-trial correlation that the expected response
 * would reach, `sqrt(FEV)`, and comes closer with more trials.
 *
 * @returns −1 to 1, [units]
 */
export function jackknifeOracle(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, JACKKNIFE_ORACLE, requirements);
}
