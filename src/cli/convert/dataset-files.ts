/**
 * @file The configuration that makes converted recordings trainable: one file per session, and a parent file that names
 * the sessions and says what a sample is.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { Document, isSeq, parseDocument } from "yaml";
import { loadDatasetConfigs } from "../../config/dataset.ts";
import { UserError } from "../../errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { makeFolder } from "../../formats/folder.ts";

/** One session of converted recordings. */
export interface ConvertedSession {
  /** Folder that holds the session's folder. */
  readonly dataDir: string;
  readonly session: string;
  readonly type: string;
  /** Units to train on, columns of `robs`. */
  readonly cids: readonly number[];
  /** Trials that validate, or undefined to let the parent's split decide. */
  readonly valTrials: readonly number[] | undefined;
}

/** What a sample is, for the parent file. */
export interface SampleSettings {
  /** Stimulus frames that a sample reaches back, the current one included. */
  readonly lags: number;
  /** Every frame is a still image: all lags show the same one. */
  readonly isStill: boolean;
  /** Grey levels 0 to 255 rather than floating-point values. */
  readonly isGrey: boolean;
  /** How trials are divided where a session does not name its validation trials. */
  readonly splitBy: "trial" | "time";
  readonly trainFraction: number;
}

// Lists such as cids stay on one line however long they are.
const YAML_STYLE = { lineWidth: 0, flowCollectionPadding: false } as const;

/** Path of a session's configuration file. */
export function sessionFile({ dataDir, session }: Pick<ConvertedSession, "dataDir" | "session">): string {
  return join(dataDir, "sessions", `${session}.yaml`);
}

/** Text of a session's configuration file. */
export function sessionFileText({ session, cids, valTrials }: ConvertedSession): string {
  // Naming trials and splitting by time exclude each other, so the parent's choice is overridden.
  const validation = valTrials === undefined ? {} : { split_by: "trial", val_trials: valTrials };
  return document({ session, cids, ...validation }, ["cids", "val_trials"]).toString(YAML_STYLE);
}

/** Writes the session's file; returns its path. */
export function writeSessionFile(converted: ConvertedSession): string {
  const path = sessionFile(converted);
  makeFolder(dirname(path));
  writeFileAtomic(path, sessionFileText(converted));
  return path;
}

/**
 * Writes the parent file, or adds the session to the one that exists, and loads the result as training would.
 *
 * @throws UserError when an existing file belongs to other data or has other settings for the stimulus; ConfigError when
 *   it is not a dataset configuration
 */
export function writeParentFile(path: string, converted: ConvertedSession, settings: SampleSettings): void {
  const parent = existsSync(path)
    ? extended(path, converted, settings)
    : document(parentConfig(path, converted, settings), ["types", "sessions", "keys_lags.stim"]);
  makeFolder(dirname(path));
  writeFileAtomic(path, parent.toString(YAML_STYLE));
  loadDatasetConfigs(path);
}

function parentConfig(path: string, { dataDir, session, type }: ConvertedSession, settings: SampleSettings): object {
  const { lags, isStill, isGrey, splitBy, trainFraction } = settings;
  const stim = Array.from({ length: lags }, (_, lag) => (isStill ? 0 : lag));
  return {
    types: [type],
    data_dir: fromFile(path, dataDir),
    session_dir: fromFile(path, join(dataDir, "sessions")),
    sessions: [session],
    keys_lags: { robs: 0, stim, dfs: 0 },
    transforms: { stim: { source: "stim", ops: [...(isGrey ? [{ pixelnorm: {} }] : []), { unsqueeze: 1 }] } },
    // A still image has no history that could be missing; an empty list keeps every frame.
    datafilters: { dfs: { ops: isStill ? [] : [{ valid_nlags: { n_lags: Math.max(1, lags - 1) } }] } },
    train_val_split: trainFraction,
    split_by: splitBy,
    seed: 1002,
  };
}

function extended(path: string, { dataDir, session, type }: ConvertedSession, settings: SampleSettings): Document {
  const parent = parseDocument(readFileSync(path, "utf8"));
  const folder = parent.get("data_dir");
  if (typeof folder !== "string" || resolve(dirname(path), folder) !== resolve(dataDir)) {
    throw new UserError(`Cannot add session "${session}" to "${path}": its data_dir is ${JSON.stringify(folder)}`, {
      hint: `Convert into that folder (--out), or write another --dataset-config.`,
    });
  }
  const isGrey = String(parent.getIn(["transforms", "stim", "ops"])).includes("pixelnorm");
  if (isGrey !== settings.isGrey) {
    throw new UserError(
      `Cannot add session "${session}" to "${path}": its stimuli are ${isGrey ? "uint8" : "floating-point"}, these are not`,
      { hint: "Write another --dataset-config, or store the stimulus in the same element type." },
    );
  }
  for (const [key, value] of [
    ["sessions", session],
    ["types", type],
  ] as const) {
    const list = parent.get(key);
    if (isSeq(list) && !list.toJSON().includes(value)) list.add(value);
  }
  return parent;
}

/** A YAML document in block style with the lists named by `inline` on one line. */
function document(value: object, inline: readonly string[]): Document {
  const made = new Document(value);
  made.commentBefore = " Written by visioncore convert; yours to edit.";
  for (const key of inline) {
    const list = made.getIn(key.split("."));
    if (isSeq(list)) list.flow = true;
  }
  return made;
}

/** A folder as written in a file: relative, with forward slashes. */
function fromFile(path: string, folder: string): string {
  const relativePath = relative(dirname(resolve(path)), resolve(folder)).replaceAll("\\", "/");
  if (relativePath === "") return ".";
  return relativePath.startsWith("..") ? relativePath : `./${relativePath}`;
}
