/**
 * @file The p value of an observation among values made by shuffling (evaluation specification, section 17).
 */

/** The direction in which an observation is extreme. */
export type Tail = "greater" | "less";

/**
 * One-sided p value `(count + 1) / (n + 1)`, count being the shuffled values that are at least as extreme as the observation;
 * the observation counts as one of its own null, so that p is never 0 (Phipson and Smyth 2010, Statistical Applications in
 * Genetics and Molecular Biology). Values that are not finite do not count; NaN when none is left or the observation is NaN.
 */
export function permutationP(observed: number, shuffled: ArrayLike<number>, tail: Tail = "greater"): number {
  let [count, n] = [0, 0];
  for (let i = 0; i < shuffled.length; i++) {
    const value = shuffled[i]!;
    if (!Number.isFinite(value)) continue;
    n += 1;
    if (tail === "greater" ? value >= observed : value <= observed) count += 1;
  }
  return n === 0 || Number.isNaN(observed) ? Number.NaN : (count + 1) / (n + 1);
}
