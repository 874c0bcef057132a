/**
 * @file Invented trials of fixation, for the tests of this folder.
 */
import { type FixationTrials, NONE } from "./fixation-trials.ts";

/**
 * Trials with one unit, an image a bin by its letter (a is 0; "." is not observed). Counts are the number of the trial
 * times 100 plus the bin, so that every trial is another.
 */
export function fixationTrials(...images: string[]): FixationTrials {
  const bins = images[0]!.length;
  const ids = images.flatMap((row) => [...row].map((letter) => (letter === "." ? NONE : letter.charCodeAt(0) - 97)));
  const observed = (value: (cell: number) => number) =>
    Float64Array.from(ids, (id, cell) => (id === NONE ? Number.NaN : value(cell)));
  const robs = observed((cell) => 100 * Math.floor(cell / bins) + (cell % bins));
  return {
    trials: images.length,
    bins,
    units: 1,
    trialNumbers: Float64Array.from(images, (_, trial) => trial + 1),
    robs,
    dfs: observed(() => 1),
    eyepos: Float64Array.from({ length: 2 * ids.length }, (_, i) => (Number.isNaN(robs[i >> 1]!) ? Number.NaN : 0.1)),
    fixDur: Float64Array.from(images, (row) => [...row].filter((letter) => letter !== ".").length),
    imageIds: Int32Array.from(ids),
    frames: Int32Array.from(ids, (id, cell) => (id === NONE ? NONE : cell)),
  };
}

/** The images of every trial as letters. */
export function imageLetters({ trials, bins, imageIds }: FixationTrials): string[] {
  return Array.from({ length: trials }, (_, trial) =>
    Array.from(imageIds.subarray(trial * bins, (trial + 1) * bins), (id) =>
      id === NONE ? "." : String.fromCharCode(97 + id),
    ).join(""),
  );
}
