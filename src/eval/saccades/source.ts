/**
 * @file Where a session's saccades come from: its list, or else its eye traces (evaluation specification, section 9.1).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Recording } from "../../data/recording.ts";
import { UserError } from "../../errors.ts";
import { median } from "../statistics/quantiles.ts";
import { detectSaccades } from "./detect.ts";
import type { EyeTrace } from "./eye-speed.ts";
import type { Saccade } from "./saccade.ts";

/** The saccades of a session in the order of their start, and where they are from. */
export interface SaccadeList {
  saccades: Saccade[];
  origin: "file" | "detector" | "none";
  /** Why there is none; null when there are some. */
  reason: string | null;
}

/** The list of saccades below a session's folder. */
export function saccadePath(sessionFolder: string): string {
  return join(sessionFolder, "saccades", "saccades.json");
}

/**
 * The saccades of a session: those of `saccades/saccades.json`, else those found in the eye traces of its recordings.
 *
 * @param recordings with `eyepos` (degrees), `t_bins` (seconds) and, if tracking was not always valid, `dpi_valid`; best at
 *   the rate they were recorded at. Those without gaze or times are passed over.
 * @throws UserError when the file is there and cannot be used
 */
export function loadSaccades(sessionFolder: string, recordings: readonly Recording[] = []): SaccadeList {
  const path = saccadePath(sessionFolder);
  if (existsSync(path)) {
    const saccades = readSaccades(path);
    return { saccades, origin: "file", reason: saccades.length === 0 ? `"${path}" lists no saccade` : null };
  }
  const trace = eyeTraceOf(recordings);
  if (trace === undefined) {
    return { saccades: [], origin: "none", reason: `there is no "${path}", and no recording with eyepos and t_bins` };
  }
  const saccades = detectSaccades(trace);
  const reason = saccades.length === 0 ? `there is no "${path}", and no saccade in the eye traces` : null;
  return { saccades, origin: "detector", reason };
}

const REQUIRED = ["start_time", "end_time", "A", "start_x", "start_y", "end_x", "end_y"] as const;
const OPTIONAL = ["mu", "sigma1", "sigma2", "b", "start_idx", "end_idx"] as const;

/**
 * Reads a list of saccades, sorted by `start_time`.
 *
 * @throws UserError when the file cannot be read, is no list, or a record lacks a number
 */
export function readSaccades(path: string): Saccade[] {
  let records: unknown;
  try {
    records = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new UserError(`Cannot read saccades from "${path}": ${(cause as Error).message}`, {
      cause,
      hint: "Expected JSON: a list of records. Remove the file to have saccades detected in the eye traces.",
    });
  }
  if (!Array.isArray(records)) {
    throw new UserError(`Cannot read saccades from "${path}": expected a list of records`);
  }
  return records.map((record, i) => parseRecord(record, i, path)).sort((a, b) => a.start_time - b.start_time);
}

function parseRecord(record: unknown, index: number, path: string): Saccade {
  const context = `Cannot read saccades from "${path}": record ${index}`;
  if (typeof record !== "object" || record === null) throw new UserError(`${context} is no object`);
  const fields = record as Record<string, unknown>;
  for (const key of REQUIRED) {
    const value = fields[key];
    if (typeof value === "number" && Number.isFinite(value)) continue;
    const found = value === undefined ? `has no ${key}` : `has ${key} = ${JSON.stringify(value)}, expected a number`;
    throw new UserError(`${context} ${found}`, { hint: `Every record needs ${REQUIRED.join(", ")}.` });
  }
  const known = [...REQUIRED, ...OPTIONAL].filter((key) => typeof fields[key] === "number");
  return Object.fromEntries(known.map((key) => [key, fields[key]])) as unknown as Saccade;
}

/** Steps in time longer than this many frames are gaps between trials. */
const GAP_FRAMES = 2.5;

/**
 * The eye traces of recordings as one, by time; undefined when there is none. Frames beside a gap count as invalid: smoothing
 * across it would make saccades of jumps that nobody saw.
 */
function eyeTraceOf(recordings: readonly Recording[]): EyeTrace | undefined {
  const traced = recordings.filter((recording) => recording.has("eyepos") && recording.has("t_bins"));
  const frames = traced.flatMap((recording) => {
    const times = recording.numbers("t_bins");
    const { data: gaze } = recording.floats("eyepos");
    const valid = recording.has("dpi_valid") ? recording.numbers("dpi_valid") : undefined;
    return Array.from(times, (time, t) => {
      return { time, x: gaze[2 * t]!, y: gaze[2 * t + 1]!, valid: valid?.[t] ?? 1 };
    });
  });
  if (frames.length < 2) return undefined;
  frames.sort((a, b) => a.time - b.time);
  const longest = GAP_FRAMES * median(frames.slice(1).map(({ time }, i) => time - frames[i]!.time));
  for (const [i, frame] of frames.entries()) {
    const before = frames[i - 1];
    if (before === undefined || frame.time - before.time <= longest) continue;
    before.valid = 0;
    frame.valid = 0;
  }
  return {
    times: Float64Array.from(frames, ({ time }) => time),
    x: Float64Array.from(frames, ({ x }) => x),
    y: Float64Array.from(frames, ({ y }) => y),
    valid: Uint8Array.from(frames, ({ valid }) => Number(valid > 0)),
  };
}
