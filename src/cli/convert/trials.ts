/**
 * @file Trials of a converted recording: the pieces that are kept whole when data are split into training and validation.
 */
import { UserError } from "../../errors.ts";
import { toFloat64 } from "../../formats/array.ts";
import { readNpy } from "../../formats/npy.ts";
import { parseRanges } from "../ranges.ts";

/** How frames form trials. */
export type TrialOptions =
  /** Pieces of so many frames, the last one may be shorter. */
  | { readonly kind: "length"; readonly frames: number }
  /** A .npy file with the trial number of every frame. */
  | { readonly kind: "file"; readonly path: string }
  /** Every frame is a trial of its own, as with still images. */
  | { readonly kind: "frame" };

/**
 * The trial number of every frame.
 *
 * @throws UserError when the file cannot be read, has another length, holds anything but whole numbers, or a trial comes
 *   back after another one
 */
export function trialNumbers(options: TrialOptions, frames: number): BigInt64Array {
  if (options.kind === "file") return trialsFromFile(options.path, frames);
  const length = options.kind === "frame" ? 1 : options.frames;
  return BigInt64Array.from({ length: frames }, (_, t) => BigInt(Math.floor(t / length)));
}

function trialsFromFile(path: string, frames: number): BigInt64Array {
  const array = readNpy(path);
  const problem = (what: string, hint: string) =>
    new UserError(`Cannot use "${path}" as trial numbers: ${what}`, { hint });
  if (array.shape.length !== 1 || array.shape[0] !== frames) {
    const what = `its shape is [${array.shape.join(", ")}], but the stimulus has ${frames} frames`;
    throw problem(what, "Expected one number for each frame.");
  }
  const numbers = toFloat64(array);
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
  const missing = trials.find((trial) => !known.has(trial));
  if (missing !== undefined) {
    throw new UserError(`Cannot validate on trial ${missing}: the recording has no such trial`, {
      hint: `Its ${known.size} trials are numbered ${Math.min(...known)} to ${Math.max(...known)}.`,
    });
  }
  return [...new Set(trials)].sort((a, b) => a - b);
}
