/**
 * @file What the trainer tells trackers (training specification, section 18). Trackers themselves live in `tracking/`.
 */

/** A run as trackers see it. */
export interface TrackedRun {
  /** Name of the experiment. */
  name: string;
  /** Folder of the run's files. */
  directory: string;
  /** The complete configuration: model, sessions and all settings. */
  config: Record<string, unknown>;
  /** Optimiser steps completed before this process started; above 0 when a run is resumed. */
  globalStep: number;
}

/**
 * Values by key. Every record has `trainer/global_step`, the number of optimiser steps completed minus 1; all but those of
 * learning rates have `epoch`.
 */
export type MetricRecord = Record<string, number>;

/** Where metrics go. */
export interface Tracker {
  start(run: TrackedRun): void | Promise<void>;
  log(record: MetricRecord): void;
  finish(outcome: "finished" | "interrupted" | "failed"): void | Promise<void>;
}
