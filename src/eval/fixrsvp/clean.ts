/**
 * @file Cleaning trials of fixation before they are averaged: no trial twice, enough fixation, one image sequence
 * (evaluation specification, section 13, steps 4 to 6).
 */
import { alignImages, type ImageAlignment } from "./align-images.ts";
import { type FixationTrials, selectTrials } from "./fixation-trials.ts";

export interface CleanOptions {
  /** Bins per second; thresholds are given at 240 Hz and scaled to it. */
  rate?: number | undefined;
  /** A trial is kept when it has more bins of fixation than this at 240 Hz. */
  minFixationBins?: number | undefined;
  /** A trial whose images differ only later than this bin at 240 Hz keeps its beginning. */
  salvageableBins?: number | undefined;
}

/** Clean trials, and what became of the others. */
export interface CleanTrials extends ImageAlignment {
  /** Numbers of trials that repeat an earlier one. */
  duplicates: number[];
  /** Numbers of trials with too little fixation. */
  short: number[];
}

/**
 * Cleans trials: removes duplicates, then trials with too little fixation, then aligns image sequences.
 *
 * @throws UserError when no reference trial fits the others, see {@link alignImages}
 */
export function cleanTrials(
  all: FixationTrials,
  { rate = 240, minFixationBins = 20, salvageableBins = 25 }: CleanOptions = {},
): CleanTrials {
  const unique = withoutDuplicates(all);
  const fixating = withMinimumFixation(unique, scaledBins(minFixationBins, rate));
  const numbersOf = (before: FixationTrials, after: FixationTrials) => {
    const left = new Set(after.trialNumbers);
    return [...before.trialNumbers].filter((number) => !left.has(number));
  };
  return {
    ...alignImages(fixating, { salvageable: scaledBins(salvageableBins, rate) }),
    duplicates: numbersOf(all, unique),
    short: numbersOf(unique, fixating),
  };
}

/** Bins at `rate` that last as long as `bins` at 240 Hz: at least 1, halves to the even number. */
export function scaledBins(bins: number, rate: number): number {
  const exact = (bins * rate) / 240;
  const down = Math.floor(exact);
  const rest = exact - down;
  const rounded = rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
  return Math.max(1, rounded);
}

/**
 * Keeps the first of trials whose responses and gaze are the same in every bin. Trials without any observed bin are all
 * alike and no duplicates of each other (E-40); they stay.
 */
export function withoutDuplicates(all: FixationTrials): FixationTrials {
  const { bins, units } = all;
  const seen = new Set<string>();
  const kept: number[] = [];
  for (let trial = 0; trial < all.trials; trial++) {
    const robs = all.robs.subarray(trial * bins * units, (trial + 1) * bins * units);
    const eyepos = all.eyepos.subarray(trial * bins * 2, (trial + 1) * bins * 2);
    const isEmpty = robs.every(Number.isNaN) && eyepos.every(Number.isNaN);
    const content = `${robs.join()};${eyepos.join()}`;
    if (!isEmpty && seen.has(content)) continue;
    seen.add(content);
    kept.push(trial);
  }
  return selectTrials(all, kept);
}

/** Keeps trials with more than `bins` bins of fixation. */
export function withMinimumFixation(all: FixationTrials, bins: number): FixationTrials {
  return selectTrials(
    all,
    [...all.fixDur.keys()].filter((trial) => all.fixDur[trial]! > bins),
  );
}
