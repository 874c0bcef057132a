/**
 * @file Which frame each saccade starts in (evaluation specification, section 9.3).
 */
import type { Recording } from "../../data/recording.ts";

/** Frames of events, parallel lists. */
export interface EventFrames {
  /** [rows] */
  frames: Int32Array;
  /** Position in the list of times, [rows]: times outside all trials have no row, so row k is not time k. */
  events: Int32Array;
}

/**
 * The frame of a recording that contains each time, as `framesAtTimes` of the data floor finds it, and which time it was.
 *
 * @param recording with `t_bins` (seconds, frame centres, ascending within trials) and `trial_inds`
 * @param times seconds
 * @returns by trial in ascending order, then in the order of `times`
 * @throws UserError when the recording lacks `t_bins` or `trial_inds`
 */
export function eventFrames(recording: Recording, times: ArrayLike<number>): EventFrames {
  const centres = recording.numbers("t_bins");
  const framesOf = new Map<number, number[]>();
  for (const [frame, trial] of recording.numbers("trial_inds").entries()) {
    const own = framesOf.get(trial);
    if (own === undefined) framesOf.set(trial, [frame]);
    else own.push(frame);
  }
  const ordered = Array.from(times, (time, event) => ({ time, event })).sort((a, b) => a.time - b.time);
  const rows = [...framesOf.keys()]
    .sort((a, b) => a - b)
    .flatMap((trial) => eventsInTrial(framesOf.get(trial)!, centres, ordered));
  return {
    frames: Int32Array.from(rows, ({ frame }) => frame),
    events: Int32Array.from(rows, ({ event }) => event),
  };
}

interface Event {
  time: number;
  event: number;
}

/** Frames are later than their start and not later than their end; frames of a trial follow each other without gaps. */
function eventsInTrial(
  frames: readonly number[],
  centres: Float64Array,
  ordered: readonly Event[],
): { frame: number; event: number }[] {
  const half = frameDuration(frames.map((frame) => centres[frame]!)) / 2;
  const starts = frames.map((frame) => centres[frame]! - half);
  const end = centres[frames.at(-1)!]! + half;
  const found: { frame: number; event: number }[] = [];
  for (let i = firstAfter(ordered, starts[0]!); i < ordered.length && ordered[i]!.time <= end; i++) {
    const { time, event } = ordered[i]!;
    let position = 0;
    let beyond = starts.length;
    while (beyond - position > 1) {
      const middle = (position + beyond) >> 1;
      if (starts[middle]! < time) position = middle;
      else beyond = middle;
    }
    found.push({ frame: frames[position]!, event });
  }
  return found.sort((a, b) => a.event - b.event);
}

/** Position of the first event later than `time`; of none when it is NaN. */
function firstAfter(ordered: readonly Event[], time: number): number {
  if (Number.isNaN(time)) return ordered.length;
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ordered[middle]!.time > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Lower median of the distances; NaN for a single frame, whose extent is unknown and which then contains no time. */
function frameDuration(centres: readonly number[]): number {
  const distances = centres
    .slice(1)
    .map((centre, i) => centre - centres[i]!)
    .sort((a, b) => a - b);
  return distances[Math.floor((distances.length - 1) / 2)] ?? Number.NaN;
}
