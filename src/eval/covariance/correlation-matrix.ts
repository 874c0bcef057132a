/**
 * @file Correlations from covariances (evaluation specification, section 15.1).
 */

/**
 * Correlation matrix of a covariance matrix, clipped to −1…1, with 0 on its diagonal: what counts are pairs. Rows and
 * columns of units whose variance is not above `minVariance` are NaN but on the diagonal; below that, a ratio of two small
 * estimates says nothing.
 *
 * @param covariance [units, units]
 * @returns [units, units]
 */
export function covarianceToCorrelation(covariance: Float64Array, units: number, minVariance = 1e-3): Float64Array {
  const deviation = Float64Array.from({ length: units }, (_, unit) => {
    const variance = covariance[unit * (units + 1)]!;
    return variance > minVariance ? Math.sqrt(variance) : Number.NaN;
  });
  const correlation = new Float64Array(units * units);
  for (let i = 0; i < units; i++) {
    for (let j = 0; j < units; j++) {
      if (i === j) continue;
      const ratio = covariance[i * units + j]! / (deviation[i]! * deviation[j]!);
      correlation[i * units + j] = Math.max(-1, Math.min(1, ratio));
    }
  }
  return correlation;
}

/** Elements above the diagonal of [units, units], row after row: one per pair of units. */
export function upperTriangle(matrix: Float64Array, units: number): Float64Array {
  const pairs = new Float64Array((units * (units - 1)) / 2);
  let pair = 0;
  for (let i = 0; i < units; i++) for (let j = i + 1; j < units; j++) pairs[pair++] = matrix[i * units + j]!;
  return pairs;
}
