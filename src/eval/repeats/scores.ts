/**
 * @file Every score of repeats at once, with confidence intervals and the reasons of what is not defined.
 */

import { UserError } from "../../errors.ts";
import type { TrialResponses } from "../trials.ts";
import { binIntervals, noIntervals, trialIntervals, type UnitIntervals } from "./bootstrap.ts";
import { type CcnormOptions, ccnorm } from "./ccnorm.ts";
import { ccnormIntervals } from "./ccnorm-intervals.ts";
import { CONSERVATIVE_ORACLE } from "./conservative-oracle.ts";
import { CORRELATION_TO_AVERAGE } from "./correlation-to-average.ts";
import { FEV, FEVE } from "./explainable-variance.ts";
import { EXPLAINED_VARIANCE, EXPLAINED_VARIANCE_OF_PSTH } from "./explained-variance.ts";
import { JACKKNIFE_ORACLE } from "./jackknife-oracle.ts";
import { type Measure, NO_SIGNAL, prepareUnits, REQUIREMENTS, scoreUnits, type UnitScores } from "./measure.ts";
import type { Repeats } from "./repeats.ts";
import { CCMAX_SIGNAL_POWER, CCNORM_SIGNAL_POWER, NOISE_POWER, SIGNAL_POWER } from "./signal-power.ts";
import { SINGLE_TRIAL_CORRELATION } from "./single-trial-correlation.ts";
import { sumPlaces } from "./totals.ts";

const MEASURES = {
  signal_power: SIGNAL_POWER,
  noise_power: NOISE_POWER,
  ccmax_signal_power: CCMAX_SIGNAL_POWER,
  fev: FEV,
  jackknife_oracle: JACKKNIFE_ORACLE,
  conservative_oracle: CONSERVATIVE_ORACLE,
  explained_variance_psth: EXPLAINED_VARIANCE_OF_PSTH,
  single_trial_correlation: SINGLE_TRIAL_CORRELATION,
  correlation_to_average: CORRELATION_TO_AVERAGE,
  ccnorm_signal_power: CCNORM_SIGNAL_POWER,
  feve: FEVE,
  explained_variance: EXPLAINED_VARIANCE,
} as const satisfies Record<string, Measure>;

/** What scores are called in files, and for people. */
export const REPEAT_SCORE_TITLES = {
  ccnorm: "noise-corrected correlation, split halves",
  ccmax: "CCmax, split halves",
  ccnorm_signal_power: "noise-corrected correlation, signal power",
  ccmax_signal_power: "CCmax, signal power",
  correlation_to_average: "correlation to average (CCabs)",
  single_trial_correlation: "single-trial correlation",
  feve: "fraction of explainable variance explained (FEVE)",
  fev: "fraction of explainable variance (FEV)",
  jackknife_oracle: "jackknife oracle",
  conservative_oracle: "conservative oracle",
  explained_variance: "explained variance of single trials",
  explained_variance_psth: "explained variance of single trials, PSTH of the other trials",
  signal_power: "signal power (spikes² per bin²)",
  noise_power: "noise power (spikes² per bin²)",
} as const;

/** Name of a score of repeats. */
export type RepeatScoreName = keyof typeof REPEAT_SCORE_TITLES;

export interface RepeatScoreOptions {
  /** Fewest valid trials of a bin, at least 2; for `ccnorm` and `ccmax` see `ccnorm`. 2 when absent. */
  minTrials?: number | undefined;
  /** Fewest bins with so many trials; 20 when absent. */
  minBins?: number | undefined;
  /** Options of the split-half scores, with requirements of their own: 20 trials of 20 bins. */
  ccnorm?: CcnormOptions | undefined;
  /**
   * What intervals are about: `"trials"` (when absent), other trials of the same stimuli; `"bins"`, other stimuli of the
   * same kind; `"none"`, no intervals.
   */
  intervals?: "trials" | "bins" | "none" | undefined;
  /** Probability that an interval covers, 0.95 when absent. */
  confidence?: number | undefined;
  /** How often bins are drawn anew for intervals over bins; 500 when absent. */
  resamples?: number | undefined;
  /** Neighbouring bins that are drawn together; 1 when absent, right for images but not for the bins of a movie. */
  block?: number | undefined;
  /** Of everything that is drawn at random; 0 when absent. */
  seed?: number | undefined;
}

/** A score of every unit, [units] each. */
export interface RepeatScore extends UnitScores, UnitIntervals {}

/** Scores of repeats. */
export interface RepeatScores {
  units: number;
  /** Valid trials of the bins that count for any unit: fewest, mean, most; 0 when there are none. */
  trialsPerBin: { fewest: number; mean: number; most: number };
  intervals: "trials" | "bins" | "none";
  confidence: number;
  scores: Record<RepeatScoreName, RepeatScore>;
  /** `ccnorm` between 0 and 1, as the reference reports it, [units]. */
  ccnormClipped: Float64Array;
}

/**
 * Every score of repeats: ceilings, which need no predictions, and scores of predictions.
 *
 * A value is NaN where it is not defined, and `reasons` says why. An interval is NaN where there is none, as with two
 * trials; where repeats agree no better than by chance a ceiling is NaN but its interval, from 0, is known.
 *
 * @throws UserError when arrays or options do not fit
 * @example
 * const { scores } = repeatScores(trials, { seed: 1 });
 * scores.ccmax.values[0]; // 0.83, in scores.ccmax.low[0] to scores.ccmax.high[0]
 */
export function repeatScores(responses: TrialResponses, options: RepeatScoreOptions = {}): RepeatScores {
  const { minTrials, minBins, intervals = "trials", confidence = 0.95, resamples = 500, block = 1, seed = 0 } = options;
  if (!(confidence > 0 && confidence < 1)) {
    throw new UserError(`Cannot make intervals: confidence is ${confidence}, expected a number between 0 and 1`);
  }
  if (!(Number.isInteger(block) && block > 0)) {
    throw new UserError(`Cannot make intervals: block is ${block}, expected a whole number of bins from 1`);
  }
  const requirements = {
    minTrials: Math.max(2, minTrials ?? REQUIREMENTS.minTrials),
    minBins: minBins ?? REQUIREMENTS.minBins,
  };
  const prepared = prepareUnits(responses, requirements);
  const { repeats, totals } = prepared;
  const sums = sumPlaces(repeats, requirements.minTrials);
  const measures = Object.values(MEASURES);
  const found =
    intervals === "trials"
      ? trialIntervals(sums, totals, measures, confidence)
      : intervals === "bins"
        ? binIntervals(sums, totals, measures, { confidence, resamples, seed, block })
        : measures.map(() => noIntervals(repeats.units));
  const scores = Object.fromEntries(
    Object.entries(MEASURES).map(([name, measure], i) => {
      return [name, blankUndefined({ ...scoreUnits(prepared, measure), ...found[i]! })];
    }),
  ) as Record<keyof typeof MEASURES, RepeatScore>;
  const splitHalf = scoreSplitHalf(responses, { seed, ...options.ccnorm }, intervals, confidence);
  return {
    units: repeats.units,
    trialsPerBin: trialsPerBin(repeats),
    intervals,
    confidence,
    scores: { ...scores, ccnorm: splitHalf.ccnorm, ccmax: splitHalf.ccmax },
    ccnormClipped: splitHalf.clipped,
  };
}

function scoreSplitHalf(
  responses: TrialResponses,
  options: CcnormOptions,
  over: "trials" | "bins" | "none",
  confidence: number,
): { ccnorm: RepeatScore; ccmax: RepeatScore; clipped: Float64Array } {
  const result = ccnorm(responses, options);
  const { units } = responses;
  const intervals =
    over === "none"
      ? { ccnorm: noIntervals(units), ccmax: noIntervals(units) }
      : ccnormIntervals(responses, result, options, { over, confidence });
  return {
    ccnorm: blankUndefined({ values: result.ccnorm, reasons: result.reasons, ...intervals.ccnorm }),
    ccmax: blankUndefined({ values: result.ccmax, reasons: result.ceilingReasons, ...intervals.ccmax }),
    clipped: result.clipped,
  };
}

/** Takes intervals away where there is no value, but for ceilings of units whose repeats agree by chance. */
function blankUndefined(score: RepeatScore): RepeatScore {
  for (const [unit, value] of score.values.entries()) {
    if (!Number.isNaN(value) || score.reasons[unit] === NO_SIGNAL) continue;
    score.low[unit] = Number.NaN;
    score.high[unit] = Number.NaN;
  }
  return score;
}

function trialsPerBin({ counts }: Repeats): RepeatScores["trialsPerBin"] {
  const taken = counts.filter((count) => count > 0);
  if (taken.length === 0) return { fewest: 0, mean: 0, most: 0 };
  let [fewest, most, sum] = [Number.POSITIVE_INFINITY, 0, 0];
  for (const count of taken) {
    fewest = Math.min(fewest, count);
    most = Math.max(most, count);
    sum += count;
  }
  return { fewest, mean: sum / taken.length, most };
}
