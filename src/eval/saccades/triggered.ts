/**
 * @file Responses around saccades, observed and predicted (evaluation specification, section 9.4).
 */

/** First bin relative to a saccade's, and the one after the last. */
export type Window = readonly [from: number, to: number];

/** A recording and the samples of it that were evaluated. */
export interface TriggeredInputs {
  units: number;
  /** Frame of every evaluated sample, in the order of evaluation, [samples]. */
  frames: Int32Array;
  /** Observed and predicted spikes per bin, [samples, units]. */
  robs: Float32Array;
  rates: Float32Array;
  /** Validity, [samples, units]. */
  dfs: Float32Array;
  /** Of the whole recording: gaze in degrees, [frames, 2], and trial numbers, [frames]. */
  eyepos: ArrayLike<number>;
  trialInds: ArrayLike<number>;
  /** Frames in which saccades start, and which ones: see `eventFrames`. */
  rows: { frames: Int32Array; events: Int32Array };
  /** Start of every saccade of the session in seconds, ascending. */
  startTimes: ArrayLike<number>;
}

export interface TriggeredOptions {
  window: Window;
  /** A saccade counts when the ones before and after it are further away than the first and closer than the second, seconds. */
  intervals?: readonly [above: number, below: number] | undefined;
  /**
   * `"reference"`: windows are stretches of the list of evaluated samples, whatever lies between them (E-27), the last one
   * is lost (E-25), and intervals are frames of the recording at 120 Hz (E-26).
   */
  compat?: "reference" | undefined;
}

/** Windows around saccades and their averages; arrays are row-major. */
export interface TriggeredAverages {
  window: Window;
  saccades: number;
  bins: number;
  units: number;
  /** Weighted means over saccades, spikes per bin, [bins, units]; NaN where nothing is valid. */
  rbar: Float64Array;
  rbarhat: Float64Array;
  /** Degrees per bin, [saccades, bins, 2]. */
  eyevel: Float64Array;
  /** Evaluated sample of every bin, [saccades, bins]: see {@link cutWindows}. */
  positions: Int32Array;
  /** Position of each saccade in the list of the session, [saccades]. */
  events: Int32Array;
  /** Row of each saccade in the inputs, [saccades]. */
  rows: Int32Array;
  /** Seconds since the saccade before and until the next, [saccades]; NaN at the ends of the list. With compat, frames. */
  timePrevious: Float64Array;
  timeNext: Float64Array;
}

const INTERVALS = [0.1, 0.5] as const;
const REFERENCE_RATE = 120;

/**
 * Cuts windows out of evaluated samples around saccades, and averages them.
 *
 * A window counts when all its samples were evaluated and follow each other in one trial, when no count in it is NaN and the
 * gaze is known, and when the saccade is far enough from the ones before and after it, but not alone.
 */
export function triggeredAverages(inputs: TriggeredInputs, options: TriggeredOptions): TriggeredAverages {
  const { window, compat } = options;
  const [from, to] = window;
  if (!(Number.isInteger(from) && Number.isInteger(to) && to - from >= 2)) {
    throw new RangeError(`Cannot average around saccades in a window from ${from} to ${to}: expected two bins or more`);
  }
  const isReference = compat === "reference";
  const intervals = isReference ? frameIntervals(inputs) : timeIntervals(inputs);
  const [above, below] = options.intervals ?? INTERVALS;
  const isApart = (interval: number) => {
    const seconds = isReference ? interval / REFERENCE_RATE : interval;
    return Number.isNaN(seconds) || (seconds > above && seconds < below);
  };
  const positionOf = new Map<number, number>();
  for (const [position, frame] of inputs.frames.entries()) {
    if (!positionOf.has(frame)) positionOf.set(frame, position);
  }
  const kept: { row: number; positions: number[] }[] = [];
  for (const [row, frame] of inputs.rows.frames.entries()) {
    const positions = isReference
      ? listedWindow(positionOf.get(frame), window, inputs.frames.length)
      : consecutiveWindow(frame, window, inputs.trialInds, positionOf);
    if (positions === undefined || !isKnown(inputs, positions)) continue;
    if (isApart(intervals.previous[row]!) && isApart(intervals.next[row]!)) kept.push({ row, positions });
  }
  return collect(inputs, window, kept, intervals);
}

interface Intervals {
  previous: Float64Array;
  next: Float64Array;
}

function frameIntervals({ rows: { frames } }: TriggeredInputs): Intervals {
  return {
    previous: Float64Array.from(frames, (frame, row) => frame - (frames[row - 1] ?? Number.NaN)),
    next: Float64Array.from(frames, (frame, row) => (frames[row + 1] ?? Number.NaN) - frame),
  };
}

function timeIntervals({ rows: { events }, startTimes }: TriggeredInputs): Intervals {
  const at = (event: number) => startTimes[event] ?? Number.NaN;
  return {
    previous: Float64Array.from(events, (event) => at(event) - at(event - 1)),
    next: Float64Array.from(events, (event) => at(event + 1) - at(event)),
  };
}

/** Positions in the list of evaluated samples; the window that ends with the list is lost. */
function listedWindow(centre: number | undefined, [from, to]: Window, samples: number): number[] | undefined {
  if (centre === undefined || centre + from < 0 || centre + to >= samples) return undefined;
  return Array.from({ length: to - from }, (_, bin) => centre + from + bin);
}

/** Positions of frames that follow each other in one trial and were all evaluated. */
function consecutiveWindow(
  centre: number,
  [from, to]: Window,
  trialInds: ArrayLike<number>,
  positionOf: ReadonlyMap<number, number>,
): number[] | undefined {
  const positions: number[] = [];
  for (let frame = centre + from; frame < centre + to; frame++) {
    const position = positionOf.get(frame);
    if (position === undefined || trialInds[frame] !== trialInds[centre]) return undefined;
    positions.push(position);
  }
  return positions;
}

function isKnown({ units, frames, robs, eyepos }: TriggeredInputs, positions: readonly number[]): boolean {
  return positions.every((position) => {
    const gaze = 2 * frames[position]!;
    if (Number.isNaN(eyepos[gaze]!) || Number.isNaN(eyepos[gaze + 1]!)) return false;
    for (let i = position * units; i < (position + 1) * units; i++) if (Number.isNaN(robs[i]!)) return false;
    return true;
  });
}

function collect(
  inputs: TriggeredInputs,
  window: Window,
  kept: readonly { row: number; positions: readonly number[] }[],
  intervals: Intervals,
): TriggeredAverages {
  const { units, frames, eyepos, rows } = inputs;
  const bins = window[1] - window[0];
  const eyevel = new Float64Array(kept.length * bins * 2);
  for (const [k, { positions }] of kept.entries()) {
    for (const axis of [0, 1]) {
      const gaze = positions.map((position) => eyepos[2 * frames[position]! + axis]!);
      for (const [bin, speed] of gradient(gaze).entries()) eyevel[(k * bins + bin) * 2 + axis] = speed;
    }
  }
  const positions = Int32Array.from(kept.flatMap((window) => window.positions));
  const keptRows = Int32Array.from(kept, ({ row }) => row);
  return {
    window,
    saccades: kept.length,
    bins,
    units,
    rbar: weightedMeans(inputs.robs, inputs, positions, bins),
    rbarhat: weightedMeans(inputs.rates, inputs, positions, bins),
    eyevel,
    positions,
    events: keptRows.map((row) => rows.events[row]!),
    rows: keptRows,
    timePrevious: Float64Array.from(keptRows, (row) => intervals.previous[row]!),
    timeNext: Float64Array.from(keptRows, (row) => intervals.next[row]!),
  };
}

/**
 * What was cut out around every saccade.
 *
 * @param values of the evaluated samples, [samples, units]
 * @returns [saccades, bins, units]
 */
export function cutWindows(values: Float32Array, { positions, units }: TriggeredAverages): Float32Array {
  const out = new Float32Array(positions.length * units);
  for (const [cell, position] of positions.entries()) {
    out.set(values.subarray(position * units, (position + 1) * units), cell * units);
  }
  return out;
}

/** Central differences; one-sided at the ends. */
function gradient(values: readonly number[]): number[] {
  const last = values.length - 1;
  return values.map((value, i) => {
    if (i === 0) return values[1]! - value;
    if (i === last) return value - values[i - 1]!;
    return (values[i + 1]! - values[i - 1]!) / 2;
  });
}

/** Σ value · dfs / Σ dfs over saccades, [bins, units]; what has a weight of 0 does not count, NaN included. */
function weightedMeans(
  values: Float32Array,
  { units, dfs }: TriggeredInputs,
  positions: Int32Array,
  bins: number,
): Float64Array {
  const sums = new Float64Array(bins * units);
  const weights = new Float64Array(bins * units);
  for (const [cell, position] of positions.entries()) {
    const to = (cell % bins) * units;
    const from = position * units;
    for (let unit = 0; unit < units; unit++) {
      const weight = dfs[from + unit]!;
      if (weight === 0) continue;
      sums[to + unit]! += values[from + unit]! * weight;
      weights[to + unit]! += weight;
    }
  }
  return sums.map((sum, cell) => sum / weights[cell]!);
}
