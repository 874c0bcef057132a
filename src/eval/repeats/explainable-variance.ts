/**
 * @file Explainable variance of single trials, and how much of it a prediction explains.
 */

import type { TrialResponses } from "../trials.ts";
import { type Measure, measureUnits, NO_SIGNAL, type UnitScores } from "./measure.ts";
import type { BinRequirements } from "./repeats.ts";
import { centred, type Totals } from "./totals.ts";

/** Variance over all cells, dividing by cells − 1. */
function totalVariance({ cells, r, rr }: Totals): number {
  return centred(rr, r, r, cells) / (cells - 1);
}

export const FEV: Measure = {
  predicted: false,
  uses: ["cells", "r", "rr", "cellNoise"],
  scaled: (totals) => Math.log((totalVariance(totals) * totals.cells) / totals.cellNoise),
  value: (ratio) => -Math.expm1(-ratio),
  limit: (ratio) => -Math.expm1(-ratio),
  undefinedBecause: "undefined",
};

/**
 * Fraction of explainable variance, FEV: the part of the variance of single trials that is not noise (Cadena et al. 2019,
 * PLoS Comput. Biol. 15:e1006897, as "explainable variance"):
 *
 * `FEV = (TV − NV) / TV`
 *
 * with TV the variance over all valid cells (dividing by cells − 1) and NV the mean over cells of the unbiased variance over
 * the trials of their bin. Negative, by chance, where there is no signal. Bins with different numbers of trials: TV and NV
 * weigh bins alike, by their cells; where libraries give every bin the same weight in NV, values differ unless the numbers
 * are equal, as after {@link firstRepeats}.
 *
 * @returns up to 1, [units]
 */
export function fractionExplainable(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, FEV, requirements);
}

export const FEVE: Measure = {
  predicted: true,
  uses: ["cells", "r", "rr", "cellNoise", "cellPp", "rp"],
  scaled: (totals) => {
    const { cells, rr, cellNoise, cellPp, rp } = totals;
    const noise = cellNoise / cells;
    const explainable = totalVariance(totals) - noise;
    return explainable > 0 ? 1 - ((rr - 2 * rp + cellPp) / cells - noise) / explainable : Number.NaN;
  },
  value: (feve) => feve,
  limit: (feve) => feve,
  undefinedBecause: NO_SIGNAL,
};

/**
 * Fraction of the explainable variance that a prediction explains, FEVE (Cadena et al. 2019, PLoS Comput. Biol.
 * 15:e1006897):
 *
 * `FEVE = 1 − (mean (r − p)² − NV) / (TV − NV)`
 *
 * over single cells, r the response and p the prediction, TV and NV as in {@link fractionExplainable}. 1 for the expected
 * response, 0 for its mean, without lower bound; unlike correlations it minds a wrong gain or offset. NaN where nothing is
 * explainable; unreliable below FEV of about 0.1.
 *
 * Where predictions differ between repeats, by gaze or behaviour, p is their mean over the bin's trials: what they say about
 * single trials is noise to FEV, and would be counted against a ceiling it is no part of.
 *
 * @returns [units]
 */
export function explainableVarianceExplained(
  responses: TrialResponses,
  requirements?: Partial<BinRequirements>,
): UnitScores {
  return measureUnits(responses, FEVE, requirements);
}
