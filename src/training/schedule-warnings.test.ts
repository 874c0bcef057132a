import { describe, expect, test } from "vitest";
import { defaultSettings, type TrainingSettings } from "./options.ts";
import { scheduleWarnings } from "./schedule-warnings.ts";

function warnings(settings: Partial<TrainingSettings>, steps = 1000): string[] {
  return scheduleWarnings({ ...defaultSettings("cpu"), learningRate: 1e-3, maxEpochs: 10, ...settings }, steps);
}

describe("scheduleWarnings()", () => {
  test.each<[Partial<TrainingSettings>, string]>([
    [
      { lrScheduler: "cosine_warmup", warmupEpochs: 10 },
      "The warm-up takes 10 epochs and the run has 10: the learning rate ends at 0.0009 and never reaches 0.001",
    ],
    [
      { lrScheduler: "cosine_warmup_restart", warmupEpochs: 20, warmupPerStep: true },
      "The warm-up takes 20 epochs and the run has 10: the learning rate ends at 0.0005 and never reaches 0.001",
    ],
    [
      { lrScheduler: "cosine_warmup_restart", warmupEpochs: 2, restartPeriod: 14 },
      "A cycle of the schedule takes 14 epochs and the run has 8 after its warm-up: the learning rate ends at 0.0005, " +
        "before it has come down",
    ],
    [
      { lrScheduler: "step" },
      "The schedule halves the learning rate after 30 epochs and the run has 10: it ends at 0.001, where it began",
    ],
    [
      { optimizer: "schedule_free", optimizerWarmupSteps: 4000 },
      "The warm-up of schedule_free takes 4000 steps and the run has 1000: the learning rate ends at 0.00025 and never " +
        "reaches 0.001",
    ],
    [
      { enableCurriculum: true },
      "The curriculum takes 8000 steps and the run has 1000: to its end, samples with contrast are drawn more often",
    ],
  ])("says what is reached: %j", (settings, warning) => {
    expect(warnings(settings)).toEqual([warning]);
  });

  test.each<Partial<TrainingSettings>>([
    {},
    { lrScheduler: "cosine" },
    { lrScheduler: "cosine_warmup", warmupEpochs: 9 },
    { lrScheduler: "cosine_warmup", warmupEpochs: 10, warmupPerStep: true },
    { lrScheduler: "cosine_warmup_restart", warmupEpochs: 2, restartPeriod: 8 },
    { lrScheduler: "step", maxEpochs: 31 },
    { enableCurriculum: true, curriculumWarmupSteps: 1000 },
    { optimizer: "schedule_free", optimizerWarmupSteps: 1000 },
  ])("is silent about what fits: %j", (settings) => {
    expect(warnings(settings)).toEqual([]);
  });
});
