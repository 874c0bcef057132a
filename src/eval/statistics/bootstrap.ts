/**
 * @file Bootstrap confidence intervals of means and of paired differences (evaluation specification, section 17).
 */

import { MersenneTwister } from "../../data/random.ts";
import { UserError } from "../../errors.ts";
import { quantileOfSorted } from "./quantiles.ts";

/** A mean with its confidence interval. */
export interface MeanInterval {
  mean: number;
  low: number;
  high: number;
}

export interface BootstrapOptions {
  /** Number of resamples; 5000. */
  resamples?: number | undefined;
  /** Share of resampled means inside the interval; 0.95. */
  level?: number | undefined;
  /** Seed of the resampling; 0. */
  seed?: number | undefined;
  /** Resamples in place of random ones, [resamples][n]: positions among the n finite values. */
  indices?: readonly ArrayLike<number>[] | undefined;
}

/**
 * Mean of the finite values with a percentile interval of the means of resamples (Efron and Tibshirani 1993, An Introduction to
 * the Bootstrap). NaN without finite values.
 *
 * @throws UserError when the level is not between 0 and 1, or an index does not exist
 */
export function bootstrapMean(values: ArrayLike<number>, options: BootstrapOptions = {}): MeanInterval {
  const { resamples = 5000, level = 0.95, seed = 0, indices } = options;
  if (!(level > 0 && level < 1)) {
    throw new UserError(`Cannot bootstrap: level is ${level}, expected a number between 0 and 1`);
  }
  const finite = Float64Array.from(values).filter(Number.isFinite);
  const n = finite.length;
  if (n === 0) return { mean: Number.NaN, low: Number.NaN, high: Number.NaN };
  const means = indices === undefined ? randomMeans(finite, resamples, seed) : givenMeans(finite, indices);
  means.sort();
  return {
    mean: finite.reduce((sum, value) => sum + value, 0) / n,
    low: quantileOfSorted(means, (1 - level) / 2),
    high: quantileOfSorted(means, (1 + level) / 2),
  };
}

/**
 * Mean difference `a − b` over pairs of which both are finite, with its interval.
 *
 * @throws UserError when there are not as many of one as of the other, or as {@link bootstrapMean}
 */
export function bootstrapPairedDifference(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: BootstrapOptions = {},
): MeanInterval {
  if (a.length !== b.length) throw new UserError(`Cannot pair ${a.length} values with ${b.length}`);
  return bootstrapMean(
    Float64Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!),
    options,
  );
}

function randomMeans(values: Float64Array, resamples: number, seed: number): Float64Array {
  const generator = new MersenneTwister(seed);
  return Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(generator.uniform() * values.length)]!;
    return sum / values.length;
  });
}

function givenMeans(values: Float64Array, indices: readonly ArrayLike<number>[]): Float64Array {
  return Float64Array.from(indices, (resample) => {
    let sum = 0;
    for (let i = 0; i < resample.length; i++) {
      const value = values[resample[i]!];
      if (value === undefined) {
        throw new UserError(`Cannot bootstrap: index ${resample[i]} is not among the ${values.length} finite values`);
      }
      sum += value;
    }
    return sum / resample.length;
  });
}
