/**
 * @file Signal power, and the ceiling and noise-corrected correlation that follow from it without resampling (evaluation
 * specification, section 8.3).
 */

import type { TrialResponses } from "../trials.ts";
import { type Measure, measureUnits, NO_SIGNAL, type UnitScores } from "./measure.ts";
import type { BinRequirements } from "./repeats.ts";
import { centred, type Totals } from "./totals.ts";

/** Signal power from totals: the variance over bins of the mean response, less the noise left in the mean. */
export function signalPowerOf({ bins, y, yy, noiseOfMean }: Totals): number {
  return centred(yy, y, y, bins) / (bins - 1) - noiseOfMean / bins;
}

/** Variance over bins of the mean over as many trials as were recorded, also from totals with a trial left out. */
export function varianceOfMeanOf(totals: Totals): number {
  return signalPowerOf(totals) + totals.recordedNoiseOfMean / totals.bins;
}

const POWER = ["bins", "y", "yy", "noiseOfMean"] as const;
const MEAN_VARIANCE = [...POWER, "recordedNoiseOfMean"] as const;
const same = (scaled: number) => scaled;

export const SIGNAL_POWER: Measure = {
  predicted: false,
  uses: POWER,
  scaled: signalPowerOf,
  value: same,
  limit: same,
  undefinedBecause: "undefined",
};

/**
 * Signal power: the variance over bins of the expected response (Sahani & Linden 2003, NIPS 15), estimated bin by bin so
 * that bins may have different numbers of trials:
 *
 * `SP = Var_t(y_t) − mean_t(s²_t / n_t)`
 *
 * with y the mean, s² the unbiased variance over the n valid trials of a bin, and Var dividing by bins − 1. Unbiased when
 * trials are independent given the bin; can be negative when there is little signal. Over complete trials it differs from
 * {@link completeSignalPower} by the variance over trials of a trial's mean, divided by the number of trials.
 *
 * @returns spikes² per bin², [units]
 */
export function signalPower(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, SIGNAL_POWER, requirements);
}

export const NOISE_POWER: Measure = {
  predicted: false,
  uses: ["bins", "noise"],
  scaled: ({ bins, noise }) => Math.log(noise / bins),
  value: Math.exp,
  limit: Math.exp,
  undefinedBecause: "undefined",
};

/**
 * Noise power: the variance of single trials about the expected response, `mean_t(s²_t)` (Sahani & Linden 2003, NIPS 15).
 *
 * @returns spikes² per bin², [units]
 */
export function noisePower(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, NOISE_POWER, requirements);
}

export const CCMAX_SIGNAL_POWER: Measure = {
  predicted: false,
  uses: MEAN_VARIANCE,
  // The logarithm of the F ratio of bins: CCmax² is 1 − 1/F.
  scaled: (totals) => Math.log((varianceOfMeanOf(totals) * totals.bins) / totals.recordedNoiseOfMean),
  value: (logF) => (logF > 0 ? Math.sqrt(-Math.expm1(-logF)) : Number.NaN),
  limit: (logF) => Math.sqrt(Math.max(0, -Math.expm1(-logF))),
  undefinedBecause: NO_SIGNAL,
};

/**
 * The largest correlation with the mean over trials that any prediction of the expected response can have (Schoppe,
 * Harper, Willmore, King & Schnupp 2016, Front. Comput. Neurosci. 10:10):
 *
 * `CCmax = sqrt(SP / Var_t(y_t))`
 *
 * NaN where SP is not positive. It depends on the number of trials: more trials, higher ceiling. In terms of the
 * correlation of two halves of the trials it is `sqrt(2 c / (1 + c))` (Hsu, Borst & Theunissen 2004, Network 15:91), which
 * {@link ccnorm} estimates from random halves.
 *
 * @returns 0 to 1, [units]
 */
export function ccmaxBySignalPower(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, CCMAX_SIGNAL_POWER, requirements);
}

export const CCNORM_SIGNAL_POWER: Measure = {
  predicted: true,
  uses: [...POWER, "p", "pp", "yp"],
  scaled: (totals) => {
    const { bins, y, p, pp, yp } = totals;
    const covariance = centred(yp, y, p, bins) / (bins - 1);
    const power = (centred(pp, p, p, bins) / (bins - 1)) * signalPowerOf(totals);
    return power > 0 ? covariance / Math.sqrt(power) : Number.NaN;
  },
  value: same,
  limit: same,
  undefinedBecause: `${NO_SIGNAL}, or the mean prediction does not vary`,
};

/**
 * Noise-corrected correlation by signal power (Schoppe et al. 2016, Front. Comput. Neurosci. 10:10):
 *
 * `CCnorm = Cov_t(y, p) / sqrt(Var_t(p) SP)`, which is `CCabs / CCmax`
 *
 * with p the mean prediction over the same trials. Not clipped: noise, or predictions that follow single trials, can
 * carry it above 1.
 *
 * @returns [units]
 */
export function ccnormBySignalPower(responses: TrialResponses, requirements?: Partial<BinRequirements>): UnitScores {
  return measureUnits(responses, CCNORM_SIGNAL_POWER, requirements);
}
