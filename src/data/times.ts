/**
 * @file From seconds on the recording clock to frames (data specification, section 11.3).
 */

import type { Recording } from "./recording.ts";
import { distinctTrials } from "./split.ts";

/** Frames of several recordings, as parallel lists. */
export interface FramePairs {
  recordingOf: Int32Array;
  frameOf: Int32Array;
}

/**
 * The frame that contains each time: later than the frame's start and not later than its end, frames being as long as
 * the lower median distance between them. Times outside all trials give nothing.
 *
 * @param recordings with `t_bins` (seconds, frame centres) and `trial_inds`
 * @param times seconds
 * @returns grouped by recording, then by trial in ascending order, then in the order of `times`
 * @throws UserError when a recording lacks `t_bins` or `trial_inds`
 */
export function framesAtTimes(recordings: readonly Recording[], times: ArrayLike<number>): FramePairs {
  const recordingOf: number[] = [];
  const frameOf: number[] = [];
  recordings.forEach((recording, number) => {
    const centres = recording.numbers("t_bins");
    const trialInds = recording.numbers("trial_inds");
    for (const trial of distinctTrials(trialInds)) {
      const frames = [...trialInds.keys()].filter((frame) => trialInds[frame] === trial);
      const half = frameDuration(frames.map((frame) => centres[frame]!)) / 2;
      for (const time of Array.from(times)) {
        const frame = frames.find((candidate, i) => {
          const next = frames[i + 1];
          const end = next === undefined ? centres[candidate]! + half : centres[next]! - half;
          return time > centres[candidate]! - half && time <= end;
        });
        if (frame === undefined) continue;
        recordingOf.push(number);
        frameOf.push(frame);
      }
    }
  });
  return { recordingOf: Int32Array.from(recordingOf), frameOf: Int32Array.from(frameOf) };
}

/** Lower median of the distances; NaN for a single frame, whose extent is unknown and which then contains no time. */
function frameDuration(centres: readonly number[]): number {
  const distances = centres
    .slice(1)
    .map((centre, i) => centre - centres[i]!)
    .sort((a, b) => a - b);
  return distances[Math.floor((distances.length - 1) / 2)] ?? Number.NaN;
}
