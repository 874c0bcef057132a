/**
 * @file Noise correlations from estimated noise covariances (evaluation specification, section 15.6).
 */

import { fisherZMean } from "../statistics/fisher-z.ts";
import { projectToPsd } from "../statistics/subspace.ts";
import { covarianceToCorrelation, upperTriangle } from "./correlation-matrix.ts";
import { diagonal } from "./matrix.ts";

/** Correlations are kept this far from −1 and 1 when they are averaged. */
const MARGIN = 1e-3;

/**
 * Noise correlations: the covariance is made positive semi-definite first, because the difference of two estimates need not be,
 * and correlations of it might then be impossible. Units without a variance have NaN.
 *
 * @param covariance [units, units]
 * @returns [units, units], 0 on the diagonal
 */
export function noiseCorrelations(covariance: Float64Array, units: number): Float64Array {
  const projected = projectToPsd(covariance, units);
  // The projection takes what is not finite for 0 and may give it a little variance.
  diagonal(covariance, units).forEach((variance, unit) => {
    if (!Number.isFinite(variance)) projected[unit * (units + 1)] = Number.NaN;
  });
  return covarianceToCorrelation(projected, units);
}

/** Mean of the noise correlations over pairs of units, as Fisher z; NaN without pairs. */
export function meanNoiseCorrelation(covariance: Float64Array, units: number): number {
  return fisherZMean(upperTriangle(noiseCorrelations(covariance, units), units), MARGIN);
}

/** Mean of correlations as Fisher z, with the margin of the published summary. */
export function fisherMean(correlations: ArrayLike<number>): number {
  return fisherZMean(correlations, MARGIN);
}
