/**
 * @file Geometric means, for ratios such as Fano factors (evaluation specification, section 17).
 */

/** Values must be above this to have a logarithm that counts. */
const LEAST = 1e-12;

/** Geometric mean of the finite values above 1e-12; NaN when there are none. */
export function geometricMean(values: ArrayLike<number>): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!(Number.isFinite(value) && value > LEAST)) continue;
    sum += Math.log(value);
    count += 1;
  }
  return Math.exp(sum / count);
}

/** Geometric mean of every column of [rows, columns], [columns]. */
export function geometricMeanOfColumns(values: ArrayLike<number>, columns: number): Float64Array {
  return Float64Array.from({ length: columns }, (_, column) =>
    geometricMean(Float64Array.from({ length: values.length / columns }, (_, row) => values[row * columns + column]!)),
  );
}
