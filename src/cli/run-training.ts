/**
 * @file Training with its progress on the screen, for the commands that train.
 */
import { deviceMemory } from "../torch/index.ts";
import { makeTrackers, type TrackingOptions } from "../tracking/trackers.ts";
import { resumableCheckpoint } from "../training/checkpoint-files.ts";
import { openModelFile } from "../training/model-file.ts";
import { defaultSettings, type TrainingSettings, type TrainOptions } from "../training/options.ts";
import { type TrainResult, train } from "../training/trainer.ts";
import type { ProgressLine } from "./progress.ts";
import { note } from "./terminal.ts";
import { TrainProgress } from "./train-progress.ts";

/**
 * Trains, logs metrics to the run's folder and where `tracking` says, and shows progress.
 *
 * @throws UserError like `train`, and for trackers that cannot start
 */
export async function runTraining(
  options: TrainOptions,
  line: ProgressLine,
  tracking: TrackingOptions = {},
): Promise<TrainResult> {
  const { device = "cpu", processGroup } = options;
  if (processGroup !== undefined && processGroup.rank > 0) return followTraining(options);
  const progress = new TrainProgress(line, {
    maxEpochs: options.maxEpochs ?? settingsBefore(options, device).maxEpochs,
    timeBudget: options.timeBudgetMinutes == null ? undefined : options.timeBudgetMinutes * 60,
    memory: () => deviceMemory(device)?.allocated ?? process.memoryUsage.rss(),
  });
  try {
    return await train({
      ...options,
      trackers: [...makeTrackers(tracking, (event) => progress.onEvent(event)), ...(options.trackers ?? [])],
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

/** The part of a process that does not lead: rank 0 shows and logs what all of them do. */
function followTraining(options: TrainOptions): Promise<TrainResult> {
  return train({ ...options, onEvent: ({ type, message }) => type === "warning" && note(`warning: ${message}`) });
}

/** Settings that the run has where its options say nothing. */
function settingsBefore({ resume }: TrainOptions, device: string): TrainingSettings {
  return (resume === undefined ? null : settingsOfCheckpoint(resume)) ?? defaultSettings(device);
}

/** Settings stored in a checkpoint, or in the last one of a run's folder; null where there are none. */
export function settingsOfCheckpoint(path: string): TrainingSettings | null {
  using checkpoint = openModelFile(resumableCheckpoint(path));
  return checkpoint.info.settings;
}
