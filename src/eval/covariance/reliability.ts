/**
 * @file How well the PSTH of a unit repeats (evaluation specification, section 15.6): the criterion by which units enter
 * population summaries.
 */

import { drawOrders, halfMeans } from "./split-half.ts";
import type { BinnedSamples } from "./time-bins.ts";

/**
 * Squared correlation of the PSTHs of two random halves of the trials, averaged over splits; NaN for a unit whose PSTH is flat
 * in some half, or without time bins.
 *
 * @returns [units]
 */
export function psthReliability(
  { counts, units, groups }: BinnedSamples,
  { splits = 100, seed = 0 }: { splits?: number | undefined; seed?: number | undefined } = {},
): Float64Array {
  const even = new Float64Array(counts.length / units).fill(1);
  const mean = new Float64Array(units);
  for (const orders of drawOrders(groups, splits, seed)) {
    const [a, b] = halfMeans(counts, units, orders, even);
    for (let unit = 0; unit < units; unit++) mean[unit]! += squaredCorrelation(a, b, unit, units) / splits;
  }
  return mean;
}

/** Squared Pearson correlation of one column of two arrays [rows, units]. */
function squaredCorrelation(a: Float64Array, b: Float64Array, unit: number, units: number): number {
  const rows = a.length / units;
  let [meanA, meanB] = [0, 0];
  for (let i = unit; i < a.length; i += units) {
    meanA += a[i]! / rows;
    meanB += b[i]! / rows;
  }
  let [aa, ab, bb] = [0, 0, 0];
  for (let i = unit; i < a.length; i += units) {
    const [x, y] = [a[i]! - meanA, b[i]! - meanB];
    aa += x * x;
    ab += x * y;
    bb += y * y;
  }
  return ab ** 2 / (aa * bb);
}
