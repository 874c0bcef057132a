/**
 * @file Fisher's transform of correlations (evaluation specification, section 17; Fisher 1915, Biometrika).
 */

/**
 * `atanh r`, whose spread does not depend on r; NaN stays NaN.
 *
 * @param margin correlations are kept this far from −1 and 1, where the transform is infinite
 */
export function fisherZ(correlation: number, margin = 1e-6): number {
  return Math.atanh(Math.max(margin - 1, Math.min(1 - margin, correlation)));
}

/** Mean of the transforms of finite correlations; NaN when there are none. `Math.tanh` of it is their mean correlation. */
export function fisherZMean(correlations: ArrayLike<number>, margin = 1e-6): number {
  const finite = Float64Array.from(correlations).filter(Number.isFinite);
  return finite.reduce((sum, correlation) => sum + fisherZ(correlation, margin), 0) / finite.length;
}
