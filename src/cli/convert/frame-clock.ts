/**
 * @file When frames were: their middles, and the half-open intervals in which spikes count for them.
 */
import { UserError } from "../../errors.ts";

/** Times of all frames, in seconds. */
export interface FrameClock {
  /** Middle of every frame. */
  readonly centres: Float64Array;
  /** Frame t lasts from `starts[t]` up to, but not including, `ends[t]`. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** Frames per second. */
  readonly rateHz: number;
}

/** A frame that starts later than this many frame durations after the one before follows a gap. */
const GAP = 1.5;

/** Rates further apart than this share are not the same. */
const RATE_TOLERANCE = 0.02;

/** Frames that follow one another from 0 s on. */
export function regularClock(frames: number, rateHz: number): FrameClock {
  const at = (offset: number) => Float64Array.from({ length: frames }, (_, t) => (t + offset) / rateHz);
  return { centres: at(0.5), starts: at(0), ends: at(1), rateHz };
}

/** What the times of frames are. */
export interface ClockOptions {
  /** Middles of the frames, or their starts. */
  readonly at: "centre" | "start";
  /** Frames per second; undefined to take it from the times. */
  readonly rateHz: number | undefined;
  /** What messages call the times. */
  readonly label: string;
}

/**
 * Frames at given times, in seconds. Where one frame follows another, their intervals meet; before a gap (between
 * trials) a frame lasts as long as the rate says.
 *
 * @throws UserError when times are no numbers, do not ascend, or are another rate than the one given
 */
export function clockFromTimes(times: Float64Array, { at, rateHz: given, label }: ClockOptions): FrameClock {
  requireAscending(times, label);
  const rateHz = given ?? 1 / medianStep(times, label);
  const measured = times.length < 2 ? rateHz : 1 / medianStep(times, label);
  if (Math.abs(measured / rateHz - 1) > RATE_TOLERANCE) {
    throw new UserError(
      `Cannot use ${label}: its frames follow each other at ${measured.toPrecision(5)} Hz, expected ${rateHz.toPrecision(5)} Hz`,
      { hint: "Say the unit of the times with per_second, or correct rate_hz." },
    );
  }
  const duration = 1 / rateHz;
  const starts = new Float64Array(times.length);
  const ends = new Float64Array(times.length);
  const before = at === "centre" ? duration / 2 : 0;
  for (let t = 0; t < times.length; t++) {
    const time = times[t]!;
    const follows = t > 0 && time - times[t - 1]! <= GAP * duration;
    if (!follows) starts[t] = time - before;
    else starts[t] = at === "centre" ? (times[t - 1]! + time) / 2 : time;
    if (follows) ends[t - 1] = starts[t]!;
    ends[t] = time + duration - before;
  }
  const centres = at === "centre" ? times : starts.map((start, t) => (start + ends[t]!) / 2);
  return { centres, starts, ends, rateHz };
}

/** The frame that holds a time, or -1. */
export function frameAt({ starts, ends }: FrameClock, time: number): number {
  const frame = countBelow(starts, (start) => start <= time) - 1;
  return frame >= 0 && time < ends[frame]! ? frame : -1;
}

/** The first frame whose middle is not before a time; the number of frames when there is none. */
export function firstFrameFrom({ centres }: FrameClock, time: number): number {
  return countBelow(centres, (centre) => centre < time);
}

/** How many of ascending values come before the first one that is not `below`. */
function countBelow(values: Float64Array, below: (value: number) => boolean): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (below(values[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function requireAscending(times: Float64Array, label: string): void {
  for (let t = 0; t < times.length; t++) {
    const time = times[t]!;
    if (!Number.isFinite(time)) throw new UserError(`Cannot use ${label}: the time of frame ${t} is ${time}`);
    if (t === 0 || time > times[t - 1]!) continue;
    const what = time === times[t - 1] ? "stands still" : "goes backwards";
    throw new UserError(
      `Cannot use ${label}: time ${what} in frame ${t} (counted from 0), ${time} s after ${times[t - 1]} s`,
      { hint: "Times of frames must ascend. Put trials into the order in which they were recorded." },
    );
  }
}

function medianStep(times: Float64Array, label: string): number {
  if (times.length < 2) throw new UserError(`Cannot tell the rate of ${label}: it has ${times.length} frames`);
  const steps = times.subarray(1).map((time, t) => time - times[t]!);
  return steps.sort()[steps.length >> 1]!;
}
