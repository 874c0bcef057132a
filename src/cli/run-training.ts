/**
 * @file Training with its progress on the screen, for the commands that train.
 */
import { deviceMemory } from "../torch/index.ts";
import { jsonlTracker } from "../tracking/jsonl.ts";
import { resumableCheckpoint } from "../training/checkpoint-files.ts";
import { openModelFile } from "../training/model-file.ts";
import { defaultSettings, type TrainingSettings, type TrainOptions } from "../training/options.ts";
import { type TrainResult, train } from "../training/trainer.ts";
import type { ProgressLine } from "./progress.ts";
import { TrainProgress } from "./train-progress.ts";

/**
 * Trains, logs metrics to the run's folder and shows progress.
 *
 * @throws UserError like `train`
 */
export async function runTraining(options: TrainOptions, line: ProgressLine): Promise<TrainResult> {
  const { device = "cpu" } = options;
  const progress = new TrainProgress(line, {
    maxEpochs: options.maxEpochs ?? settingsBefore(options, device).maxEpochs,
    timeBudget: options.timeBudgetMinutes == null ? undefined : options.timeBudgetMinutes * 60,
    memory: () => deviceMemory(device)?.allocated ?? process.memoryUsage.rss(),
  });
  try {
    return await train({
      ...options,
      trackers: [jsonlTracker(), ...(options.trackers ?? [])],
      onStep: (event) => {
        progress.onStep(event);
        options.onStep?.(event);
      },
      onEpoch: (event) => {
        progress.onEpoch(event);
        options.onEpoch?.(event);
      },
      onEvent: (event) => progress.onEvent(event),
    });
  } finally {
    line.clear();
  }
}

/** Settings that the run has where its options say nothing. */
function settingsBefore({ resume }: TrainOptions, device: string): TrainingSettings {
  if (resume === undefined) return defaultSettings(device);
  using checkpoint = openModelFile(resumableCheckpoint(resume));
  return checkpoint.info.settings ?? defaultSettings(device);
}
