/**
 * @file As many repeats of every bin as all bins have.
 */

import type { TrialResponses } from "../trials.ts";
import { alignRepeats } from "./repeats.ts";

/**
 * The same responses with only the first valid repeats of every bin counting, so that every bin has the same number, as
 * formulas for complete repeats want it. Of bins with fewer nothing counts.
 *
 * @param repeats how many; when absent, for every unit the smallest number of any bin with at least two
 */
export function firstRepeats(responses: TrialResponses, repeats?: number): TrialResponses & { dfs: Float64Array } {
  const { trials, units, valid, counts } = alignRepeats(responses);
  const places = counts.length;
  const wanted = new Float64Array(units).fill(repeats ?? Number.POSITIVE_INFINITY);
  if (repeats === undefined) {
    for (let place = 0; place < places; place++) {
      if (counts[place]! >= 2) wanted[place % units] = Math.min(wanted[place % units]!, counts[place]!);
    }
  }
  const dfs = new Float64Array(trials * places);
  for (let place = 0; place < places; place++) {
    const enough = wanted[place % units]!;
    if (counts[place]! < enough) continue;
    for (let cell = place, taken = 0; taken < enough; cell += places) {
      if (valid[cell] === 0) continue;
      dfs[cell] = 1;
      taken += 1;
    }
  }
  return { ...responses, dfs };
}
