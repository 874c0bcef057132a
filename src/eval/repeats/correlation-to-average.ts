/**
 * @file Correlation of predictions with the mean over repeats.
 */

import type { TrialResponses } from "../trials.ts";
import { type Measure, measureUnits, type UnitScores } from "./measure.ts";
import type { BinRequirements } from "./repeats.ts";
import { varianceOfMeanOf } from "./signal-power.ts";
import { centred, pearson } from "./totals.ts";

export const CORRELATION_TO_AVERAGE: Measure = {
  predicted: true,
  uses: ["bins", "y", "yy", "noiseOfMean", "recordedNoiseOfMean", "p", "pp", "yp"],
  scaled: (totals) => {
    const { bins, y, p, pp, yp } = totals;
    const squares = varianceOfMeanOf(totals) * (bins - 1);
    return Math.atanh(pearson(centred(yp, y, p, bins), squares, centred(pp, p, p, bins)));
  },
  value: Math.tanh,
  limit: Math.tanh,
  undefinedBecause: "the mean prediction or the mean response does not vary",
};

/**
 * Correlation to average: Pearson's over bins between the mean response and the mean prediction over the bin's valid
 * trials (Willeke et al. 2022, Sensorium, arXiv:2206.08666; the CCabs of Schoppe et al. 2016, Front. Comput. Neurosci.
 * 10:10). Its ceiling is CCmax, so it rises with the number of trials.
 *
 * @returns −1 to 1, [units]
 */
export function correlationToAverage(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, CORRELATION_TO_AVERAGE, requirements);
}
