/**
 * @file What the decomposition works on: responses in time bins of a repeated stimulus with the eye positions that went
 * with them, one by one or in windows (evaluation specification, sections 15.1 and 15.2).
 */

import { UserError } from "../../errors.ts";

/** Trials of one stimulus, aligned bin by bin, with the eye position in each bin. Arrays are row-major. */
export interface EyeResponses {
  trials: number;
  bins: number;
  units: number;
  /** Spikes (or predicted spikes) per bin, [trials, bins, units]; NaN where nothing was observed. */
  robs: Float64Array;
  /** Gaze in degrees, horizontal and vertical, [trials, bins, 2]; NaN where it is unknown. */
  eye: Float64Array;
  /** Above 0 where a bin of a trial may be used (fixation, tracker in order), [trials, bins]; absent: everywhere. */
  valid?: ArrayLike<number> | undefined;
}

/** Responses that belong to time bins of the stimulus, each with the path that the eye took. Arrays are row-major. */
export interface EyeSamples {
  units: number;
  /** Spikes, [samples, units]. */
  counts: Float64Array;
  /** Time bin of each sample; only samples of the same bin are compared. */
  bins: Int32Array;
  /** Gaze positions per sample. */
  length: number;
  /** Gaze in degrees, [samples, length, 2]. */
  trajectories: Float64Array;
}

/** Consecutive usable bins of one trial; `stop` is the first one that is not. */
export interface Segment {
  trial: number;
  start: number;
  stop: number;
}

/**
 * @throws UserError when arrays do not have the sizes that `trials`, `bins` and `units` promise
 */
export function checkEyeResponses({ trials, bins, units, robs, eye, valid }: EyeResponses): void {
  const expected = { robs: trials * bins * units, eye: trials * bins * 2, valid: trials * bins };
  const found = { robs: robs.length, eye: eye.length, valid: valid?.length ?? expected.valid };
  for (const name of ["robs", "eye", "valid"] as const) {
    if (found[name] === expected[name]) continue;
    const last = { robs: units, eye: 2, valid: undefined }[name];
    const shape = [trials, bins, ...(last === undefined ? [] : [last])].join(", ");
    throw new UserError(
      `Cannot decompose covariance: ${name} has ${found[name]} values, [${shape}] takes ${expected[name]}`,
    );
  }
}

/**
 * Where a bin of a trial can be used: marked as valid, every unit and both eye coordinates finite.
 *
 * @returns 0 or 1, [trials, bins]
 */
export function usableBins({ trials, bins, units, robs, eye, valid }: EyeResponses): Uint8Array {
  const usable = new Uint8Array(trials * bins);
  for (let cell = 0; cell < usable.length; cell++) {
    if (valid !== undefined && !(valid[cell]! > 0)) continue;
    usable[cell] = allFinite(robs, cell, units) && allFinite(eye, cell, 2) ? 1 : 0;
  }
  return usable;
}

/** Whether a row of [rows, width] has no NaN and nothing infinite. */
export function allFinite(values: Float64Array, row: number, width: number): boolean {
  for (let i = row * width; i < (row + 1) * width; i++) if (!Number.isFinite(values[i]!)) return false;
  return true;
}

/** Every usable bin of every trial as a sample with one eye position, trial after trial. */
export function singleBinSamples(responses: EyeResponses): EyeSamples {
  const { trials, bins } = responses;
  const usable = usableBins(responses);
  const segments: Segment[] = [];
  for (let trial = 0; trial < trials; trial++) {
    for (let bin = 0; bin < bins; bin++) {
      if (usable[trial * bins + bin]) segments.push({ trial, start: bin, stop: bin + 1 });
    }
  }
  return countingWindows(responses, segments, { count: 1, history: 0 });
}

/**
 * Longest runs of usable bins, trial after trial.
 *
 * @param usable [trials, bins]
 * @param minLength shorter runs are left out, bins
 */
export function validSegments(
  usable: ArrayLike<number>,
  { trials, bins, minLength = 36 }: { trials: number; bins: number; minLength?: number | undefined },
): Segment[] {
  const segments: Segment[] = [];
  for (let trial = 0; trial < trials; trial++) {
    let start = 0;
    for (let bin = 0; bin <= bins; bin++) {
      if (bin < bins && usable[trial * bins + bin]) continue;
      if (bin > start && bin - start >= minLength) segments.push({ trial, start, stop: bin });
      start = bin + 1;
    }
  }
  return segments;
}

/**
 * Cuts segments into windows of `history + count` bins, `count` bins apart. Spikes are summed over the last `count` bins
 * of a window; its trajectory is the whole window; its time bin is the first one whose spikes count.
 */
export function countingWindows(
  { bins, units, robs, eye }: EyeResponses,
  segments: readonly Segment[],
  { count, history }: { count: number; history: number },
): EyeSamples {
  const length = history + count;
  const windows = segments.map(({ start, stop }) => Math.max(0, Math.floor((stop - start - history) / count)));
  const total = windows.reduce((sum, n) => sum + n, 0);
  const samples = {
    units,
    length,
    counts: new Float64Array(total * units),
    bins: new Int32Array(total),
    trajectories: new Float64Array(total * length * 2),
  };
  let sample = 0;
  segments.forEach(({ trial, start }, segment) => {
    for (let window = 0; window < windows[segment]!; window++) {
      const first = trial * bins + start + window * count;
      samples.bins[sample] = start + window * count + history;
      samples.trajectories.set(eye.subarray(first * 2, (first + length) * 2), sample * length * 2);
      for (let bin = first + history; bin < first + length; bin++) {
        for (let unit = 0; unit < units; unit++) samples.counts[sample * units + unit]! += robs[bin * units + unit]!;
      }
      sample += 1;
    }
  });
  return samples;
}
