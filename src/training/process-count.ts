/**
 * @file Continuing a run with another number of processes (training specification, sections 19 and 22). With a global
 * objective this changes nothing but roundings and dropout, as long as all batches together stay the same.
 */

import type { ChangedSetting, TrainingSettings, TrainOptions } from "./options.ts";

/** Options with a batch size that keeps the samples per step, where nobody asks for another and the division is whole. */
export function keepGlobalBatch(options: TrainOptions, stored: Partial<TrainingSettings> | undefined): TrainOptions {
  const { numProcesses = 1, batchSize } = options;
  const before = stored?.numProcesses ?? 1;
  if (!stored?.globalObjective || stored.batchSize === undefined || before === numProcesses) return options;
  const whole = (stored.batchSize * before) / numProcesses;
  return batchSize === undefined && Number.isInteger(whole) ? { ...options, batchSize: whole } : options;
}

/** The changes without those that only divide the same batches among another number of processes. */
export function realChanges(
  changed: readonly ChangedSetting[],
  settings: TrainingSettings,
  stored: Partial<TrainingSettings> | undefined,
): readonly ChangedSetting[] {
  const { globalObjective, homogeneousBatches, enableCurriculum, batchSize, numProcesses } = settings;
  // In the other orders processes draw for themselves.
  const isDivided = globalObjective && stored?.globalObjective && !homogeneousBatches && !enableCurriculum;
  const isSame = batchSize * numProcesses === (stored?.batchSize ?? 0) * (stored?.numProcesses ?? 1);
  return isDivided && isSame ? changed.filter(({ name }) => name !== "numProcesses" && name !== "batchSize") : changed;
}

/** What to do when settings differ, among them perhaps the number of processes. */
export function changeHint(changed: readonly ChangedSetting[]): string {
  const count = changed.find(({ name }) => name === "numProcesses");
  if (count === undefined) {
    return "Leave them out to continue the run as it was, or allow the change: --allow-config-change.";
  }
  return (
    `Continue with ${count.stored === 1 ? "one process" : `${count.stored} processes`}: others would draw other batches. Runs ` +
    "with --global-objective go on with any number, or allow the change: --allow-config-change."
  );
}
