/**
 * @file Pairs of trials in which the eye was at nearly the same place, or took nearly the same path, at the same time of the
 * stimulus (evaluation specification, sections 15.2 and 15.3).
 */

import { crossProduct, symmetrised } from "./matrix.ts";

/** Pairs of samples of the same time bin. */
export interface Pairs {
  first: Int32Array;
  second: Int32Array;
}

/**
 * Root-mean-square distance of two trajectories, squared; stops adding where it exceeds `limit` already.
 */
function squaredDistance(trajectories: Float64Array, width: number, a: number, b: number, limit: number): number {
  // The sum over coordinates is divided by the positions, of which there are width / 2.
  const largestSum = (limit * width) / 2;
  let sum = 0;
  for (let i = 0; i < width && sum <= largestSum; i++) {
    const step = trajectories[a * width + i]! - trajectories[b * width + i]!;
    sum += step * step;
  }
  return (2 * sum) / width;
}

/** Calls `visit` for every pair of samples of a bin whose trajectories are less than `limit` apart (degrees, rms). */
export function visitPairs(
  groups: readonly Int32Array[],
  { trajectories, length }: { trajectories: Float64Array; length: number },
  limit: number,
  visit: (first: number, second: number, distance: number) => void,
): void {
  const squaredLimit = limit * limit;
  for (const group of groups) {
    for (let i = 0; i < group.length; i++) {
      for (let j = i + 1; j < group.length; j++) {
        const squared = squaredDistance(trajectories, 2 * length, group[i]!, group[j]!, squaredLimit);
        if (squared < squaredLimit) visit(group[i]!, group[j]!, Math.sqrt(squared));
      }
    }
  }
}

/** Pairs of samples of a bin whose trajectories are less than `threshold` apart (degrees, root of the mean square). */
export function closePairs(
  groups: readonly Int32Array[],
  eye: { trajectories: Float64Array; length: number },
  threshold: number,
): Pairs {
  const first: number[] = [];
  const second: number[] = [];
  visitPairs(groups, eye, threshold, (i, j) => {
    first.push(i);
    second.push(j);
  });
  return { first: Int32Array.from(first), second: Int32Array.from(second) };
}

/** Points halfway between the two of each pair, [pairs, 2], from the samples' points [samples, 2]. */
export function midpoints({ first, second }: Pairs, points: Float64Array): Float64Array {
  const middle = new Float64Array(2 * first.length);
  for (let i = 0; i < middle.length; i++) {
    const [a, b] = [first[i >> 1]!, second[i >> 1]!];
    middle[i] = (points[2 * a + (i & 1)]! + points[2 * b + (i & 1)]!) / 2;
  }
  return middle;
}

/**
 * `Σ w (xᵢ xⱼᵀ + xⱼ xᵢᵀ) / 2` over pairs, [units, units].
 *
 * @param x [samples, units]
 * @param weights [pairs]
 */
export function pairMoment(
  x: Float64Array,
  { first, second }: Pairs,
  weights: Float64Array,
  units: number,
): Float64Array {
  // Partners are summed first, so that the products of units are one matrix product over samples, not one per pair.
  const partners = new Float64Array(x.length);
  for (let pair = 0; pair < weights.length; pair++) {
    const weight = weights[pair]!;
    const to = first[pair]! * units;
    const from = second[pair]! * units;
    for (let unit = 0; unit < units; unit++) partners[to + unit]! += weight * x[from + unit]!;
  }
  return symmetrised(crossProduct(x, partners, units), units);
}
