/**
 * @file Which metric decides what is kept and when a run stops early (training specification, sections 4, 17.1 and 17.2).
 */

import { didYouMean, UserError } from "../errors.ts";
import { subjectOf } from "./naming.ts";

export const DEFAULT_MONITOR = "val_bps_overall";

export const MONITOR_MODES = ["min", "max"] as const;
/** Whether a metric is to be small or large. */
export type MonitorMode = (typeof MONITOR_MODES)[number];

/** A metric by its tracker key, and its better direction. */
export interface Monitor {
  metric: string;
  mode: MonitorMode;
}

/** The monitor of a run. Where nothing is said, losses are to be small and scores large. */
export function monitorOf({
  monitor = DEFAULT_MONITOR,
  monitorMode,
}: {
  monitor?: string;
  monitorMode?: MonitorMode | null;
} = {}): Monitor {
  return { metric: monitor, mode: monitorMode ?? (/loss/.test(monitor.split("/")[0]!) ? "min" : "max") };
}

/**
 * A value on a scale on which more is better; what is not a number lies below everything.
 *
 * @param value null for what was not a number
 */
export function rankOf(value: number | null, mode: MonitorMode): number {
  if (value === null || Number.isNaN(value)) return Number.NEGATIVE_INFINITY;
  return mode === "max" ? value : -value;
}

/**
 * Checks that a metric is one that every epoch has.
 *
 * @param validated names of the sessions with validation samples
 * @throws UserError that lists the metrics
 */
export function checkMonitor(metric: string, validated: readonly string[]): void {
  const parts = [...new Set([...validated.map(subjectOf), ...validated])];
  const overall = [DEFAULT_MONITOR, ...(validated.length > 0 ? ["val_loss"] : []), "train_loss_epoch"];
  const perPart = ["val_bps", "val_loss"].flatMap((key) => parts.map((part) => `${key}/${part}`));
  if (overall.includes(metric) || perPart.includes(metric)) return;
  const similar = didYouMean(metric, [...overall, ...perPart]);
  throw new UserError(
    `Cannot monitor "${metric}": there is no such metric after every epoch. There are ${[...overall, ...perPart].join(", ")}`,
    { hint: similar === undefined ? "Choose one of these: --monitor." : `Did you mean "${similar}"?` },
  );
}
