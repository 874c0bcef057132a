/**
 * @file Learning-rate schedules (training specification, section 11, with its fixes T-06 to T-09).
 *
 * Every schedule but `plateau` is a formula of the epoch and of the length of the run, both given at each call: when a time
 * budget changes the length, all schedules follow.
 */

import { UserError } from "../errors.ts";

export const SCHEDULES = ["none", "step", "plateau", "cosine", "cosine_warmup", "cosine_warmup_restart"] as const;

export type ScheduleKind = (typeof SCHEDULES)[number];

/** A schedule and its numbers. */
export interface ScheduleOptions {
  kind: ScheduleKind;
  /** Epochs of linear warm-up; only the two warm-up schedules have one. */
  warmupEpochs?: number;
  /** Epochs per cycle of `cosine_warmup_restart`; absent: half of what follows the warm-up, at least 1. */
  restartPeriod?: number | undefined;
  /** Rate at the start of the warm-up. */
  warmupStartLr?: number;
  /** Rate at the end of a cosine. */
  etaMin?: number;
}

/** Epochs after which `step` halves the rate, again and again. */
export const STEP_EPOCHS = 30;
const STEP_FACTOR = 0.5;

/**
 * The learning rate of one parameter group.
 *
 * @param base rate of the group without a schedule
 * @param epoch from 0; a fraction stands for a position inside an epoch
 * @param maxEpochs length of the run; afterwards cosines stay at their end
 */
export function scheduledRate(options: ScheduleOptions, base: number, epoch: number, maxEpochs: number): number {
  const { kind, warmupEpochs = 0, restartPeriod, warmupStartLr = 0, etaMin = 0 } = options;
  switch (kind) {
    case "none":
    case "plateau":
      return base;
    case "step":
      return base * STEP_FACTOR ** Math.floor(epoch / STEP_EPOCHS);
    case "cosine":
      return cosine(base, etaMin, progress(epoch, maxEpochs));
    case "cosine_warmup":
    case "cosine_warmup_restart": {
      if (epoch < warmupEpochs) return warmupStartLr + ((base - warmupStartLr) * epoch) / warmupEpochs;
      const after = epoch - warmupEpochs;
      const length = maxEpochs - warmupEpochs;
      const period = kind === "cosine_warmup_restart" ? (restartPeriod ?? Math.floor(length / 2)) : 0;
      return cosine(base, etaMin, period > 0 ? (after % period) / period : progress(after, length));
    }
  }
}

/** Share of `length` that has passed, at most 1; nothing passes in an empty stretch. */
function progress(epoch: number, length: number): number {
  return length > 0 ? Math.min(epoch / length, 1) : 0;
}

function cosine(from: number, to: number, progress: number): number {
  return to + ((from - to) * (1 + Math.cos(Math.PI * progress))) / 2;
}

/** Where a plateau schedule stands; plain numbers, for checkpoints. */
export interface PlateauState {
  /** What the base rates are multiplied by. */
  factor: number;
  /** Lowest validation loss so far; null before the first. */
  best: number | null;
  /** Validations in a row without improvement. */
  stale: number;
}

const PLATEAU_FACTOR = 0.5;
const PLATEAU_PATIENCE = 3;
const PLATEAU_THRESHOLD = 1e-4;

/** The state after one more validation: halves the rates once the loss has not fallen for more than three of them. */
export function advancePlateau(state: PlateauState, valLoss: number): PlateauState {
  const { factor, best, stale } = state;
  if (best === null ? !Number.isNaN(valLoss) : valLoss < best * (1 - PLATEAU_THRESHOLD)) {
    return { factor, best: valLoss, stale: 0 };
  }
  return stale < PLATEAU_PATIENCE
    ? { factor, best, stale: stale + 1 }
    : { factor: factor * PLATEAU_FACTOR, best, stale: 0 };
}

/**
 * Checks a schedule's numbers.
 *
 * @throws UserError that names the option, what was found and what is allowed
 */
export function checkSchedule({ kind, warmupEpochs = 0, restartPeriod }: ScheduleOptions): void {
  if (!SCHEDULES.includes(kind)) {
    throw new UserError(`Unknown learning-rate schedule "${kind}"`, { hint: `Choose one of ${SCHEDULES.join(", ")}.` });
  }
  if (!(warmupEpochs >= 0)) throw new UserError(`warmup_epochs is ${warmupEpochs}: expected a number from 0`);
  if (restartPeriod !== undefined && !(Number.isInteger(restartPeriod) && restartPeriod >= 1)) {
    throw new UserError(`restart_period is ${restartPeriod}: expected a whole number from 1`);
  }
}
