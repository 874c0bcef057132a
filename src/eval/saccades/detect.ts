/**
 * @file Finding saccades in an eye trace (evaluation specification, section 9.5).
 */
import { type EyeSpeed, type EyeTrace, eyeSpeed } from "./eye-speed.ts";
import type { Saccade } from "./saccade.ts";
import { fitSpeedProfile } from "./speed-profile.ts";

/** Of two peaks closer than this the larger one counts, seconds. */
const PEAK_DISTANCE_S = 0.03;
/** A saccade lasts no longer, seconds. */
const LONGEST_S = 0.15;
/** Room left around the samples above threshold, seconds. */
const PADDING_S = 0.01;
/** Epochs that share this part of the shorter one are one. */
const MERGED_SHARE = 0.2;
/** Two peaks in one epoch are two saccades up to this ratio of their speeds, … */
const SPLIT_RATIO = 3;
/** … with a trough this far from both, seconds, … */
const SPLIT_DISTANCE_S = 0.01;
/** … that is slower than this share of the slower peak. */
const SPLIT_DEPTH = 0.7;
/** Where a saccade starts and ends: at this share of its peak speed above its floor. */
const EXTENT_SHARE = 0.1;
/** Smoothing needs as many. */
const FEWEST_SAMPLES = 11;

/** Samples, half-open. */
type Epoch = readonly [start: number, end: number];

export interface DetectOptions {
  /** `"reference"`: the last peak of the trace is never a saccade. */
  compat?: "reference" | undefined;
}

/**
 * Saccades of an eye trace, in the order of time: stretches around peaks of the smoothed speed that exceed the median over
 * valid epochs by 21 median absolute deviations. Positions are those of the trace, not smoothed; times are where a
 * bell-shaped profile has fallen to a tenth.
 */
export function detectSaccades(trace: EyeTrace, { compat }: DetectOptions = {}): Saccade[] {
  if (trace.times.length < FEWEST_SAMPLES) return [];
  const speed = eyeSpeed(trace);
  const peaks = compat === "reference" ? speedPeaks(speed).slice(0, -1) : speedPeaks(speed);
  const extents = largestOfClose(peaks, trace.times, speed)
    .map((peak) => extentOf(peak, speed))
    .filter(([start, end]) => !speed.invalid.subarray(start, end).includes(1));
  return merged(extents)
    .flatMap((epoch) => split(epoch, speed))
    .flatMap((epoch) => fitted(epoch, trace, speed) ?? [])
    .sort((a, b) => a.start_time - b.start_time);
}

/** Samples where the speed above threshold has a strict maximum. */
function speedPeaks({ speed, invalid, threshold }: EyeSpeed): number[] {
  const above = (i: number) => (invalid[i] ? 0 : Math.max(speed[i]! - threshold, 0));
  return [...speed.keys()].slice(1, -1).filter((i) => above(i - 1) < above(i) && above(i + 1) < above(i));
}

function largestOfClose(peaks: readonly number[], times: Float64Array, { speed }: EyeSpeed): number[] {
  const isOutdone = (position: number, step: 1 | -1) => {
    const peak = peaks[position]!;
    for (let k = position + step; k >= 0 && k < peaks.length; k += step) {
      const other = peaks[k]!;
      if (Math.abs(times[other]! - times[peak]!) >= PEAK_DISTANCE_S) return false;
      if (speed[other]! > speed[peak]!) return true;
    }
    return false;
  };
  return peaks.filter((_, position) => !isOutdone(position, -1) && !isOutdone(position, 1));
}

/** From where the speed rises above threshold before the peak to where it falls below it, with some room. */
function extentOf(peak: number, { speed, threshold, rate }: EyeSpeed): Epoch {
  const longest = Math.floor(Math.floor(LONGEST_S * rate) / 2);
  const padding = Math.floor(PADDING_S * rate);
  const walk = (step: 1 | -1) => {
    let at = peak;
    while (at + step >= 0 && at + step < speed.length && speed[at]! >= threshold && Math.abs(at - peak) < longest) {
      at += step;
    }
    return at;
  };
  return [Math.max(0, walk(-1) - padding), Math.min(speed.length - 1, walk(1) + padding)];
}

function merged(epochs: readonly Epoch[]): Epoch[] {
  const out: Epoch[] = [];
  for (const epoch of epochs.toSorted((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    const overlap = last === undefined ? -1 : Math.min(last[1], epoch[1]) - epoch[0];
    const shorter = last === undefined ? 0 : Math.min(last[1] - last[0], epoch[1] - epoch[0]);
    if (last === undefined || overlap < Math.floor(MERGED_SHARE * shorter + 0.5)) out.push(epoch);
    else out[out.length - 1] = [last[0], Math.max(last[1], epoch[1])];
  }
  return out;
}

/** Two epochs when two saccades follow each other without a pause, each with its own extent (E-29). */
function split([start, end]: Epoch, { speed, rate }: EyeSpeed): Epoch[] {
  const peaks: number[] = [];
  for (let i = start + 1; i < end - 1; i++) {
    if (speed[i - 1]! < speed[i]! && speed[i + 1]! < speed[i]!) peaks.push(i);
  }
  const [a, b] = peaks
    .toSorted((p, q) => speed[q]! - speed[p]!)
    .slice(0, 2)
    .sort((p, q) => p - q);
  if (a === undefined || b === undefined) return [[start, end]];
  let trough = a;
  for (let i = a; i <= b; i++) if (speed[i]! < speed[trough]!) trough = i;
  const lower = Math.min(speed[a]!, speed[b]!);
  const higher = Math.max(speed[a]!, speed[b]!);
  const distance = SPLIT_DISTANCE_S * rate;
  const isTwo =
    higher / lower <= SPLIT_RATIO &&
    trough - a >= distance &&
    b - trough >= distance &&
    speed[trough]! < SPLIT_DEPTH * lower;
  return isTwo
    ? [
        [start, trough],
        [trough, end],
      ]
    : [[start, end]];
}

/** Undefined when the speed has no bell shape. */
function fitted([start, end]: Epoch, { times, x, y }: EyeTrace, { speed }: EyeSpeed): Saccade | undefined {
  const profile = fitSpeedProfile(times.subarray(start, end), speed.subarray(start, end));
  if (profile === undefined) return undefined;
  const reach = Math.sqrt(-2 * Math.log(EXTENT_SHARE));
  return {
    start_idx: start,
    end_idx: end,
    ...profile,
    start_time: profile.mu - reach * profile.sigma1,
    end_time: profile.mu + reach * profile.sigma2,
    start_x: x[start]!,
    start_y: y[start]!,
    end_x: x[end]!,
    end_y: y[end]!,
  };
}
