/**
 * @file What a recording holds, for `visioncore inspect recording`.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import type { Recording } from "../data/recording.ts";
import { type Verification, verifyDigests } from "../data/recording-digests.ts";
import { openRecording } from "../data/recording-files.ts";
import { distinctTrials } from "../data/split.ts";
import { UserError } from "../errors.ts";
import { toFloat64 } from "../formats/array.ts";
import { rowChunks } from "./convert/row-chunks.ts";
import { formatTable } from "./terminal.ts";

/** A recording in numbers. */
export interface RecordingSummary {
  readonly path: string;
  readonly type: string;
  readonly frames: number;
  readonly columns: readonly { key: string; dtype: string; shape: readonly number[] }[];
  /** Distinct trial numbers; null without `trial_inds`. */
  readonly trials: number | null;
  /** Median step of `t_bins` as a rate, Hz; null without `t_bins`. */
  readonly rateHz: number | null;
  /** Per unit: spikes, and spikes per frame; null without `robs`. */
  readonly units: readonly { unit: number; spikes: number; perFrame: number }[] | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What the bytes were compared with; null when that was not asked for. */
  readonly verified: Verification | null;
}

const EXTENSIONS = [".dset", ".safetensors", ".json"];

/**
 * Summaries of the recording in a file (`.dset`, `.safetensors` or its `.json`), or of all recordings right in a folder.
 *
 * @param options `verify`: read everything and compare it with the digests the files state
 * @throws UserError when there is no recording, or one cannot be read or is damaged
 */
export function inspectRecordings(
  path: string,
  { verify = false }: { verify?: boolean | undefined } = {},
): RecordingSummary[] {
  if (!existsSync(path)) throw new UserError(`Cannot inspect "${path}": there is no such file or folder`);
  if (!statSync(path).isDirectory()) return [summarize(path, dirname(path), basename(path, extname(path)), verify)];
  const names = readdirSync(path).filter((name) => [".dset", ".safetensors"].includes(extname(name)));
  const types = [...new Set(names.map((name) => basename(name, extname(name))))].sort();
  if (types.length === 0) {
    throw new UserError(`Cannot inspect "${path}": no .dset or .safetensors file lies in it`, {
      hint: "Name the folder of one session, or a recording's file.",
    });
  }
  return types.map((type) => summarize(path, path, type, verify));
}

function summarize(path: string, folder: string, type: string, verify: boolean): RecordingSummary {
  const recording = EXTENSIONS.includes(extname(path)) || folder === path ? openRecording(folder, type) : null;
  if (recording === null) {
    throw new UserError(`Cannot inspect "${path}": it is not a recording`, {
      hint: `Recordings are .dset files, or .safetensors files with a .json beside them.`,
    });
  }
  return {
    path: join(folder, type),
    type,
    frames: recording.length,
    columns: recording.keys().map((key) => {
      const { dtype, shape } = recording.column(key);
      return { key, dtype, shape };
    }),
    trials: recording.has("trial_inds") ? distinctTrials(recording.numbers("trial_inds")).length : null,
    rateHz: recording.has("t_bins") ? medianRate(recording.numbers("t_bins")) : null,
    units: recording.has("robs") ? unitCounts(recording) : null,
    metadata: recording.metadata,
    verified: verify ? verifyDigests(folder, type) : null,
  };
}

function medianRate(times: Float64Array): number | null {
  const steps = times
    .subarray(1)
    .map((time, i) => time - times[i]!)
    .sort();
  const median = steps[Math.floor(steps.length / 2)];
  // Rounded to a millionth: times in seconds since the experiment's start carry no more.
  return median === undefined || !(median > 0) ? null : Number((1 / median).toPrecision(6));
}

function unitCounts(recording: Recording): RecordingSummary["units"] {
  const robs = recording.column("robs");
  const units = robs.shape.slice(1).reduce((product, n) => product * n, 1);
  const spikes = new Float64Array(units);
  for (const { rows } of rowChunks(robs)) {
    const values = toFloat64(rows);
    for (let i = 0; i < values.length; i++) spikes[i % units]! += values[i]!;
  }
  return Array.from(spikes, (count, unit) => ({ unit, spikes: count, perFrame: count / recording.length }));
}

/** A summary as text for a terminal. */
export function formatRecording(summary: RecordingSummary): string {
  const { path, frames, columns, trials, rateHz, units, verified } = summary;
  const facts = [
    `${frames} frames`,
    ...(rateHz === null ? [] : [`${rateHz} Hz`, `${(frames / rateHz).toFixed(1)} s`]),
    ...(trials === null ? [] : [`${trials} trials`]),
    ...(units === null ? [] : [`${units.length} units`]),
  ];
  const table = formatTable(
    ["key", "type", "shape"],
    columns.map(({ key, dtype, shape }) => [key, dtype, `[${shape.join(", ")}]`]),
    3,
  );
  const lines = [`${path}: ${facts.join(", ")}`, table];
  if (units !== null && units.length > 0) lines.push(unitLine(units, rateHz));
  if (verified !== null) lines.push(VERIFIED[verified]);
  return lines.join("\n");
}

const VERIFIED: Readonly<Record<Verification, string>> = {
  sha256: "every column has the SHA-256 that the .json states",
  crc32: "every tensor has the checksum that the file states",
  none: "nothing to compare with: the files state no digests",
};

function unitLine(units: NonNullable<RecordingSummary["units"]>, rateHz: number | null): string {
  const sorted = units.map(({ perFrame }) => perFrame).sort((a, b) => a - b);
  const say = (perFrame: number) =>
    rateHz === null ? `${perFrame.toPrecision(3)}/frame` : `${(perFrame * rateHz).toFixed(1)} Hz`;
  const silent = units.filter(({ spikes }) => spikes === 0).map(({ unit }) => unit);
  const range = `rates ${say(sorted[0]!)} to ${say(sorted.at(-1)!)}, median ${say(sorted[sorted.length >> 1]!)}`;
  return silent.length === 0 ? range : `${range}; silent: unit ${silent.join(", ")}`;
}
