/**
 * @file Dividing a recording into training and validation frames by whole trials (data specification, section 10.1),
 * and long recordings without trials by stretches (section 19).
 */
import { UserError } from "../errors.ts";
import { permutation } from "./random.ts";

/** How the trials of a recording are divided. */
export interface SplitOptions {
  /** Fraction of the distinct trials that trains, in [0, 1]. */
  trainFraction: number;
  /** Seed of the random division. */
  seed: number;
  /**
   * `trial` draws the training trials at random, bit for bit as the reference does; `time` trains on the first ones in
   * ascending order, so that validation lies after training; `block` draws the same share at random from every one of
   * `blocks` stretches of trials, so that both parts come from all times of the experiment.
   */
  splitBy?: "trial" | "time" | "block";
  /** Stretches of `block`; 10 when absent. */
  blocks?: number;
  /** These trials validate and all others train; fraction, seed and `splitBy` are then not used. */
  valTrials?: readonly number[];
}

/** Frames of both parts, ascending. */
export interface SplitRows {
  train: Int32Array;
  val: Int32Array;
}

/**
 * Divides `rows` so that no trial is in both parts.
 *
 * Trials are the distinct values of `trialInds` over the whole recording, whether or not any of their rows is valid.
 * Recordings with equally many trials get the same positions for the same seed.
 *
 * @param trialInds trial number of every frame, [frames]
 * @param rows frames to divide, ascending
 * @throws UserError when the fraction is outside [0, 1] or a trial number is not a number
 */
export function splitByTrial(trialInds: Float64Array, rows: Int32Array, options: SplitOptions): SplitRows {
  const { trainFraction, seed, splitBy = "trial", blocks = 10, valTrials } = options;
  if (valTrials !== undefined) {
    const val = new Set(valTrials);
    return {
      train: rows.filter((row) => !val.has(trialInds[row]!)),
      val: rows.filter((row) => val.has(trialInds[row]!)),
    };
  }
  if (!(trainFraction >= 0 && trainFraction <= 1)) {
    throw new UserError(`Cannot split by trial: train_val_split is ${trainFraction}, expected a fraction from 0 to 1`);
  }
  if (splitBy === "block") return splitBlocks(trialInds, rows, trainFraction, seed, blocks);
  const [train, val] = divideTrials(trialInds, rows, [trainFraction], splitBy === "time" ? undefined : seed);
  return { train: train!, val: val! };
}

/** Trains on as many trials as the other ways do; every block has its share of them, rounded. */
function splitBlocks(
  trialInds: Float64Array,
  rows: Int32Array,
  trainFraction: number,
  seed: number,
  blocks: number,
): SplitRows {
  const trials = distinctTrials(trialInds);
  const n = trials.length;
  const trained = new Set<number>();
  for (let block = 0; block < blocks; block++) {
    const start = Math.floor((block * n) / blocks);
    const end = Math.floor(((block + 1) * n) / blocks);
    const count = Math.trunc(end * trainFraction) - Math.trunc(start * trainFraction);
    for (const position of permutation(end - start, seed + block).subarray(0, count)) {
      trained.add(trials[start + position]!);
    }
  }
  return {
    train: rows.filter((row) => trained.has(trialInds[row]!)),
    val: rows.filter((row) => !trained.has(trialInds[row]!)),
  };
}

/**
 * Divides `rows` into `cuts.length + 1` parts at cumulative fractions of the trials: `[0.5, 0.5 + 0.3]` gives training,
 * validation and test rows.
 *
 * @param seed of the order in which trials are dealt out; undefined keeps them ascending
 * @throws UserError when a trial number is not a number
 */
export function divideTrials(
  trialInds: Float64Array,
  rows: Int32Array,
  cuts: readonly number[],
  seed: number | undefined,
): Int32Array[] {
  const trials = distinctTrials(trialInds);
  const n = trials.length;
  const order = seed === undefined ? Int32Array.from(trials.keys()) : permutation(n, seed);
  const ends = cuts.map((cut) => Math.trunc(n * cut));
  const partOfTrial = new Map<number, number>();
  order.forEach((trial, position) => {
    partOfTrial.set(trials[trial]!, ends.filter((end) => position >= end).length);
  });
  return Array.from({ length: cuts.length + 1 }, (_, part) =>
    rows.filter((row) => partOfTrial.get(trialInds[row]!) === part),
  );
}

/**
 * Divides frames without trials: `sections` stretches of equal length (the last takes the remainder), of which a random
 * `1 − valFraction` train. Frames come stretch by stretch in the order drawn.
 */
export function splitSections(frames: number, sections: number, valFraction: number, seed: number): SplitRows {
  const length = Math.floor(frames / sections);
  const trained = Math.trunc(sections * (1 - valFraction));
  const train: number[] = [];
  const val: number[] = [];
  permutation(sections, seed).forEach((section, position) => {
    const end = section === sections - 1 ? frames : (section + 1) * length;
    for (let frame = section * length; frame < end; frame++) (position < trained ? train : val).push(frame);
  });
  return { train: Int32Array.from(train), val: Int32Array.from(val) };
}

/**
 * The different trial numbers, ascending. Numbers that down-sampling made up for bins across two trials count.
 *
 * @throws UserError when one is not a number
 */
export function distinctTrials(trialInds: Float64Array): Float64Array {
  requireTrialNumbers(trialInds);
  return Float64Array.from(new Set(trialInds)).sort();
}

/** @throws UserError when a frame's trial is not a number */
export function requireTrialNumbers(trialInds: Float64Array): void {
  const bad = trialInds.findIndex((trial) => Number.isNaN(trial));
  if (bad < 0) return;
  throw new UserError(`trial_inds is not a number (NaN) in frame ${bad}`, {
    hint: "Every frame needs the number of its trial; export the recording again.",
  });
}
