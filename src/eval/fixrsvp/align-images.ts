/**
 * @file Trials that show the same images at the same bins (evaluation specification, section 13, step 6).
 */
import { UserError } from "../../errors.ts";
import { blankFrom, countObserved, type FixationTrials, NONE, selectTrials, shiftTrial } from "./fixation-trials.ts";

/** A reference fits when fewer trials than this differ from it. */
const TOO_MANY_MISMATCHES = 5;
/** A trial with all images of so many first bins makes a good reference. */
const REFERENCE_BINS = 200;
/** Sequences may be late by fewer bins than this. */
const LONGEST_SHIFT = 100;

/** Trials with one image sequence. */
export interface ImageAlignment {
  trials: FixationTrials;
  /** Position of the trial that the others were compared with, among those that came in. */
  reference: number;
  /** Trials that differed from it, by position among those that came in, with their first such bin. */
  mismatches: { trial: number; bin: number; repair: "truncated" | "shifted" | "dropped" }[];
}

export interface AlignImagesOptions {
  /** A trial that differs only later than this bin is cut there. */
  salvageable: number;
  /** First trial that may be the reference. */
  start?: number | undefined;
}

/**
 * Gives all trials the image sequence of a reference trial. One that differs late is cut where it begins to differ; one
 * that starts with other images is moved to the left until it agrees; any other is dropped. Bins of fixation are counted
 * anew. Without known images nothing differs.
 *
 * @throws UserError when five or more trials differ from every possible reference
 */
export function alignImages(all: FixationTrials, { salvageable, start = 0 }: AlignImagesOptions): ImageAlignment {
  const copy = selectTrials(all, [...all.trialNumbers.keys()]);
  if (all.trials === 0) return { trials: copy, reference: NONE, mismatches: [] };
  const { reference, differing } = findReference(all, start);
  const mismatches: ImageAlignment["mismatches"] = [];
  const dropped = new Set<number>();
  for (const { trial, bin } of differing) {
    const shift = bin > salvageable ? undefined : fittingShift(all, reference, trial);
    if (bin > salvageable) blankFrom(copy, trial, bin);
    else if (shift !== undefined) shiftTrial(copy, trial, shift);
    else dropped.add(trial);
    const repair = dropped.has(trial) ? "dropped" : shift === undefined ? "truncated" : "shifted";
    mismatches.push({ trial, bin, repair });
  }
  const kept = [...copy.trialNumbers.keys()].filter((trial) => !dropped.has(trial));
  const trials = selectTrials(copy, kept);
  trials.fixDur = countObserved(trials);
  return { trials, reference, mismatches };
}

function findReference(
  all: FixationTrials,
  start: number,
): { reference: number; differing: { trial: number; bin: number }[] } {
  for (let from = start; from < all.trials; from++) {
    const reference = referenceTrial(all, from);
    const differing = Array.from({ length: all.trials }, (_, trial) => ({
      trial,
      bin: firstMismatch(all, reference, trial),
    })).filter(({ bin }) => bin !== NONE);
    if (differing.length < TOO_MANY_MISMATCHES) return { reference, differing };
  }
  throw new UserError(
    `Cannot align image sequences: ${TOO_MANY_MISMATCHES} or more of ${all.trials} trials differ from every reference`,
    { hint: "The trials do not repeat one sequence of images; leave this session out of analyses of repeats." },
  );
}

/** The first trial from `start` on with all images of its beginning, else the one with most images. */
function referenceTrial({ trials, bins, imageIds }: FixationTrials, start: number): number {
  const wanted = Math.min(REFERENCE_BINS, bins);
  let [best, most] = [start, -1];
  for (let trial = start; trial < trials; trial++) {
    const ids = imageIds.subarray(trial * bins, (trial + 1) * bins);
    if (ids.subarray(0, wanted).every((id) => id !== NONE)) return trial;
    const known = ids.filter((id) => id !== NONE).length;
    if (known > most) [best, most] = [trial, known];
  }
  return best;
}

/** First bin in which both images are known and differ, else {@link NONE}. */
function firstMismatch({ bins, imageIds }: FixationTrials, reference: number, trial: number): number {
  for (let bin = 0; bin < bins; bin++) {
    const expected = imageIds[reference * bins + bin]!;
    const shown = imageIds[trial * bins + bin]!;
    if (expected !== NONE && shown !== NONE && expected !== shown) return bin;
  }
  return NONE;
}

/**
 * The smallest shift, at least 1, after which a trial's images up to its next unknown one are those that the reference
 * begins with (E-42).
 */
function fittingShift({ bins, imageIds }: FixationTrials, reference: number, trial: number): number | undefined {
  const expected = imageIds.subarray(reference * bins, (reference + 1) * bins);
  const shown = imageIds.subarray(trial * bins, (trial + 1) * bins);
  for (let shift = 1; shift < Math.min(LONGEST_SHIFT, bins); shift++) {
    const gap = shown.indexOf(NONE, shift);
    const end = gap < 0 ? bins : gap;
    if (end > shift && shown.subarray(shift, end).every((id, bin) => id === expected[bin])) return shift;
  }
  return undefined;
}
