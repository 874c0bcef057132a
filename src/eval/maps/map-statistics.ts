/**
 * @file Numbers about the pixels of a map, and smoothing.
 */

/** Lower and upper middle averaged; NaN without values. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[half]!
    : ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2;
}

/** Sum of squared deviations divided by the count minus `ddof`. NaN values are passed over; NaN when too few are left. */
export function variance(values: ArrayLike<number>, ddof: 0 | 1): number {
  const defined = Float64Array.from(values).filter((value) => !Number.isNaN(value));
  if (defined.length <= ddof) return Number.NaN;
  const mean = defined.reduce((sum, value) => sum + value, 0) / defined.length;
  return defined.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (defined.length - ddof);
}

/** Position of the first largest value; −1 when there is none but NaN. */
export function argmax(values: ArrayLike<number>): number {
  let best = -1;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i]) && (best < 0 || values[i]! > values[best]!)) best = i;
  }
  return best;
}

/**
 * Gaussian filter along every axis: kernel cut at four standard deviations, edges mirrored about the outer side of the
 * first and last sample.
 *
 * @param values row-major, of any shape
 * @param sigma standard deviation in samples
 */
export function gaussianFilter(values: ArrayLike<number>, shape: readonly number[], sigma: number): Float64Array {
  const radius = Math.trunc(4 * sigma + 0.5);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-0.5 * ((i - radius) / sigma) ** 2));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let filtered = Float64Array.from(values);
  let stride = filtered.length;
  for (const length of shape) {
    stride /= length;
    const source = filtered;
    filtered = source.map((_, at) => {
      const position = Math.floor(at / stride) % length;
      let sum = 0;
      for (let k = -radius; k <= radius; k++) {
        sum += weights[k + radius]! * source[at + (mirrored(position + k, length) - position) * stride]!;
      }
      return sum / total;
    });
  }
  return filtered;
}

function mirrored(position: number, length: number): number {
  const period = 2 * length;
  const wrapped = ((position % period) + period) % period;
  return wrapped < length ? wrapped : period - 1 - wrapped;
}
