/**
 * @file What baselines ask of the responses of a set of samples.
 */

import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";

/** Units of a session. */
export function unitCount(set: SampleSet): number {
  return set.recordings[0]!.column("robs").shape[1]!;
}

/** Lag of the served spikes, in frames. */
export function responseLag({ lags, session }: SampleSet): number {
  const spec = lags.get("robs");
  if (spec !== undefined && !spec.axis) return spec.lags[0]!;
  throw new UserError(`Cannot fit a baseline to session "${session}": keys_lags.robs is not a single lag`);
}
