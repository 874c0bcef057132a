/**
 * @file Configuration of one recording session: schema, shorthands, and the way from merged YAML to typed values.
 *
 * Follows the data specification, section 2.4, with keys of our own: `data_dir`, `split_by`, `split_blocks`, `val_trials`,
 * `strict_validity`, `trial_aware`, `transform_per_trial`, `strict_data` and `accept`. Keys of ours that are absent give the
 * reference's behaviour.
 */

import { z } from "zod";
import { problem } from "./checks.ts";
import type { ConfigPath } from "./config-error.ts";
import { isMapping } from "./mapping.ts";
import { normalizeSection } from "./normalize.ts";
import { DatafilterOpSchema, normalizeOp, TransformOpSchema } from "./ops.ts";
import { AdapterSchema, ReadoutSchema } from "./sections.ts";
import { count, fraction, positive, positiveCount, whole } from "./shapes.ts";
import { type ConfigSource, plainSource } from "./source.ts";
import { validate } from "./validate.ts";

// A name such as "1" would be sorted before all others by JavaScript, and order matters here.
const entryName = z.string().regex(/\D/, "a name that is not just digits");

const LagSpecSchema = z.union([whole, z.array(whole).min(1)]).meta({
  id: "Lags",
  description: "Lags in frames, positive into the past: one number for one frame, a list for a lag axis in list order.",
});

const entryShape = {
  expose_as: z.string().min(1).optional().describe("Key the result is stored under. Absent: the entry's name."),
  keys_lags: LagSpecSchema.optional().describe("Written into keys_lags under the exposed name."),
};

const TransformSchema = z.strictObject({
  source: z.string().min(1).optional().describe("Key of the recording to read. Absent: the entry's name."),
  ops: z.array(TransformOpSchema).default([]).describe("Operations in order."),
  ...entryShape,
  concatenate: z
    .boolean()
    .default(false)
    .describe("Join with the other entries of the same exposed name along the last axis, in file order."),
});

const DatafilterSchema = z.strictObject({
  ops: z.array(DatafilterOpSchema).default([]).describe("Operations in order, combined with AND."),
  ...entryShape,
});

const SamplingSchema = z
  // Not strict: the reference keeps further keys here, and configurations in use have some.
  .object({
    source_rate: positive.describe("Frames per second of the recordings."),
    target_rate: positive.describe("Frames per second to train at; must divide source_rate."),
  })
  .check(({ value, issues }) => {
    const factor = value.source_rate / value.target_rate;
    if (Number.isInteger(factor)) return;
    const message = `expected a rate that divides source_rate ${value.source_rate}, found ${value.target_rate}`;
    issues.push(problem(value, ["target_rate"], message));
  });

/** What preparation may find doubtful about data: accepted as the reference does, or errors with `strict_data`. */
export const DOUBTS = [
  "straddling_bins",
  "half_valid_bins",
  "lags_beyond_filter",
  "future",
  "crosses_trials",
  "time_base",
  "rate_mismatch",
  "time_gaps",
  "truncated_units",
  "unknown_quality",
  "masked_units",
] as const;

const unitList = z.array(whole).optional().describe("Bookkeeping of unit selection; not read.");
const threshold = z.number().optional().describe("Bookkeeping of unit selection; not read.");

/** Keys that a parent and a session file may hold. */
export const sessionShape = {
  session: z.string().min(1).describe("Subject and date, as in Allen_2022-02-16. Absent: the file's name."),
  lab: z.enum(["yates", "rowley"]).default("yates").describe("Selects how a session's folder is opened."),
  eye: z.enum(["right", "left"]).default("right").describe("rowley only: the recordings of which eye."),
  directory: z.string().optional().describe("Accepted and ignored."),
  data_dir: z
    .string()
    .min(1)
    .optional()
    .describe("Folder with <session>/<type>.dset or .safetensors, relative to the parent file."),
  types: z
    .array(z.string().min(1))
    .min(1)
    .describe("Stimulus types to load, in order: backimage, gaborium, gratings, fixrsvp, or names of your own."),
  cids: z.array(count).min(1).describe("Units to keep, in this order."),
  sampling: SamplingSchema.nullable().default(null).describe("Down-sampling; null for none."),
  keys_lags: z
    .record(entryName, LagSpecSchema)
    .describe("What a sample holds: key of the recording, and its lags in frames."),
  transforms: z.record(entryName, TransformSchema).default({}).describe("Derived keys, computed in file order."),
  datafilters: z.record(entryName, DatafilterSchema).default({}).describe("Validity masks, computed in file order."),
  n_lags: count
    .optional()
    .describe("Frames of history a frame needs when no datafilter says so. Absent: the largest lag."),
  train_val_split: fraction.describe("Share of the trials that train."),
  seed: whole.default(1002).describe("Seed of the split."),
  split_by: z
    .enum(["trial", "time", "block"])
    .default("trial")
    .describe(
      "trial: a random permutation of the trials is cut. time: the first trials train, the last validate. " +
        "block: the same random share of every stretch of trials trains.",
    ),
  split_blocks: positiveCount.default(10).describe("split_by: block only: number of stretches."),
  val_trials: z
    .array(z.number())
    .min(1)
    .optional()
    .describe("Numbers of the trials that validate, instead of a split."),
  strict_validity: z
    .boolean()
    .default(false)
    .describe("When down-sampling, a frame is valid only if every source frame is."),
  trial_aware: z.boolean().default(false).describe("When down-sampling, start anew at every trial."),
  transform_per_trial: z
    .boolean()
    .default(false)
    .describe("Transforms that look at other frames (diff, smooth, temporal_basis, …) stop at the ends of trials."),
  strict_data: z.boolean().default(false).describe("What is doubtful about the data is an error."),
  accept: z.array(z.enum(DOUBTS)).default([]).describe("Doubts about the data that are known and taken as they are."),
  adapter: AdapterSchema.optional().describe("Replaces the model's adapter for this session."),
  readout: ReadoutSchema.optional().describe("Replaces the model's readout for this session."),
  visual: unitList,
  qcmissing: unitList,
  qccontam: unitList,
  cidsqc: unitList,
  cids_qc: unitList,
  snr: threshold,
  missingth: threshold,
  contamth: threshold,
};

/** A session's configuration after merging. */
export const SessionSchema = z.strictObject(sessionShape).check(({ value, issues }) => {
  if (value.split_by !== "trial" && value.val_trials !== undefined) {
    issues.push(
      problem(value, ["val_trials"], `val_trials replaces the split: remove it or split_by: ${value.split_by}`),
    );
  }
  for (const key of ["types", "cids", "val_trials", "accept"] as const) {
    const entries: readonly (string | number)[] = value[key] ?? [];
    const again = entries.findIndex((entry, index) => entries.indexOf(entry) !== index);
    if (again === -1) continue;
    issues.push(problem(value, [key, again], `${JSON.stringify(entries[again])} is listed twice`));
  }
});

type ParsedSession = z.infer<typeof SessionSchema>;

/** The name of a doubt, for `accept`. */
export type DoubtName = (typeof DOUBTS)[number];
/** Lags in frames: one for a single frame, a list for a lag axis. Positive is past. */
export type LagSpec = z.infer<typeof LagSpecSchema>;
/** A transform; entries of `ops` are read with `transformOps`. */
export type TransformConfig = Omit<z.infer<typeof TransformSchema>, "source" | "expose_as" | "keys_lags"> & {
  source: string;
  expose_as: string;
};
/** A datafilter; entries of `ops` are read with `datafilterOps`. */
export type DatafilterConfig = Omit<z.infer<typeof DatafilterSchema>, "expose_as" | "keys_lags"> & {
  expose_as: string;
};

/** Everything about one session, with all defaults filled in. */
export type SessionConfig = Omit<ParsedSession, "transforms" | "datafilters" | "n_lags"> & {
  /** Name → transform, in the order they run. */
  transforms: Record<string, TransformConfig>;
  /** Name → datafilter, in the order they run. */
  datafilters: Record<string, DatafilterConfig>;
  n_lags: number;
  /** File the session came from, and the parent that names it; empty for sessions without files. */
  _config_path: string;
  _parent_config_path: string;
};

/** Keys that merging adds for provenance; `_weight` is the reference's and read by nobody. */
const PROVENANCE_KEYS: ReadonlySet<string> = new Set(["_weight", "_config_path", "_parent_config_path"]);

/**
 * Typed configuration of one session with all defaults filled in. `merged` is left alone, and parsing a result again
 * gives an equal result, so that checkpoints may store either.
 *
 * @param merged The parent's keys with the session's merged in, see `loadRawDatasetConfigs`.
 * @param source Where the values were written; without it, messages name keys but no lines.
 * @param warn Told about spellings and keys that are accepted but should not be relied on.
 * @throws ConfigError with every problem.
 */
export function parseSessionConfig(
  merged: Readonly<Record<string, unknown>>,
  source: ConfigSource = plainSource("session config", merged),
  warn: (message: string) => void = () => {},
): SessionConfig {
  const written = Object.fromEntries(Object.entries(merged).filter(([key]) => !PROVENANCE_KEYS.has(key)));
  const normalized = normalizeSession(written, (path, message) => {
    const at = source.locate(path, "key");
    warn(`${at === undefined ? source.file : `${at.file}:${at.line}:${at.column}`} ${path.join(".")}: ${message}`);
  });
  const { transforms, datafilters, n_lags, ...config } = validate(SessionSchema, normalized, source);

  const keys_lags = { ...config.keys_lags };
  const expose = <Entry extends { expose_as?: string | undefined; keys_lags?: LagSpec | undefined }>(
    name: string,
    { keys_lags: lags, ...entry }: Entry,
  ) => {
    const expose_as = entry.expose_as ?? name;
    if (lags !== undefined) keys_lags[expose_as] = lags;
    return { ...entry, expose_as };
  };
  const resolved = {
    transforms: mapEntries(transforms, (name, entry) => ({ ...expose(name, entry), source: entry.source ?? name })),
    datafilters: mapEntries(datafilters, expose),
  };
  return {
    ...config,
    keys_lags,
    ...resolved,
    n_lags: n_lags ?? Math.max(0, ...Object.values(keys_lags).flat()),
    _config_path: String(merged._config_path ?? ""),
    _parent_config_path: String(merged._parent_config_path ?? ""),
  };
}

/**
 * A copy of a merged configuration in canonical spelling: shorthands of operations spelt out (see `normalizeOp`), a lag
 * of `null` as 0, `lab` in lower case, empty `sampling`, `transforms` and `datafilters` as absent. Anything unexpected
 * passes unchanged and is left to validation.
 */
function normalizeSession(
  written: Readonly<Record<string, unknown>>,
  warn: (path: ConfigPath, message: string) => void,
): Record<string, unknown> {
  const config: Record<string, unknown> = structuredClone(written);
  if (typeof config.lab === "string") config.lab = config.lab.toLowerCase();
  if (isMapping(config.sampling)) {
    const known = Object.keys(SamplingSchema.def.shape);
    const unused = Object.keys(config.sampling).filter((key) => !known.includes(key));
    for (const key of unused) warn(["sampling", key], `not read; sampling has ${known.join(" and ")}`);
    if (Object.keys(config.sampling).length === 0) config.sampling = null;
  }
  if (isMapping(config.keys_lags)) {
    config.keys_lags = mapEntries(config.keys_lags, (_, lags) => lags ?? 0);
  }
  for (const section of ["transforms", "datafilters"]) {
    config[section] ??= {};
    const entries = config[section];
    if (!isMapping(entries)) continue;
    for (const [name, entry] of Object.entries(entries)) {
      if (!isMapping(entry)) continue;
      if (entry.keys_lags === null) entry.keys_lags = 0;
      if (!Array.isArray(entry.ops)) continue;
      entry.ops = entry.ops.map((op, index) =>
        normalizeOp(op, (path, message) => warn([section, name, "ops", index, ...path], message)),
      );
    }
  }
  for (const section of ["adapter", "readout"]) {
    if (section in config) config[section] = normalizeSection(config[section]);
  }
  return config;
}

function mapEntries<Value, Result>(
  mapping: Readonly<Record<string, Value>>,
  change: (name: string, value: Value) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(mapping).map(([name, value]) => [name, change(name, value)]));
}
