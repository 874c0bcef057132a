/**
 * @file Which epochs' checkpoints are kept, and when training stops early (training specification, sections 4 and 17.1).
 * Plain states in, plain states out, so that both are part of a checkpoint as they are.
 */

import { type Monitor, type MonitorMode, monitorOf, rankOf } from "./monitor.ts";
import { checkpointStem } from "./naming.ts";

/** An epoch whose checkpoint is on disk. */
export interface KeptCheckpoint {
  /** File name without extension. */
  stem: string;
  /** From 0. */
  epoch: number;
  /** Of the monitored metric; null when it was not a number, which ranks below everything. */
  value: number | null;
  /** Bits per spike, where another metric is monitored. */
  valBps?: number;
}

export interface Retention {
  /** In the order of saving. */
  kept: KeptCheckpoint[];
  /** What to save, or null when the epoch is not among the best. */
  saved: KeptCheckpoint | null;
  /** What to delete afterwards. */
  removed: KeptCheckpoint | null;
}

const KEPT = 3;

/**
 * Decides about an epoch: while fewer than three are kept it is saved; after that only if it is strictly better than the
 * worst of them, the oldest of those if several are, which it replaces.
 *
 * @param value of the monitored metric
 */
export function retainBest(
  kept: readonly KeptCheckpoint[],
  epoch: number,
  value: number,
  { metric, mode }: Monitor = monitorOf(),
): Retention {
  const stem = checkpointStem(epoch, value, metric);
  const candidate = { stem, epoch, value: Number.isNaN(value) ? null : value };
  if (kept.length < KEPT) return { kept: [...kept, candidate], saved: candidate, removed: null };
  const rank = ({ value: own }: KeptCheckpoint) => rankOf(own, mode);
  const worst = kept.reduce((a, b) => (rank(b) < rank(a) ? b : a));
  if (rank(candidate) <= rank(worst)) return { kept: [...kept], saved: null, removed: null };
  return { kept: [...kept.filter((other) => other !== worst), candidate], saved: candidate, removed: worst };
}

/** The best of the kept checkpoints, the oldest if several are. */
export function bestKept(kept: readonly KeptCheckpoint[], mode: MonitorMode = "max"): KeptCheckpoint | undefined {
  return kept.reduce<KeptCheckpoint | undefined>(
    (a, b) => (a === undefined || rankOf(b.value, mode) > rankOf(a.value, mode) ? b : a),
    undefined,
  );
}

/** Where early stopping stands. */
export interface EarlyStoppingState {
  /** Best value so far; null before the first. */
  best: number | null;
  /** Validations in a row without improvement. */
  stale: number;
}

export interface EarlyStoppingOptions {
  /** Validations without improvement after which training stops; absent: never. */
  patience?: number | undefined;
  /** By how much a value must be better than the best to count as an improvement. */
  minDelta?: number;
  mode?: MonitorMode;
}

/** The state after one more validation, and whether to stop. A value that is not finite stops at once. */
export function advanceEarlyStopping(
  { best, stale }: EarlyStoppingState,
  value: number,
  { patience, minDelta = 0, mode = "max" }: EarlyStoppingOptions,
): { state: EarlyStoppingState; stop: boolean } {
  if (patience === undefined) return { state: { best, stale }, stop: false };
  if (!Number.isFinite(value)) return { state: { best, stale }, stop: true };
  const isBetter = best === null || rankOf(value, mode) - minDelta > rankOf(best, mode);
  if (isBetter) return { state: { best: value, stale: 0 }, stop: false };
  return { state: { best, stale: stale + 1 }, stop: stale + 1 >= patience };
}
