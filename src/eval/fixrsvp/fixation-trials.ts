/**
 * @file Trials of rapid image sequences shown while the animal fixates, bin by bin (evaluation specification, section 13).
 */

/** No image, or no frame. */
export const NONE = -1;

/** Responses, gaze and images of all trials; arrays are row-major, NaN (or {@link NONE}) where nothing was observed. */
export interface FixationTrials {
  trials: number;
  bins: number;
  units: number;
  /** [trials] */
  trialNumbers: Float64Array;
  /** Observed spikes per bin, [trials, bins, units]. */
  robs: Float64Array;
  /** Validity, [trials, bins, units]. */
  dfs: Float64Array;
  /** Degrees, [trials, bins, 2]. */
  eyepos: Float64Array;
  /** Bins of fixation, [trials]. */
  fixDur: Float64Array;
  /** Number of the image on the screen, [trials, bins]; {@link NONE} where it is not known. */
  imageIds: Int32Array;
  /** Frame of the recording that a bin was taken from, [trials, bins]; {@link NONE} for none. Leads to any other covariate. */
  frames: Int32Array;
}

/** Only the trials at these positions, in this order. */
export function selectTrials(all: FixationTrials, kept: readonly number[]): FixationTrials {
  const { bins, units } = all;
  const pick = <Values extends Float64Array | Int32Array>(values: Values, width: number): Values => {
    const Type = values.constructor as new (length: number) => Values;
    const picked = new Type(kept.length * width);
    for (const [i, trial] of kept.entries()) picked.set(values.subarray(trial * width, (trial + 1) * width), i * width);
    return picked;
  };
  return {
    trials: kept.length,
    bins,
    units,
    trialNumbers: pick(all.trialNumbers, 1),
    robs: pick(all.robs, bins * units),
    dfs: pick(all.dfs, bins * units),
    eyepos: pick(all.eyepos, bins * 2),
    fixDur: pick(all.fixDur, 1),
    imageIds: pick(all.imageIds, bins),
    frames: pick(all.frames, bins),
  };
}

/** Moves a trial's bins `by` bins to the left, in place; what is left over at its end is not observed. */
export function shiftTrial(all: FixationTrials, trial: number, by: number): void {
  forEachRow(all, trial, (row, width) => {
    row.copyWithin(0, by * width);
  });
  blankFrom(all, trial, all.bins - by);
}

/** Marks a trial's bins from `bin` on as not observed, in place. */
export function blankFrom(all: FixationTrials, trial: number, bin: number): void {
  forEachRow(all, trial, (row, width) => {
    row.fill(row instanceof Int32Array ? NONE : Number.NaN, bin * width);
  });
}

function forEachRow(
  { bins, units, robs, dfs, eyepos, imageIds, frames }: FixationTrials,
  trial: number,
  change: (row: Float64Array | Int32Array, width: number) => void,
): void {
  const columns = [
    [robs, units],
    [dfs, units],
    [eyepos, 2],
    [imageIds, 1],
    [frames, 1],
  ] as const;
  for (const [values, width] of columns) {
    change(values.subarray(trial * bins * width, (trial + 1) * bins * width), width);
  }
}

/** Whether a bin was observed: the response of some unit is a number. */
export function isObserved({ bins, units, robs }: FixationTrials, trial: number, bin: number): boolean {
  const start = (trial * bins + bin) * units;
  for (let i = start; i < start + units; i++) if (!Number.isNaN(robs[i]!)) return true;
  return false;
}

/** Bins of each trial that were observed, [trials]. */
export function countObserved(all: FixationTrials): Float64Array {
  return Float64Array.from({ length: all.trials }, (_, trial) => {
    let count = 0;
    for (let bin = 0; bin < all.bins; bin++) if (isObserved(all, trial, bin)) count++;
    return count;
  });
}
