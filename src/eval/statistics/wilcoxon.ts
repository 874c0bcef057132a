/**
 * @file Wilcoxon's signed-rank test for paired values (evaluation specification, section 17; Wilcoxon 1945, Biometrics
 * Bulletin).
 */

import { comparablePairs } from "./pairs.ts";

/** What is to be shown: that pairs differ, or that the first is larger or smaller. */
export type Alternative = "two-sided" | "greater" | "less";

/** Result of the test. */
export interface SignedRank {
  /** The smaller sum of ranks for `two-sided`, else the sum of ranks of positive differences; NaN without differences. */
  statistic: number;
  p: number;
  /** Pairs that differ. */
  pairs: number;
}

const MOST_PAIRS_EXACT = 50;
const MOST_PAIRS_WITH_TIES = 13;

/**
 * Tests whether differences `a − b` are symmetric about 0. Pairs that are not finite and pairs without a difference are left out.
 *
 * p is exact for up to 50 pairs without ties or zeros, and for up to 13 in any case (every assignment of signs to the ranks
 * that occur); else it comes from the normal approximation with ties corrected for and no correction for continuity.
 *
 * @throws UserError when there are not as many of one as of the other
 */
export function wilcoxonSignedRank(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  alternative: Alternative = "two-sided",
): SignedRank {
  const comparable = comparablePairs(a, b, { positive: false });
  const finite = Float64Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!).filter((_, i) => comparable[i] === 1);
  const differences = finite.filter((difference) => difference !== 0);
  const pairs = differences.length;
  if (pairs === 0) return { statistic: Number.NaN, p: Number.NaN, pairs };
  const { ranks, tieTerm } = averageRanks(differences.map(Math.abs));
  const positive = ranks.reduce((sum, rank, i) => (differences[i]! > 0 ? sum + rank : sum), 0);
  const negative = (pairs * (pairs + 1)) / 2 - positive;
  const untied = tieTerm === 0 && finite.length === pairs;
  const exact = pairs <= (untied ? MOST_PAIRS_EXACT : MOST_PAIRS_WITH_TIES);
  // P(W ≥ w); under the null both sums of ranks have the same distribution, so that P(W ≤ positive) = P(W ≥ negative).
  const upper = (sum: number) => (exact ? exactTail(ranks, sum) : normalTail(sum, pairs, tieTerm));
  switch (alternative) {
    case "greater":
      return { statistic: positive, p: upper(positive), pairs };
    case "less":
      return { statistic: positive, p: upper(negative), pairs };
    default:
      return {
        statistic: Math.min(positive, negative),
        p: Math.min(1, 2 * upper(Math.max(positive, negative))),
        pairs,
      };
  }
}

/** Ranks from 1, equal values sharing the mean of theirs; `tieTerm` is Σ (t³ − t) over groups of t equal values. */
function averageRanks(values: Float64Array): { ranks: Float64Array; tieTerm: number } {
  const order = [...values.keys()].sort((i, j) => values[i]! - values[j]!);
  const ranks = new Float64Array(values.length);
  let tieTerm = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end += 1;
    for (let i = start; i < end; i++) ranks[order[i]!] = (start + 1 + end) / 2;
    tieTerm += (end - start) ** 3 - (end - start);
    start = end;
  }
  return { ranks, tieTerm };
}

/** Share of the sign assignments whose positive ranks sum to `sum` or more. */
function exactTail(ranks: Float64Array, sum: number): number {
  // Twice the ranks are whole numbers; ways[s] counts the assignments with sum s.
  const doubled = ranks.map((rank) => 2 * rank);
  const largest = doubled.reduce((total, rank) => total + rank, 0);
  const ways = new Float64Array(largest + 1);
  ways[0] = 1;
  for (const rank of doubled) for (let s = largest; s >= rank; s--) ways[s]! += ways[s - rank]!;
  let tail = 0;
  for (let s = 2 * sum; s <= largest; s++) tail += ways[s]!;
  return tail / 2 ** ranks.length;
}

function normalTail(sum: number, pairs: number, tieTerm: number): number {
  const mean = (pairs * (pairs + 1)) / 4;
  const variance = (pairs * (pairs + 1) * (2 * pairs + 1)) / 24 - tieTerm / 48;
  return normalUpperTail((sum - mean) / Math.sqrt(variance));
}

/** P(Z ≥ z) of a standard normal. */
export function normalUpperTail(z: number): number {
  const x = Math.abs(z);
  const upper = x < 3 ? 0.5 - normalFromCentre(x) : (millsRatio(x) * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
  return z < 0 ? 1 - upper : upper;
}

/** P(0 ≤ Z ≤ x), by the series φ(x) (x + x³/3 + x⁵/15 + …). */
function normalFromCentre(x: number): number {
  let [term, sum] = [x, x];
  for (let odd = 3; term > sum * Number.EPSILON; odd += 2) {
    term *= (x * x) / odd;
    sum += term;
  }
  return (sum * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);
}

/** P(Z ≥ x) / φ(x) by Laplace's continued fraction 1/(x + 1/(x + 2/(x + …))), for x of 3 and more. */
function millsRatio(x: number): number {
  let value = x;
  for (let k = 80; k >= 1; k--) value = x + k / value;
  return 1 / value;
}
