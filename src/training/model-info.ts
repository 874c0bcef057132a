/**
 * @file What a model file says about itself: everything it takes to use a twin without configurations and without its data
 * (architecture, section 7).
 */

import { createHash } from "node:crypto";
import { z } from "zod";
import { ConfigError } from "../config/config-error.ts";
import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import { parseSessionConfig, type SessionConfig } from "../config/session.ts";
import { plainSource } from "../config/source.ts";
import { validate } from "../config/validate.ts";
import { UserError } from "../errors.ts";
import type { InputShape } from "../models/shapes.ts";
import type { TrainingSettings } from "./options.ts";
import { damagedDescription } from "./tensor-file.ts";

/** A session of a twin: its units, and how its recordings become the twin's input. What is not known is null. */
export interface ModelSession {
  /** `<subject>_<date>`, or whatever the session is called. */
  name: string;
  subject: string | null;
  /** `YYYY-MM-DD` */
  date: string | null;
  nUnits: number;
  /** The units' numbers in the recordings, in the order of the readout. */
  cids: number[] | null;
  /** From recordings to samples, all defaults filled in: rate, filters, transforms, lags, split. */
  config: SessionConfig | null;
  /** Stimuli as they are stored after their transforms. */
  stimulus: StoredStimulus | null;
  /** Frames per second that the twin sees. */
  frameRate: number | null;
  /** Behaviour values per frame, 0 when none are served. */
  behaviorDim: number | null;
  /** Fingerprint of the training data, see `dataDigest`. */
  data: string | null;
}

/** Stimuli of a session in memory. */
export interface StoredStimulus {
  /** Of a stored pixel. */
  dtype: "uint8" | "float32";
  channels: number;
  height: number;
  width: number;
  /** Whether the twin sees a uint8 pixel x as (x − 127) / 255; otherwise as it is. */
  pixelnorm: boolean;
}

/** Where a model that was not trained here comes from. */
export interface ImportedFrom {
  /** Name of the file it was read from. */
  file: string;
  /** What kind of file that was. */
  format: string;
  /** What else the file said: its hyper-parameters, for example. */
  [detail: string]: unknown;
}

/** What a model file says about itself. */
export interface ModelInfo {
  /** All defaults filled in. */
  model_config: ModelConfig;
  /** Lags and pixels of the stimuli; null for models that see behaviour only, and where it is not known. */
  input: InputShape | null;
  sessions: ModelSession[];
  /** Of the last batch, from 0; null when not known. */
  epoch: number | null;
  /** Optimiser steps so far; null when not known. */
  global_step: number | null;
  /** Of the last validation, finite values only. */
  metrics: Record<string, number>;
  /** Of the training run; null for models that were trained elsewhere. */
  settings: TrainingSettings | null;
  imported: ImportedFrom | null;
}

/** SHA-256, in hexadecimal. */
export interface ModelHashes {
  /** Of names, element types, shapes and elements of all tensors. */
  parameters: string;
  model_config: string;
  /** Of all that is said about the sessions. */
  sessions: string;
}

/** A description with what saving added. */
export interface StoredInfo extends ModelInfo {
  /** Null in files of the first format. */
  hashes: ModelHashes | null;
  versions: Record<string, string>;
  /** ISO 8601 */
  saved_at: string;
  /** The same in the model file and the training state beside it. */
  save_id: string;
}

/** Subject and date of a session named `<subject>_<YYYY-MM-DD>`. */
export function subjectAndDate(name: string): Pick<ModelSession, "subject" | "date"> {
  const [, subject = null, date = null] = /^(.+)_(\d{4}-\d{2}-\d{2})$/.exec(name) ?? [];
  return { subject, date };
}

/** SHA-256 of a value as JSON. */
export function jsonHash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

const count = z.int().min(0);
const mapping = z.record(z.string(), z.unknown());

const SessionDescription = z.object({
  name: z.string().min(1),
  nUnits: z.int().min(1),
  cids: z.array(count).nullable(),
  config: mapping.nullable(),
  // Absent in the first format.
  subject: z.string().nullable().default(null),
  date: z.string().nullable().default(null),
  stimulus: z
    .object({
      dtype: z.enum(["uint8", "float32"]),
      channels: count,
      height: count,
      width: count,
      pixelnorm: z.boolean(),
    })
    .nullable()
    .default(null),
  frameRate: z.number().positive().nullable().default(null),
  behaviorDim: count.nullable().default(null),
  data: z.string().nullable(),
});

const Description = z.object({
  model_config: mapping,
  input: z.object({ frames: count, height: count, width: count }).nullable().default(null),
  sessions: z.array(SessionDescription).min(1),
  epoch: z.int().nullable(),
  global_step: count.nullable(),
  metrics: z.record(z.string(), z.number()),
  settings: mapping.nullable(),
  imported: z.looseObject({ file: z.string(), format: z.string() }).nullable().default(null),
  hashes: z.object({ parameters: z.string(), model_config: z.string(), sessions: z.string() }).nullable().default(null),
  versions: z.record(z.string(), z.string()).default({}),
  saved_at: z.string().default(""),
  save_id: z.string().default(""),
});

/**
 * A description as it was read from a file, checked, with what older formats lack filled in.
 *
 * @param path of the file, for messages
 * @throws UserError when something is missing, was changed after saving, or names a component this version does not have
 */
export function parseModelInfo(path: string, description: Record<string, unknown>): StoredInfo {
  const parsed = refusing(path, "its description does not fit this version", () =>
    validate(Description, description, plainSource("description", description)),
  );
  checkHashes(path, description, parsed.hashes);
  const versions = Object.entries(parsed.versions).map(([name, version]) => `${name} ${version}`);
  const writer = versions.length === 0 ? "" : ` It was saved by ${versions.join(", ")}.`;
  const model_config = refusing(
    path,
    "its model configuration does not fit this version",
    () => parseModelConfig(parsed.model_config, plainSource("model_config", parsed.model_config)),
    writer,
  );
  const sessions = parsed.sessions.map((session): ModelSession => {
    const { name, subject, date, nUnits, cids, config, ...data } = session;
    const identity = subject === null && date === null ? subjectAndDate(name) : { subject, date };
    if (cids !== null && cids.length !== nUnits) {
      throw damagedDescription(path, `session "${name}" has ${nUnits} units and ${cids.length} unit numbers`);
    }
    const what = `its configuration of session "${name}" does not fit this version`;
    const typed =
      config && refusing(path, what, () => parseSessionConfig(config, plainSource(`session ${name}`, config)), writer);
    // In the order of a new file, so that loading and saving changes no hash.
    return { name, ...identity, nUnits, cids, config: typed, ...data };
  });
  return { ...parsed, model_config, sessions, settings: parsed.settings as TrainingSettings | null };
}

/** Runs a check; its error gets the file's name. */
function refusing<Result>(path: string, what: string, check: () => Result, writer = ""): Result {
  try {
    return check();
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    const problems = cause.issues.map(({ path: at, message }) =>
      at.length === 0 ? message : `${at.join(".")}: ${message}`,
    );
    throw new UserError(`Cannot load "${path}": ${what}: ${problems.join("; ")}`, {
      hint: `A version of VisionCore that knows it can load it.${writer}`,
      cause,
    });
  }
}

function checkHashes(path: string, description: Record<string, unknown>, hashes: ModelHashes | null): void {
  if (hashes === null) return;
  for (const key of ["model_config", "sessions"] as const) {
    if (jsonHash(description[key]) === hashes[key]) continue;
    throw damagedDescription(path, `its ${key} changed after it was saved`);
  }
}
