/**
 * @file Extrema between samples (evaluation specification, section 11.5).
 */

/** Where an extremum lies, in samples, and its value. */
export interface Extremum {
  readonly index: number;
  readonly value: number;
}

/**
 * The maximum of a profile: vertex of the parabola through its first largest sample and the two beside it. The sample
 * itself where it lies at an end, beside a value that is not a number, or on a straight line. NaN values are passed over;
 * index and value are NaN when there is nothing else.
 *
 * @example
 * subpixelArgmax([0, 2, 1]); // { index: 1.1666…, value: 2.0416… }
 */
export function subpixelArgmax(values: ArrayLike<number>): Extremum {
  let index = -1;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isNaN(values[i]) && (index < 0 || values[i]! > values[index]!)) index = i;
  }
  if (index < 0) return { index: Number.NaN, value: Number.NaN };
  const value = values[index]!;
  const before = values[index - 1] ?? Number.NaN;
  const after = values[index + 1] ?? Number.NaN;
  const curvature = before - 2 * value + after;
  if (Number.isNaN(curvature) || curvature === 0) return { index, value };
  return {
    index: index + (before - after) / (2 * curvature),
    value: value - (before - after) ** 2 / (8 * curvature),
  };
}

/** The minimum of a profile, see {@link subpixelArgmax}. */
export function subpixelArgmin(values: ArrayLike<number>): Extremum {
  const { index, value } = subpixelArgmax(Float64Array.from(values, (v) => -v));
  return { index, value: -value };
}
