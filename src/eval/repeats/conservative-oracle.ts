/**
 * @file The conservative oracle: a ceiling of single-trial correlation that is not too low.
 */

import type { TrialResponses } from "../trials.ts";
import { type Measure, measureUnits, type UnitScores } from "./measure.ts";
import type { BinRequirements } from "./repeats.ts";
import { varianceOfMeanOf } from "./signal-power.ts";

export const CONSERVATIVE_ORACLE: Measure = {
  predicted: false,
  uses: ["bins", "y", "yy", "noiseOfMean", "recordedNoiseOfMean", "populationNoise"],
  scaled: (totals) => {
    const { bins, populationNoise } = totals;
    const means = (varianceOfMeanOf(totals) * (bins - 1)) / bins;
    return Math.atanh(Math.sqrt(means / (means + populationNoise / bins)));
  },
  value: Math.tanh,
  limit: (scaled) => Math.tanh(Math.max(0, scaled)),
  undefinedBecause: "the response does not vary",
};

/**
 * Conservative oracle (the second oracle of the neuralpredictors library of the Sinz and Ecker laboratories; the first is
 * {@link jackknifeOracle}):
 *
 * `sqrt(Vm / (Vm + Vn))`
 *
 * with Vm the variance over bins of the mean response and Vn the mean over bins of the variance over trials, both dividing
 * by n. It takes the noise that is left in the means for signal and so lies above the single-trial correlation that the
 * expected response would reach: dividing by it is conservative. With bins of different numbers of trials all bins weigh
 * the same.
 *
 * @returns 0 to 1, [units]
 */
export function conservativeOracle(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, CONSERVATIVE_ORACLE, requirements);
}
