/**
 * @file From a recording to trials of fixation (evaluation specification, section 13, step 2).
 */

import type { Recording } from "../../data/recording.ts";
import { distinctTrials } from "../../data/split.ts";
import { UserError } from "../../errors.ts";
import { type FixationTrials, NONE } from "./fixation-trials.ts";

/** When which image of a trial came on the screen. */
export interface ImageFlips {
  /** Seconds on the recording clock, ascending. */
  times: ArrayLike<number>;
  /** Numbers as the stimulus program counts them: {@link FIRST_IMAGE} is the first of the sequence. */
  ids: ArrayLike<number>;
}

/** The number of the image that a sequence begins with. */
export const FIRST_IMAGE = 2;

export interface CollateOptions {
  /** Gaze within this distance of (0, 0) is fixation, degrees. */
  fixationRadius?: number | undefined;
  /** Flips by trial number. Without them no image is known, and trials are aligned by `psth_inds` alone. */
  flips?: ReadonlyMap<number, ImageFlips> | undefined;
}

/**
 * Puts the frames of a recording into trials × bins by `psth_inds`. Bins in which the gaze is within the fixation radius are
 * observed; the others are NaN. A trial whose flips show fewer than two images, or never the first one, stays empty.
 *
 * @param recording with `trial_inds`, `psth_inds`, `robs`, `dfs`, `eyepos`, and with `t_bins` (seconds) when flips are given
 * @throws UserError when the recording lacks one of these, or two frames claim the same bin
 */
export function collateTrials(
  recording: Recording,
  { fixationRadius = 1, flips }: CollateOptions = {},
): FixationTrials {
  const trialInds = recording.numbers("trial_inds");
  const psthInds = recording.numbers("psth_inds");
  const times = flips === undefined ? undefined : recording.numbers("t_bins");
  const { data: robs, shape } = recording.floats("robs");
  const { data: dfs } = recording.floats("dfs");
  const { data: eyepos } = recording.floats("eyepos");
  const units = shape[1]!;
  const maskWidth = dfs.length / recording.length;
  const trialNumbers = distinctTrials(trialInds);
  const rankOf = new Map(Array.from(trialNumbers, (number, rank) => [number, rank]));
  const bins = psthInds.reduce((most, bin) => Math.max(most, bin + 1), 0);
  const all = emptyTrials(trialNumbers, bins, units);
  const sequences = new Map(Array.from(flips ?? [], ([trial, shown]) => [trial, imageSequence(shown)]));

  for (let frame = 0; frame < recording.length; frame++) {
    const number = trialInds[frame]!;
    const sequence = sequences.get(number);
    if (flips !== undefined && sequence === undefined) continue;
    const trial = rankOf.get(number)!;
    const cell = trial * bins + psthInds[frame]!;
    if (all.frames[cell] !== NONE) {
      throw new UserError(
        `Cannot collate "${recording.name}": frames ${all.frames[cell]} and ${frame} are bin ${psthInds[frame]} of trial ${number}`,
      );
    }
    all.frames[cell] = frame;
    if (sequence !== undefined) all.imageIds[cell] = imageAt(sequence, times![frame]!);
    if (!(Math.hypot(eyepos[2 * frame]!, eyepos[2 * frame + 1]!) < fixationRadius)) continue;
    all.fixDur[trial]!++;
    all.eyepos.set(eyepos.subarray(2 * frame, 2 * frame + 2), 2 * cell);
    all.robs.set(robs.subarray(frame * units, (frame + 1) * units), cell * units);
    for (let unit = 0; unit < units; unit++) {
      all.dfs[cell * units + unit] = dfs[frame * maskWidth + (maskWidth === 1 ? 0 : unit)]!;
    }
  }
  return all;
}

function emptyTrials(trialNumbers: Float64Array, bins: number, units: number): FixationTrials {
  const cells = trialNumbers.length * bins;
  const unknown = (width: number) => new Float64Array(cells * width).fill(Number.NaN);
  return {
    trials: trialNumbers.length,
    bins,
    units,
    trialNumbers,
    robs: unknown(units),
    dfs: unknown(units),
    eyepos: unknown(2),
    fixDur: new Float64Array(trialNumbers.length),
    imageIds: new Int32Array(cells).fill(NONE),
    frames: new Int32Array(cells).fill(NONE),
  };
}

/** Flips from the first image on; undefined when it never came, or it was not a sequence. */
function imageSequence({ times, ids }: ImageFlips): { times: number[]; ids: number[] } | undefined {
  const numbers = Array.from(ids);
  const onset = numbers.indexOf(FIRST_IMAGE);
  if (onset < 0 || new Set(numbers).size < 2) return undefined;
  return { times: Array.from(times).slice(onset), ids: numbers.slice(onset) };
}

/** The last flip that is not later than `time`, counted from 0; the first one for earlier times. */
function imageAt({ times, ids }: { times: number[]; ids: number[] }, time: number): number {
  let low = 0;
  let high = times.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= time) low = middle;
    else high = middle;
  }
  return ids[low]! - 1;
}
