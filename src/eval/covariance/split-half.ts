/**
 * @file Covariance of the PSTH from halves of the trials drawn at random (evaluation specification, sections 15.2 and
 * 15.4): noise of one half is independent of that of the other, so that their covariance has none of it.
 */

import { mixSeeds, permutation } from "../../data/random.ts";
import { UserError } from "../../errors.ts";
import { crossProduct, symmetrised } from "./matrix.ts";
import { type BinnedSamples, type BinWeighting, binWeight } from "./time-bins.ts";

export interface SplitHalfOptions {
  /** Number of random splits; 20. */
  splits?: number | undefined;
  /** Seed of the splits; 42. */
  seed?: number | undefined;
  /**
   * Orders of the samples of every time bin, [splits][time bins], in place of random ones; the first half (rounded down) of
   * each is one half.
   */
  permutations?: readonly (readonly ArrayLike<number>[])[] | undefined;
}

/** Random orders of the members of groups, [splits][groups]. */
export function drawOrders(groups: readonly Int32Array[], splits: number, seed: number): Int32Array[][] {
  return Array.from({ length: splits }, (_, split) =>
    groups.map((group, bin) => permutation(group.length, mixSeeds(seed, split, bin)).map((i) => group[i]!)),
  );
}

/**
 * Orders that were given, or random ones.
 *
 * @throws UserError when a given order leaves out a group, or has a member that does not exist
 */
export function splitOrders(
  groups: readonly Int32Array[],
  members: number,
  { splits = 20, seed = 42, permutations }: SplitHalfOptions,
): readonly (readonly ArrayLike<number>[])[] {
  if (permutations === undefined) return drawOrders(groups, splits, seed);
  for (const orders of permutations) {
    if (orders.length !== groups.length) {
      throw new UserError(
        `Cannot split trials: orders of ${orders.length} time bins are given, ${groups.length} are used`,
      );
    }
    const wrong = orders
      .flatMap((order) => Array.from(order))
      .find((i) => !(Number.isInteger(i) && i >= 0 && i < members));
    if (wrong !== undefined) {
      throw new UserError(`Cannot split trials: an order has ${wrong}, expected whole numbers below ${members}`);
    }
  }
  return permutations;
}

/**
 * Means over the two halves of every bin.
 *
 * @param shares weights of the samples, [samples]
 * @returns two of [bins, units]
 */
export function halfMeans(
  x: Float64Array,
  units: number,
  orders: readonly ArrayLike<number>[],
  shares: Float64Array,
): [Float64Array, Float64Array] {
  const halves: [Float64Array, Float64Array] = [
    new Float64Array(orders.length * units),
    new Float64Array(orders.length * units),
  ];
  orders.forEach((order, bin) => {
    const middle = Math.floor(order.length / 2);
    for (const half of [0, 1] as const) {
      const [from, to] = half === 0 ? [0, middle] : [middle, order.length];
      const mean = halves[half].subarray(bin * units, (bin + 1) * units);
      let weight = 0;
      for (let i = from; i < to; i++) {
        const row = order[i]! * units;
        const share = shares[order[i]!]!;
        weight += share;
        for (let unit = 0; unit < units; unit++) mean[unit]! += share * x[row + unit]!;
      }
      for (let unit = 0; unit < units; unit++) mean[unit]! /= weight;
    }
  });
  return halves;
}

/**
 * Covariance of the PSTHs of two halves over time bins, made symmetric, averaged over splits.
 *
 * @param shares weight of every sample in the mean over its bin, [samples]
 * @returns [units, units]
 * @throws UserError when given orders do not fit the samples
 */
export function splitHalfPsthCovariance(
  { counts, units, groups }: BinnedSamples,
  shares: Float64Array,
  weighting: BinWeighting,
  options: SplitHalfOptions,
): Float64Array {
  const weights = groups.map((group) => binWeight(weighting, group.length));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const orders = splitOrders(groups, counts.length / units, options);
  const mean = new Float64Array(units * units);
  for (const order of orders) {
    const [a, b] = halfMeans(counts, units, order, shares);
    removeMean(a, weights, total, units);
    removeMean(b, weights, total, units);
    const weighted = a.map((value, i) => (value * weights[Math.floor(i / units)]!) / total);
    crossProduct(weighted, b, units).forEach((value, i) => {
      mean[i]! += value / orders.length;
    });
  }
  return symmetrised(mean, units);
}

/** Subtracts the weighted mean over bins from [bins, units], in place. */
function removeMean(x: Float64Array, weights: readonly number[], total: number, units: number): void {
  for (let unit = 0; unit < units; unit++) {
    let mean = 0;
    weights.forEach((weight, bin) => {
      mean += (weight * x[bin * units + unit]!) / total;
    });
    for (let i = unit; i < x.length; i += units) x[i]! -= mean;
  }
}
