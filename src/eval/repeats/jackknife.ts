/**
 * @file Confidence intervals by leaving out one trial (or one bin) at a time.
 */

import { studentT } from "./student-t.ts";

/** The ends of an interval, on the scale of the estimate. */
export type Interval = readonly [low: number, high: number];

const UNKNOWN: Interval = [Number.NaN, Number.NaN];

/**
 * The interval of an estimate from its values with one group left out each, `estimate ± t · se` with
 * `se² = inflation · Σ_k (d_k − (w_k / Σ w) Σ d)²` and `d_k` the change when group k is left out (Tukey 1958, Ann. Math.
 * Stat.; Efron & Stein 1981, Ann. Stat.). Groups may differ in size: a group's expected share of the common shift is in
 * proportion to its weight, and t has `(Σ w)² / Σ w² − 1` degrees of freedom. With groups of one size all this is the
 * usual jackknife.
 *
 * @param leftOut estimates without one group, [groups]
 * @param weights sizes of the groups, [groups]; those of size 0 do not take part
 * @param inflation (n − 1)/n for n equal groups
 * @param confidence 0.95 for 95 %
 * @param ofSampling part of the sum of squared changes that is only due to changes being means of few random draws; it
 *   does not count (Wager, Hastie & Efron 2014, J. Mach. Learn. Res. 15:1625)
 * @returns NaN, NaN when an estimate is not finite or the groups are worth fewer than two
 */
export function jackknifeInterval(
  estimate: number,
  leftOut: ArrayLike<number>,
  weights: ArrayLike<number>,
  inflation: number,
  confidence: number,
  ofSampling = 0,
): Interval {
  let [shift, sum, squares] = [0, 0, 0];
  for (let group = 0; group < weights.length; group++) {
    const weight = weights[group]!;
    if (weight === 0) continue;
    shift += leftOut[group]! - estimate;
    sum += weight;
    squares += weight * weight;
  }
  const degrees = (sum * sum) / squares - 1;
  if (!(degrees > 0.999 && Number.isFinite(shift))) return UNKNOWN;
  let variance = 0;
  for (let group = 0; group < weights.length; group++) {
    if (weights[group] !== 0) variance += (leftOut[group]! - estimate - (weights[group]! / sum) * shift) ** 2;
  }
  // By chance the part may exceed the whole; a tenth is left.
  variance = Math.max(variance - ofSampling, variance / 10);
  const reach = studentT(confidence, degrees) * Math.sqrt(inflation * variance);
  return Number.isFinite(reach) ? [estimate - reach, estimate + reach] : UNKNOWN;
}
