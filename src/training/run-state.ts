/**
 * @file What a run counts, as plain data: with weights, moments and random states it is all that a resumed run needs to go
 * on exactly where it was.
 */

import type { EarlyStoppingState, KeptCheckpoint } from "./retention.ts";
import type { PlateauState } from "./schedules.ts";

export interface RunState {
  /** Epoch of the next batch, from 0. */
  epoch: number;
  /** Batches done in it. All of them when only its validation is missing. */
  batch: number;
  /** Optimiser steps completed. */
  globalStep: number;
  /** Epochs the run will have: `maxEpochs`, or what fits into the time budget. */
  plannedEpochs: number;
  plateau: PlateauState;
  earlyStopping: EarlyStoppingState;
  stoppedEarly: boolean;
  kept: KeptCheckpoint[];
  /** Sums of the epoch's training metrics. */
  means: WeightedSums;
  /** Last loss of every session, by tracker key. */
  latestLosses: Record<string, number>;
  /** Sessions whose loss was dropped since the last record. */
  dropped: string[];
  /** Of the last completed epoch, by tracker key; finite values only, as JSON has no others. */
  metrics: Record<string, number>;
  /** Group losses that were not finite, in the whole run. */
  droppedLosses: number;
  /** Updates left out because a gradient was not finite, in the whole run. */
  skippedUpdates: number;
  /** Wall-clock time of the run over all its processes. */
  secondsSpent: number;
}

export function freshRunState(maxEpochs: number): RunState {
  return {
    epoch: 0,
    batch: 0,
    globalStep: 0,
    plannedEpochs: maxEpochs,
    plateau: { factor: 1, best: null, stale: 0 },
    earlyStopping: { best: null, stale: 0 },
    stoppedEarly: false,
    kept: [],
    means: {},
    latestLosses: {},
    dropped: [],
    metrics: {},
    droppedLosses: 0,
    skippedUpdates: 0,
    secondsSpent: 0,
  };
}

/** Weighted sums by key. */
export type WeightedSums = Record<string, { sum: number; weight: number }>;

export function addWeighted(sums: WeightedSums, key: string, value: number, weight: number): void {
  sums[key] ??= { sum: 0, weight: 0 };
  sums[key].sum += value * weight;
  sums[key].weight += weight;
}

/** Weighted means by key. */
export function weightedMeans(sums: WeightedSums): Record<string, number> {
  return Object.fromEntries(Object.entries(sums).map(([key, { sum, weight }]) => [key, sum / weight]));
}
