/**
 * @file Covariance of one session's responses to repeats, taken apart with eye positions, as it was published: windows of
 * several lengths, a null by shuffling, and the same for a model's rates (evaluation specification, section 15.6).
 */

import { UserError } from "../../errors.ts";
import { basisOf, type CovarianceParts, decomposeBasis, partsOf, undefinedParts } from "./components.ts";
import { type DecompositionOptions, resolveDecomposition } from "./decomposition-options.ts";
import { diagonal, difference, weightedGram } from "./matrix.ts";
import { type RateVariance, rateVarianceComponents } from "./model-rates.ts";
import { noiseCorrelations } from "./noise-correlation.ts";
import { psthReliability } from "./reliability.ts";
import {
  checkEyeResponses,
  countingWindows,
  type EyeResponses,
  type EyeSamples,
  singleBinSamples,
  usableBins,
  validSegments,
} from "./samples.ts";
import { type ShuffledCovariance, shuffledCovariance } from "./shuffled.ts";
import { groupByBin } from "./time-bins.ts";
import { reductionOf, type TrajectoryReduction } from "./trajectory.ts";

/** Observed and predicted responses to repeats of a stimulus, with eye positions. */
export interface RepeatedResponses extends EyeResponses {
  /** Predicted spikes per bin, [trials, bins, units]; NaN where there is no prediction. */
  rates?: Float64Array | undefined;
}

export interface EyeCovarianceOptions extends DecompositionOptions {
  /** Duration of a bin, seconds; 1/120. */
  binSeconds?: number | undefined;
  /** Lengths of the windows in which spikes are counted, bins; 1, 2, 3 and 6. */
  windows?: readonly number[] | undefined;
  /** A trajectory starts this long before its window, seconds, but at least one window length; 0.01. */
  historySeconds?: number | undefined;
  /** Shortest stretch of usable bins of a trial, bins; 36. */
  minSegment?: number | undefined;
  /** Fewest windows that are analysed; 100. */
  minWindows?: number | undefined;
  /** The point that stands for a trajectory; `geometric_median`. */
  reduction?: TrajectoryReduction | undefined;
  /** Number of shuffles for the null, 0 for none; 100 (the publication used 1000). */
  shuffles?: number | undefined;
  /** Seed of shuffles and splits; 0. */
  seed?: number | undefined;
  /** Units are included above this mean rate, spikes per second; 2. */
  minRateHz?: number | undefined;
  /** Units are included above this squared correlation of half PSTHs; 0.05. */
  minReliability?: number | undefined;
}

/** The parts of the covariance of spikes in windows of one length. `fano` and `noiseCorrelation` are corrected for eye
 * movements (from `noise`), and noise correlations come from positive semi-definite covariances. */
export interface WindowCovariance extends CovarianceParts {
  windowBins: number;
  historyBins: number;
  /** Variance of `total − psth` per mean rate: the Fano factor that counts eye movements as noise, [units]. */
  fanoUncorrected: Float64Array;
  /** Correlations of `total − psth`, [units, units]. */
  noiseCorrelationUncorrected: Float64Array;
  /** Absent without shuffles. */
  shuffled?: ShuffledCovariance | undefined;
}

/** A session's covariance. */
export interface EyeCovariance {
  units: number;
  binSeconds: number;
  /** Mean rate of every unit over usable bins, spikes per second, [units]. */
  rateHz: Float64Array;
  /** Mean squared correlation of PSTHs of half of the trials, [units]. */
  reliability: Float64Array;
  /** 1 for units with enough spikes and a reliable PSTH, [units]. */
  included: Uint8Array;
  /** One for every window length. */
  windows: WindowCovariance[];
  /** The same for predicted rates; absent without them. */
  model?: ModelCovariance | undefined;
  /** Why nothing is defined. */
  reason?: string | undefined;
}

/** The covariance of predicted rates. */
export interface ModelCovariance {
  /** By close pairs, as for the data. */
  windows: WindowCovariance[];
  /** By analysis of variance, bin by bin: needs no close pairs, because predicted rates have no noise. */
  variance: RateVariance;
}

/**
 * Takes a session's covariance apart (McFarland, Cumming and Butts 2016, Journal of Neuroscience): how much of it is locked to
 * the stimulus, how much eye movements make, and how much is left as noise.
 *
 * `total` is the plain sample covariance of the windows. Fixation and alignment are the caller's: `eye` and `valid` say what
 * may be used. What the data do not define is NaN, with a reason in the window's record.
 *
 * @throws UserError when sizes do not agree or an option is outside its range
 */
export function eyeCovariance(responses: RepeatedResponses, options: EyeCovarianceOptions = {}): EyeCovariance {
  const { binSeconds = 1 / 120, seed = 0, minRateHz = 2, minReliability = 0.05, shuffles = 100 } = options;
  checkEyeResponses(responses);
  checkRates(responses);
  if (!(binSeconds > 0))
    throw new UserError(`Cannot decompose covariance: binSeconds is ${binSeconds}, expected above 0`);
  if (!(Number.isInteger(shuffles) && shuffles >= 0)) {
    throw new UserError(`Cannot decompose covariance: shuffles is ${shuffles}, expected a whole number from 0`);
  }
  const { units, rates } = responses;
  const { minTrialsPerBin } = resolveDecomposition(options);
  const rateHz = meanRates(responses).map((rate) => rate / binSeconds);
  const reliability = psthReliability(groupByBin(singleBinSamples(responses), minTrialsPerBin), { seed });
  const reason = neverUsable(responses);
  return {
    units,
    binSeconds,
    rateHz,
    reliability,
    included: Uint8Array.from(rateHz, (rate, unit) =>
      rate > minRateHz && reliability[unit]! > minReliability ? 1 : 0,
    ),
    windows: windowCovariances(responses, { ...options, binSeconds, shuffles, seed }),
    ...(rates === undefined
      ? {}
      : { model: modelCovariance({ ...responses, rates }, { ...options, binSeconds, seed }) }),
    ...(reason === undefined ? {} : { reason }),
  };
}

type WindowOptions = EyeCovarianceOptions & { binSeconds: number; shuffles: number; seed: number };

function windowCovariances(responses: EyeResponses, options: WindowOptions): WindowCovariance[] {
  const { binSeconds, windows = [1, 2, 3, 6], historySeconds = 0.01, minSegment = 36 } = options;
  const segments = validSegments(usableBins(responses), { ...responses, minLength: minSegment });
  return windows.map((windowBins) => {
    if (!(Number.isInteger(windowBins) && windowBins >= 1)) {
      throw new UserError(`Cannot count spikes in windows of ${windowBins} bins: expected a whole number from 1`);
    }
    // A history that is a whole number of bins must not lose one to rounding.
    const historyBins = Math.max(Math.floor(historySeconds / binSeconds + 1e-9), windowBins);
    const samples = countingWindows(responses, segments, { count: windowBins, history: historyBins });
    return { windowBins, historyBins, ...windowCovariance(samples, options) };
  });
}

function windowCovariance(
  samples: EyeSamples,
  options: WindowOptions,
): Omit<WindowCovariance, "windowBins" | "historyBins"> {
  const { minWindows = 100, reduction, shuffles } = options;
  const resolved = resolveDecomposition(options);
  const windows = samples.bins.length;
  const basis = basisOf(samples, reductionOf(reduction), resolved);
  if (windows < minWindows || "reason" in basis) {
    const tooFew = `${windows} windows in usable stretches of trials: ${minWindows} needed`;
    return {
      ...undefinedParts(basis.kept, "reason" in basis && windows >= minWindows ? basis.reason : tooFew),
      ...uncorrected(basis.kept.units),
    };
  }
  const { units, counts } = basis.kept;
  const parts = decomposeBasis(basis, false, resolved);
  const total = sampleCovariance(counts, units);
  const all = { ...parts, ...partsOf({ ...parts, total }) };
  return {
    ...all,
    noiseCorrelation: noiseCorrelations(all.noise, units),
    ...uncorrected(units, all),
    ...(shuffles === 0 ? {} : { shuffled: shuffledCovariance(basis, all, resolved, options) }),
  };
}

/** Fano factors and noise correlations that count eye movements as noise; NaN without parts. */
function uncorrected(
  units: number,
  parts?: CovarianceParts,
): Pick<WindowCovariance, "fanoUncorrected" | "noiseCorrelationUncorrected"> {
  if (parts === undefined) {
    const nan = (n: number) => new Float64Array(n).fill(Number.NaN);
    return { fanoUncorrected: nan(units), noiseCorrelationUncorrected: nan(units ** 2) };
  }
  const noise = difference(parts.total, parts.psth);
  return {
    fanoUncorrected: diagonal(noise, units).map((variance, unit) => variance / parts.meanRate[unit]!),
    noiseCorrelationUncorrected: noiseCorrelations(noise, units),
  };
}

/** Covariance of rows of [samples, units], divided by samples − 1. */
function sampleCovariance(counts: Float64Array, units: number): Float64Array {
  const samples = counts.length / units;
  const mean = new Float64Array(units);
  counts.forEach((count, i) => {
    mean[i % units]! += count / samples;
  });
  const deviations = counts.map((count, i) => count - mean[i % units]!);
  return weightedGram(deviations, new Float64Array(samples).fill(1 / (samples - 1)), units);
}

function modelCovariance(
  responses: EyeResponses & { rates: Float64Array },
  options: EyeCovarianceOptions & { binSeconds: number; seed: number },
): ModelCovariance {
  const { trials, bins, units, rates, eye, valid } = responses;
  return {
    windows: windowCovariances({ trials, bins, units, robs: rates, eye, valid }, { ...options, shuffles: 0 }),
    variance: rateVarianceComponents({ trials, bins, units, rates, valid: usableBins(responses) }),
  };
}

/** Mean spikes per bin over usable bins, [units]; NaN without any. */
function meanRates(responses: EyeResponses): Float64Array {
  const { units, robs } = responses;
  const usable = usableBins(responses);
  const sums = new Float64Array(units);
  let count = 0;
  usable.forEach((flag, cell) => {
    if (flag === 0) return;
    count += 1;
    for (let unit = 0; unit < units; unit++) sums[unit]! += robs[cell * units + unit]!;
  });
  return sums.map((sum) => sum / count);
}

/** Names what makes every bin unusable, if something does. */
function neverUsable(responses: EyeResponses): string | undefined {
  if (usableBins(responses).includes(1)) return undefined;
  const { units, robs } = responses;
  for (let unit = 0; unit < units; unit++) {
    if (!robs.some((value, i) => i % units === unit && Number.isFinite(value))) {
      return `unit ${unit} is NaN in every bin, and a bin counts only where all units were observed: leave the unit out`;
    }
  }
  return "no bin of any trial is valid with all units and the eye finite";
}

function checkRates({ robs, rates }: RepeatedResponses): void {
  if (rates === undefined || rates.length === robs.length) return;
  throw new UserError(`Cannot decompose covariance: rates has ${rates.length} values, robs has ${robs.length}`);
}
