/**
 * @file Frames per second: as stated, and as time stamps show.
 */
import type { SessionConfig } from "../config/session.ts";

/** Rate the model works at, Hz: as configured, else the recording's own; null when neither says. */
export function modelRate(
  { sampling }: Pick<SessionConfig, "sampling">,
  metadata: Readonly<Record<string, unknown>>,
): number | null {
  const recorded = metadata.rate_hz;
  return sampling?.target_rate ?? (typeof recorded === "number" && recorded > 0 ? recorded : null);
}

/**
 * Median step of time within trials, seconds; null when no trial has two frames.
 *
 * @param times of the frames, seconds, [frames]
 * @param trialInds trial number of every frame, [frames]
 */
export function medianStep(times: Float64Array, trialInds: Float64Array): number | null {
  const steps = new Float64Array(times.length);
  let count = 0;
  for (let t = 1; t < times.length; t++) {
    if (trialInds[t] === trialInds[t - 1]) steps[count++] = times[t]! - times[t - 1]!;
  }
  return steps.subarray(0, count).sort()[count >> 1] ?? null;
}
