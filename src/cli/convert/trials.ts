/**
 * @file Trials of a converted recording: the pieces that are kept whole when data are split into training and validation.
 */
import { UserError } from "../../errors.ts";
import { toFloat64 } from "../../formats/array.ts";
import { readNpy } from "../../formats/npy.ts";
import { parseRanges } from "../ranges.ts";
import { asVector, type LabelledArray } from "./named-axes.ts";

/** How frames form trials. */
export type TrialOptions =
  /** Pieces of so many frames, the last one may be shorter. */
  | { readonly kind: "length"; readonly frames: number }
  /** A .npy file with the trial number of every frame. */
  | { readonly kind: "file"; readonly path: string }
  /** Every frame is a trial of its own, as with still images. */
  | { readonly kind: "frame" };

/** Trial numbers for trials of so many frames each. */
export function trialsOfLength(frames: number, length: number): BigInt64Array {
  return BigInt64Array.from({ length: frames }, (_, t) => BigInt(Math.floor(t / length)));
}

/**
 * Trial numbers from one number for each frame.
 *
 * @throws UserError when there are more or fewer, they are not whole, or a trial comes back after another one
 */
export function trialsFromNumbers({ array, label }: LabelledArray, frames: number): BigInt64Array {
  const problem = (what: string, hint: string) =>
    new UserError(`Cannot use ${label} as trial numbers: ${what}`, { hint });
  const vector = asVector(array);
  if (vector === undefined || vector.shape[0] !== frames) {
    const what = `its shape is [${array.shape.join(", ")}], but the stimulus has ${frames} frames`;
    throw problem(what, "Expected one number for each frame.");
  }
  const numbers = toFloat64(vector.read());
  const odd = numbers.findIndex((number) => !Number.isSafeInteger(number));
  if (odd >= 0) throw problem(`frame ${odd} has ${numbers[odd]}`, "Expected whole numbers.");
  const ended = new Set<number>();
  for (let t = 1; t < frames; t++) {
    if (numbers[t] === numbers[t - 1]) continue;
    ended.add(numbers[t - 1]!);
    if (!ended.has(numbers[t]!)) continue;
    throw problem(`trial ${numbers[t]} starts a second time in frame ${t}`, "Give every trial a number of its own.");
  }
  return BigInt64Array.from(numbers, BigInt);
}

/**
 * Trial numbers, counted from 0, from the first frame of each trial, counted from 0.
 *
 * @param label what messages call the starts
 * @throws UserError when they do not ascend, lie outside, or leave frames before the first one
 */
export function trialsFromStarts(starts: ArrayLike<number>, frames: number, label: string): BigInt64Array {
  const problem = (what: string, hint: string) =>
    new UserError(`Cannot use ${label} as starts of trials: ${what}`, { hint });
  const trials = new BigInt64Array(frames);
  for (let trial = 0; trial < starts.length; trial++) {
    const start = starts[trial]!;
    const end = trial + 1 < starts.length ? starts[trial + 1]! : frames;
    if (!(Number.isInteger(start) && start >= 0 && start < frames)) {
      throw problem(
        `trial ${trial} starts in frame ${start}, there are frames 0 to ${frames - 1}`,
        "See in: it says what the numbers are.",
      );
    }
    if (!(end > start)) {
      throw problem(
        `trials ${trial} and ${trial + 1} start in frames ${start} and ${end}`,
        "Expected ascending starts, and a frame in every trial.",
      );
    }
    trials.fill(BigInt(trial), start, end);
  }
  if (starts.length > 0 && starts[0] === 0) return trials;
  const first = starts.length === 0 ? "there are none" : `frames 0 to ${starts[0]! - 1} lie before the first one`;
  throw problem(first, "Every frame belongs to a trial; cut off the others before converting, or add a start.");
}

/**
 * Trial numbers from a list such as `0,4,10-19` or from a .npy file of them.
 *
 * @param known all trial numbers of the recording
 * @throws UserError when the text or the file is not a list of trials, or one of them does not exist
 */
export function parseTrialList(text: string, known: ReadonlySet<number>): number[] {
  const trials = text.endsWith(".npy") ? [...toFloat64(readNpy(text))] : parseRanges(text);
  if (trials === undefined) {
    throw new UserError(`Cannot read "${text}" as a list of trials`, {
      hint: "Write numbers and ranges such as 0,4,10-19, or name a .npy file.",
    });
  }
  return requireTrials(trials, known);
}

/**
 * Trials to validate on, ascending.
 *
 * @param known all trial numbers of the recording
 * @throws UserError when one of them does not exist
 */
export function requireTrials(trials: readonly number[], known: ReadonlySet<number>): number[] {
  const missing = trials.find((trial) => !known.has(trial));
  if (missing !== undefined) {
    throw new UserError(`Cannot validate on trial ${missing}: the recording has no such trial`, {
      hint: `Its ${known.size} trials are numbered ${Math.min(...known)} to ${Math.max(...known)}.`,
    });
  }
  return [...new Set(trials)].sort((a, b) => a - b);
}
