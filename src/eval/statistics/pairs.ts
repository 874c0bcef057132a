/**
 * @file Which pairs of values can be compared (evaluation specification, section 17).
 */

import { UserError } from "../../errors.ts";

/**
 * 1 where both values of a pair are finite, and above 0 when their ratio or logarithm is to be taken.
 *
 * @throws UserError when there are not as many of one as of the other
 */
export function comparablePairs(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { positive = true }: { positive?: boolean | undefined } = {},
): Uint8Array {
  if (a.length !== b.length) throw new UserError(`Cannot pair ${a.length} values with ${b.length}`);
  const usable = (value: number) => Number.isFinite(value) && (!positive || value > 0);
  return Uint8Array.from({ length: a.length }, (_, i) => (usable(a[i]!) && usable(b[i]!) ? 1 : 0));
}
