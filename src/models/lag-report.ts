/**
 * @file Which lags a model's prediction depends on, in sentences for its user (model specification, section 3 and M-02).
 */

import type { ModelConfig } from "../config/model.ts";
import { type VisibleLags, visibleLags } from "./receptive-field.ts";

/** The lag axis of a stimulus as the data serve it. */
export interface LagAxis {
  /** Lags in frames, in the order they are served. */
  lags: readonly number[];
  /** Frames per second, Hz; undefined when nobody knows. */
  rateHz?: number | undefined;
}

export interface LagReport extends LagAxis {
  /** Lags that reach the scored output, in the order they are served. */
  seen: readonly number[];
  /** Lags that reach it through norms over all frames only. */
  viaNorms: readonly number[];
  /** What a user should know, one sentence each: the lags, and how a recurrence reads them. */
  notes: readonly string[];
  /** That the newest lags, which matter most, are not among them. */
  warnings: readonly string[];
}

/** Neurons of V1 answer this many milliseconds after a stimulus at the earliest. */
const EARLIEST_RESPONSE_MS = 30;
/** Frames per second that decide whether missing lags are worth a warning when the data's are unknown. */
const USUAL_RATE = 120;

/**
 * What to tell about a model's lags. The model must fit them, see `describeModel`.
 *
 * @returns null for models that ignore the stimulus
 */
export function lagReport(config: ModelConfig, { lags, rateHz }: LagAxis): LagReport | null {
  const visible = visibleLags(config, lags.length);
  if (visible === null) return null;
  const { seen, viaNorms } = visible;
  const at = (positions: readonly number[]) => positions.map((i) => lags[i]!);
  const ms = (frames: number) => `${Math.round((1000 * frames) / rateHz!)} ms`;
  const span = (values: readonly number[]) =>
    `${ms(Math.min(...values))} to ${ms(Math.max(...values))} at ${rateHz} Hz`;
  const time = rateHz === undefined || seen.length === 0 ? "" : ` (${span(at(seen))})`;
  const weak = viaNorms.length > 0 ? `; ${named(viaNorms, lags)} only through norms over all frames` : "";
  const notes = [`scored output sees ${named(seen, lags)} of ${lags.length}${time}${weak}`];
  if (visible.scansToOldest) {
    notes.push("the recurrence reads lags from the newest to the oldest; lag_order: oldest_first turns it round");
  }
  const warnings = [warningOf(config, visible, { lags, rateHz })].filter((text) => text !== null);
  return { lags, rateHz, seen: at(seen), viaNorms: at(viaNorms), notes, warnings };
}

function warningOf(config: ModelConfig, { seen, viaNorms }: VisibleLags, { lags, rateHz }: LagAxis): string | null {
  const newest = Math.min(...seen.map((i) => lags[i]!));
  const missed = [...lags.keys()].filter((i) => lags[i]! < newest);
  if (missed.length === 0 || (1000 * newest) / (rateHz ?? USUAL_RATE) < EARLIEST_RESPONSE_MS) return null;
  const span = rateHz === undefined ? "" : ` (${Math.round((1000 * missed.length) / rateHz)} ms)`;
  const weakly = missed.some((i) => viaNorms.includes(i)) ? " except weakly, through norms over all frames" : "";
  return (
    `the newest ${missed.length} lags${span} cannot influence the prediction${weakly}; ` +
    `V1 responds within 30 to 60 ms. ${remedy(config, lags)}`
  );
}

function remedy(config: ModelConfig, lags: readonly number[]): string {
  if (config.lag_order === "oldest_first") {
    return "The last frame of the features should come from the newest lags: look at padding, strides and chomp.";
  }
  const { seen } = visibleLags({ ...config, lag_order: "oldest_first" }, lags.length)!;
  return `Set lag_order: oldest_first in the model config before training: the model then sees ${named(seen, lags)}.`;
}

/** `lags 3-9, 11`: runs of neighbours on the axis. */
function named(positions: readonly number[], lags: readonly number[]): string {
  if (positions.length === 0) return "no lag";
  const runs: [number, number][] = [];
  for (const i of positions) {
    const last = runs.at(-1);
    if (last?.[1] === i - 1) last[1] = i;
    else runs.push([i, i]);
  }
  const texts = runs.map(([a, b]) => (a === b ? `${lags[a]}` : `${lags[a]}-${lags[b]}`));
  return `${positions.length === 1 ? "lag" : "lags"} ${texts.join(", ")}`;
}
