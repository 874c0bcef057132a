/**
 * @file The parts of the covariance of responses: locked to the stimulus, driven by eye movements, and what is left
 * (evaluation specification, sections 15.2 and 15.3; McFarland, Cumming and Butts 2016, Journal of Neuroscience).
 */

import { covarianceToCorrelation } from "./correlation-matrix.ts";
import {
  type DecompositionOptions,
  type ResolvedDecomposition,
  resolveDecomposition,
} from "./decomposition-options.ts";
import type { Density } from "./density.ts";
import { type EyeWeights, eyeWeights, gazeDensity } from "./eye-weights.ts";
import { diagonal, difference, outerProduct, weightedGram, weightedSum } from "./matrix.ts";
import { allPairMoment, closePairMoment, sampleShares } from "./moments.ts";
import { closePairs, type Pairs } from "./pairs.ts";
import type { EyeSamples } from "./samples.ts";
import { splitHalfPsthCovariance } from "./split-half.ts";
import { type BinnedSamples, groupByBin } from "./time-bins.ts";

/**
 * Matrices are [units, units], row-major; NaN is what the data do not define, and `reason` then says why.
 */
export interface CovarianceParts {
  units: number;
  /** Samples, time bins and close pairs of trials that the estimates rest on. */
  samples: number;
  timeBins: number;
  closePairs: number;
  /** Mean spikes per bin (or window), [units]. */
  meanRate: Float64Array;
  /** Covariance of the responses. */
  total: Float64Array;
  /** Covariance of the mean over trials: what depends on the time in the stimulus alone. */
  psth: Float64Array;
  /** Covariance of the rate given time and eye position: `psth` and what eye movements add. */
  rate: Float64Array;
  /** `total − rate`: what neither stimulus nor eye position explains. */
  noise: Float64Array;
  /** Correlations of `noise`, 0 on the diagonal. */
  noiseCorrelation: Float64Array;
  /** Variance of the noise per mean rate, [units]. */
  fano: Float64Array;
  /** 1 − α: share of the rate's variance that eye movements make, [units]. */
  oneMinusAlpha: Float64Array;
  reason?: string | undefined;
}

/** How {@link decomposeSamples} looks at samples. */
export interface SampleView {
  /** One representative point per trajectory, [samples, 2]. */
  pointsOf: (trajectories: Float64Array, length: number) => Float64Array;
  /** Whether products of responses are those of deviations from the mean rate; else its square is subtracted afterwards. */
  centred: boolean;
}

/** The samples that a decomposition rests on, with everything but the moments. */
export interface Basis {
  kept: BinnedSamples;
  /** [samples, 2] */
  points: Float64Array;
  gaze: Density | undefined;
  pairs: Pairs;
  weights: EyeWeights;
  /** Share of every sample in the mean rate, [samples]. */
  shares: Float64Array;
  meanRate: Float64Array;
}

/** Selects samples, finds close pairs and weights them; a reason where there are too few samples. */
export function basisOf(
  samples: EyeSamples,
  pointsOf: SampleView["pointsOf"],
  options: ResolvedDecomposition,
): Basis | { kept: BinnedSamples; reason: string } {
  const { threshold, minTrialsPerBin, weighting } = options;
  const kept = groupByBin(samples, minTrialsPerBin);
  if (kept.bins.length < 3 || kept.groups.length < 2) {
    const reason = `${kept.groups.length} time bins have ${minTrialsPerBin} usable trials or more: 2 needed`;
    return { kept, reason };
  }
  const points = pointsOf(kept.trajectories, kept.length);
  const gaze = gazeDensity(points, options);
  const pairs = closePairs(kept.groups, kept, threshold);
  const weights = eyeWeights(points, pairs, options, gaze);
  const shares = sampleShares(kept, weights.samples, weighting);
  return { kept, points, gaze, pairs, weights, shares, meanRate: weightedSum(kept.counts, shares, kept.units) };
}

/**
 * Decomposes the covariance of samples. Without enough samples for a part, that part is NaN.
 *
 * @throws UserError when an option is outside its range
 */
export function decomposeSamples(
  samples: EyeSamples,
  { pointsOf, centred }: SampleView,
  options: DecompositionOptions = {},
): CovarianceParts {
  const resolved = resolveDecomposition(options);
  const basis = basisOf(samples, pointsOf, resolved);
  return "reason" in basis ? undefinedParts(basis.kept, basis.reason) : decomposeBasis(basis, centred, resolved);
}

/** The parts of the covariance, from a basis. */
export function decomposeBasis(basis: Basis, centred: boolean, options: ResolvedDecomposition): CovarianceParts {
  const { kept, pairs, weights, shares, meanRate } = basis;
  const { weighting, psth, threshold } = options;
  const { units } = kept;
  const deviations = kept.counts.map((count, i) => count - meanRate[i % units]!);
  const squaredShares = shares.reduce((sum, share) => sum + share * share, 0);
  const responses = centred ? deviations : kept.counts;
  const aboveMean = (moment: Float64Array) => (centred ? moment : difference(moment, outerProduct(meanRate)));
  const reason =
    weights.reason ??
    (pairs.first.length === 0
      ? `no two trials have eye positions less than ${threshold} degrees apart in the same time bin`
      : undefined);
  return {
    ...partsOf({
      meanRate,
      total: weightedGram(deviations, shares, units).map((value) => value / (1 - squaredShares)),
      psth:
        psth === "all_pairs"
          ? aboveMean(allPairMoment(kept, responses, weights.samples, weighting))
          : splitHalfPsthCovariance(kept, shares, weighting, psth),
      rate: aboveMean(closePairMoment(kept, responses, pairs, weights.pairs, weighting)),
    }),
    samples: kept.bins.length,
    timeBins: kept.groups.length,
    closePairs: pairs.first.length,
    ...(reason === undefined ? {} : { reason }),
  };
}

/** The parts that follow from the three covariances and the mean rate. */
export function partsOf(given: Pick<CovarianceParts, "meanRate" | "total" | "psth" | "rate">) {
  const { meanRate, total, psth, rate } = given;
  const units = meanRate.length;
  const noise = difference(total, rate);
  return {
    units,
    ...given,
    noise,
    noiseCorrelation: covarianceToCorrelation(noise, units),
    fano: diagonal(noise, units).map((variance, unit) => variance / meanRate[unit]!),
    oneMinusAlpha: eyeShare(psth, rate, units),
  };
}

/** 1 − α of every unit; NaN where the rate's variance is not positive. */
export function eyeShare(psth: Float64Array, rate: Float64Array, units: number): Float64Array {
  const rateVariance = diagonal(rate, units);
  return diagonal(psth, units).map((variance, unit) =>
    rateVariance[unit]! > 0 ? 1 - Math.max(0, Math.min(1, variance / rateVariance[unit]!)) : Number.NaN,
  );
}

/** Parts that are all NaN. */
export function undefinedParts({ units, bins, groups }: BinnedSamples, reason: string): CovarianceParts {
  const nan = (n: number) => new Float64Array(n).fill(Number.NaN);
  return {
    units,
    samples: bins.length,
    timeBins: groups.length,
    closePairs: 0,
    meanRate: nan(units),
    total: nan(units ** 2),
    psth: nan(units ** 2),
    rate: nan(units ** 2),
    noise: nan(units ** 2),
    noiseCorrelation: nan(units ** 2),
    fano: nan(units),
    oneMinusAlpha: nan(units),
    reason,
  };
}
