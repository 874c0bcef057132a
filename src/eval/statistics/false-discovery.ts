/**
 * @file Control of the false discovery rate (evaluation specification, section 17).
 */

import { UserError } from "../../errors.ts";

/** What became of a family of tests. */
export interface FalseDiscovery {
  /** Adjusted p values, in the order given; NaN for tests whose p is NaN. */
  adjusted: Float64Array;
  /** 1 where the hypothesis is rejected. */
  rejected: Uint8Array;
}

/**
 * Adjusts p values for the number of tests after Benjamini and Hochberg (1995, Journal of the Royal Statistical Society B):
 * `p · m / rank`, made monotone. `anyDependence` multiplies by `Σ 1/i` as well, which holds however the tests depend on one
 * another (Benjamini and Yekutieli 2001, Annals of Statistics). Tests whose p is NaN are not counted among the m.
 *
 * @throws UserError when a p value is outside 0…1
 */
export function falseDiscovery(
  pValues: ArrayLike<number>,
  { level = 0.05, anyDependence = false }: { level?: number | undefined; anyDependence?: boolean | undefined } = {},
): FalseDiscovery {
  const p = Float64Array.from(pValues);
  const outside = p.find((value) => value < 0 || value > 1);
  if (outside !== undefined) throw new UserError(`Cannot adjust p values: ${outside} is not between 0 and 1`);
  const order = [...p.keys()].filter((i) => !Number.isNaN(p[i]!)).sort((a, b) => p[b]! - p[a]!);
  const tests = order.length;
  let factor = 1;
  if (anyDependence) for (let i = 2; i <= tests; i++) factor += 1 / i;
  const adjusted = new Float64Array(p.length).fill(Number.NaN);
  let smallest = 1;
  order.forEach((i, fromLargest) => {
    smallest = Math.min(smallest, (p[i]! * factor * tests) / (tests - fromLargest));
    adjusted[i] = smallest;
  });
  return { adjusted, rejected: Uint8Array.from(adjusted, (value) => (value <= level ? 1 : 0)) };
}
