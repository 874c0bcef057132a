/**
 * @file Metrics of a validation under the names trackers know (training specification, sections 9 and 18).
 */

import type { ScoreSum } from "./bits-per-spike.ts";
import { subjectOf } from "./naming.ts";

/** Loss of the samples of one session in one batch. */
export interface GroupLoss {
  session: string;
  loss: number;
  samples: number;
}

/** What a validation measured. */
export interface ValidationResult {
  /** Of every process, process 0 first. */
  losses: readonly (readonly GroupLoss[])[];
  /** Of every session, over all processes. */
  scores: readonly ({ session: string } & ScoreSum)[];
}

/**
 * `val_loss`, `val_bps_overall`, and both per session and per subject.
 *
 * Losses that are not finite count nowhere. `val_loss` is the mean over processes of their mean group loss; losses per
 * session (weighted by samples) and per subject are those of process 0. Sessions weigh the same in `val_bps_overall`, which
 * is 0 when there is nothing to score.
 */
export function validationMetrics({ losses, scores }: ValidationResult): Record<string, number> {
  const metrics: Record<string, number> = {};
  const finite = losses.map((groups) => groups.filter(({ loss }) => Number.isFinite(loss)));
  const processMeans = finite
    .filter((groups) => groups.length > 0)
    .map((groups) => mean(groups.map(({ loss }) => loss)));
  if (processMeans.length > 0) metrics.val_loss = mean(processMeans);

  const own = finite[0] ?? [];
  for (const [session, groups] of grouped(own, ({ session }) => session)) {
    const samples = groups.reduce((sum, group) => sum + group.samples, 0);
    metrics[`val_loss/${session}`] = groups.reduce((sum, { loss, samples: n }) => sum + loss * n, 0) / samples;
  }
  for (const [subject, groups] of grouped(own, ({ session }) => subjectOf(session))) {
    metrics[`val_loss/${subject}`] = mean(groups.map(({ loss }) => loss));
  }

  const scored = scores
    .filter(({ count }) => count > 0)
    .map(({ session, sum, count }) => ({ session, score: sum / count }));
  for (const { session, score } of scored) metrics[`val_bps/${session}`] = score;
  for (const [subject, sessions] of grouped(scored, ({ session }) => subjectOf(session))) {
    metrics[`val_bps/${subject}`] = mean(sessions.map(({ score }) => score));
  }
  metrics.val_bps_overall = scored.length > 0 ? Math.max(0, mean(scored.map(({ score }) => score))) : 0;
  return metrics;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
