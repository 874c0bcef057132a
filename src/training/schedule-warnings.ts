/**
 * @file Schedules that take longer than the run they are part of: allowed, but seldom meant (training specification,
 * sections 10.3 and 11; data specification, section 14.2).
 */

import type { TrainingSettings } from "./options.ts";
import { STEP_EPOCHS, scheduledRate } from "./schedules.ts";

/**
 * One sentence for each schedule that does not come to its end, with what is reached instead.
 *
 * @param steps optimiser steps of the run
 */
export function scheduleWarnings(settings: TrainingSettings, steps: number): string[] {
  const { optimizer, optimizerWarmupSteps, learningRate, enableCurriculum, curriculumWarmupSteps } = settings;
  const warnings = rateWarnings(settings);
  if (optimizer === "schedule_free" && optimizerWarmupSteps > steps) {
    const reached = rate((learningRate * steps) / optimizerWarmupSteps);
    warnings.push(
      `The warm-up of schedule_free takes ${optimizerWarmupSteps} steps and the run has ${steps}: ` +
        `the learning rate ends at ${reached} and never reaches ${rate(learningRate)}`,
    );
  }
  if (enableCurriculum && curriculumWarmupSteps > steps) {
    warnings.push(
      `The curriculum takes ${curriculumWarmupSteps} steps and the run has ${steps}: ` +
        "to its end, samples with contrast are drawn more often",
    );
  }
  return warnings;
}

function rateWarnings(settings: TrainingSettings): string[] {
  const { lrScheduler: kind, warmupEpochs, warmupPerStep, restartPeriod, learningRate, maxEpochs } = settings;
  const at = (epoch: number) =>
    scheduledRate({ kind, warmupEpochs, restartPeriod: restartPeriod ?? undefined }, learningRate, epoch, maxEpochs);
  const hasWarmup = kind === "cosine_warmup" || kind === "cosine_warmup_restart";
  // Without steps in between, an epoch has the rate of its beginning.
  if (hasWarmup && (warmupPerStep ? warmupEpochs > maxEpochs : warmupEpochs >= maxEpochs)) {
    const last = rate(at(warmupPerStep ? maxEpochs : maxEpochs - 1));
    return [
      `The warm-up takes ${warmupEpochs} epochs and the run has ${maxEpochs}: ` +
        `the learning rate ends at ${last} and never reaches ${rate(learningRate)}`,
    ];
  }
  const last = rate(at(maxEpochs - 1));
  const left = maxEpochs - warmupEpochs;
  if (kind === "cosine_warmup_restart" && restartPeriod !== null && restartPeriod > left) {
    return [
      `A cycle of the schedule takes ${restartPeriod} epochs and the run has ${left} after its warm-up: ` +
        `the learning rate ends at ${last}, before it has come down`,
    ];
  }
  if (kind === "step" && maxEpochs <= STEP_EPOCHS) {
    return [
      `The schedule halves the learning rate after ${STEP_EPOCHS} epochs and the run has ${maxEpochs}: ` +
        `it ends at ${last}, where it began`,
    ];
  }
  return [];
}

/** Rates are shown, not computed with. */
function rate(value: number): string {
  return String(Number(value.toPrecision(3)));
}
