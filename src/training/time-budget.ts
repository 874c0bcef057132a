/**
 * @file How many epochs fit into a wall-clock budget (training specification, section 17.3, with its fixes T-09 and T-18).
 *
 * The trainer estimates again after every epoch, from the whole time of that epoch, validation included, and it stops at the
 * budget in any case. The reference estimates once, from twenty batches.
 */

/** What the estimate goes by. */
export interface TimeEstimate {
  /** Epochs the run has had. */
  epochsDone: number;
  secondsLeft: number;
  /** How long all further ones are expected to take. */
  epochSeconds: number;
  /** Epochs that are added whatever the time. */
  atLeast?: number;
}

/** Epochs that a run will have in all. */
export function epochsWithinBudget({ epochsDone, secondsLeft, epochSeconds, atLeast = 0 }: TimeEstimate): number {
  return epochsDone + Math.max(atLeast, Math.floor(secondsLeft / epochSeconds));
}
