/**
 * @file Quantiles of finite values (evaluation specification, section 17).
 */

/** The finite values, in ascending order. */
export function sortedFinite(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values).filter(Number.isFinite).sort();
}

/**
 * Quantile by linear interpolation between order statistics (type 7 of Hyndman and Fan 1996, The American Statistician),
 * over finite values; NaN when there are none.
 *
 * @param q from 0 to 1
 */
export function quantile(values: ArrayLike<number>, q: number): number {
  return quantileOfSorted(sortedFinite(values), q);
}

/** Quantile of values in ascending order. */
export function quantileOfSorted(sorted: Float64Array, q: number): number {
  if (sorted.length === 0) return Number.NaN;
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const step = position - below;
  return step === 0 ? sorted[below]! : sorted[below]! + step * (sorted[below + 1]! - sorted[below]!);
}

/** Median of the finite values; NaN when there are none. */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/** First and third quartile of the finite values, between which half of them lie; NaN when there are none. */
export function quartiles(values: ArrayLike<number>): [number, number] {
  const sorted = sortedFinite(values);
  return [quantileOfSorted(sorted, 0.25), quantileOfSorted(sorted, 0.75)];
}
