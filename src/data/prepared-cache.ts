/**
 * @file Prepared sessions kept in files, so that the next run starts at once (data specification, section 15).
 *
 * A session's file is named after everything that its samples depend on: the files of its recordings (path, size, time of
 * last change, inode), the configuration but for what belongs to the model, and {@link PREPARATION_VERSION}. When any of it
 * changes the name does, and the session is prepared again; so it is when the file, or one it refers to, is damaged. Files are
 * written whole or not at all, and are never changed afterwards: processes may share them.
 *
 * Spikes, masks, behaviour and samples lie in that file and are read when asked for. Grey levels lie in the recording or in a
 * copy beside (stimulus-store.ts) and are mapped, or read if the run's store has room in memory.
 */
import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { SessionConfig } from "../config/session.ts";
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import { openFile } from "../formats/byte-source.ts";
import { makeFolder } from "../formats/folder.ts";
import { type LazyArray, lazyArray } from "../formats/lazy.ts";
import { openSafetensors, type SafetensorsFile, writeSafetensors } from "../formats/safetensors.ts";
import { type PreparedSession, type PrepareOptions, prepareSession } from "./prepare.ts";
import { preparedMetadata } from "./prepare-recording.ts";
import { Recording } from "./recording.ts";
import { SampleSet } from "./samples.ts";
import { type FolderSession, openSession } from "./session.ts";
import { type FileLocation, StimulusStore } from "./stimulus-store.ts";

/** Raise it when preparing the same recordings with the same configuration gives other samples. */
export const PREPARATION_VERSION = 1;

/** What a file says beside its arrays; with what the caller knows it makes a {@link PreparedSession}. */
interface SavedSession extends Omit<PreparedSession, "session" | "config" | "train" | "val"> {
  readonly key: string;
  readonly pixelnorm: boolean;
  readonly recordings: readonly SavedRecording[];
}

interface SavedRecording {
  readonly type: string;
  /** Keys in order. */
  readonly keys: readonly string[];
  /** Grey levels in another file, which must still be the same. */
  readonly stimulus: (FileLocation & { readonly shape: readonly number[]; readonly file: string }) | undefined;
}

/**
 * Prepares a session as `prepareSession` does, or takes it from the folder, where it is put for the next time.
 *
 * Sessions that do not lie in a folder are prepared without the cache.
 *
 * @param folder is made if need be
 * @throws UserError like `prepareSession`, and when the folder cannot be written
 */
export function prepareWithCache(config: SessionConfig, options: PrepareOptions, folder: string): PreparedSession {
  const dataDir = options.dataDir ?? config.data_dir;
  if (options.session !== undefined || dataDir === undefined) return prepareSession(config, options);
  const session = openSession(resolve(dataDir), config);
  const key = preparationKey(config, options, session);
  const path = join(folder, `${config.session}-${key.slice(0, 16)}.safetensors`);
  const source = {
    session,
    config: { ...config, data_dir: resolve(dataDir) },
    store: options.store ?? new StimulusStore(),
  };
  const open = () => openPrepared(path, key, source);
  const known = open();
  if (known !== undefined) return known;
  // All stimuli are mapped here, so that preparing needs little memory whatever their size.
  const store = new StimulusStore(0, folder);
  const prepared = prepareSession(config, { ...options, session: undefined, dataDir, store });
  makeFolder(folder);
  savePrepared(path, key, prepared, store);
  return open() ?? prepared;
}

/** A digest of everything that a prepared session depends on. */
function preparationKey(config: SessionConfig, options: PrepareOptions, session: FolderSession): string {
  const { adapter, readout, data_dir, ...relevant } = config;
  const { keepKeys = [], lenient = false, strict = config.strict_data } = options;
  const files = session.files(config.types).filter((file) => existsSync(file));
  const parts = [PREPARATION_VERSION, relevant, keepKeys, lenient, strict, files.map(identity)];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** Tells a file from what it was before, or from another, without reading it. */
function identity(path: string): string {
  const { size, mtimeNs, ino } = statSync(path, { bigint: true });
  return [realpathSync(path), size, mtimeNs, ino].join(":");
}

const samplesKey = (part: "train" | "val", what: "recordings" | "frames") => `${part}/${what}`;
const columnKey = (recording: number, key: string) => `${recording}/${key}`;

function savePrepared(path: string, key: string, prepared: PreparedSession, store: StimulusStore): void {
  const { session, config, train, val, ...rest } = prepared;
  const arrays = new Map<string, NdArray>();
  for (const [part, { recordingOf, frameOf }] of [["train", train] as const, ["val", val] as const]) {
    const shape = [frameOf.length];
    arrays.set(samplesKey(part, "recordings"), { dtype: "int32", shape, data: recordingOf });
    arrays.set(samplesKey(part, "frames"), { dtype: "int32", shape, data: frameOf });
  }
  const recordings = train.recordings.map((recording, i): SavedRecording => {
    const stim = recording.has("stim") ? recording.get("stim") : undefined;
    const location = stim && store.locationOf(stim);
    for (const column of recording.keys()) {
      if (column !== "stim" || location === undefined) arrays.set(columnKey(i, column), recording.get(column));
    }
    const stimulus = location && { ...location, shape: stim.shape, file: identity(location.path) };
    return { type: recording.type, keys: recording.keys(), stimulus };
  });
  const saved: SavedSession = { ...rest, key, pixelnorm: train.pixelnorm, recordings };
  writeSafetensors(path, arrays, { prepared: JSON.stringify(saved) });
}

/** The session in a file; undefined when there is none, or anything about it is not as it should be. */
function openPrepared(path: string, key: string, source: Source): PreparedSession | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const file = openSafetensors(path);
    const saved = JSON.parse(file.metadata.prepared ?? "{}") as SavedSession;
    if (saved.key !== key || saved.recordings.some(({ stimulus }) => stimulus && !isUnchanged(stimulus))) {
      return undefined;
    }
    return restoreSession(file, saved, source);
  } catch (error) {
    // Damage shows as a missing array or text that is no JSON. What is wrong with the recordings shows again when the session
    // is prepared.
    if (error instanceof UserError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What a prepared session is made of beside its file. */
interface Source {
  readonly session: FolderSession;
  /** With an absolute `data_dir`. */
  readonly config: SessionConfig;
  readonly store: StimulusStore;
}

function restoreSession(file: SafetensorsFile, saved: SavedSession, source: Source): PreparedSession {
  const { key, pixelnorm, recordings: described, ...rest } = saved;
  const { config } = source;
  const recordings = described.map((recording, i) => restoreRecording(file, recording, i, source));
  const samples = (part: "train" | "val"): SampleSet =>
    new SampleSet({
      session: config.session,
      recordings,
      recordingOf: file.tensor(samplesKey(part, "recordings")).read().data as Int32Array,
      frameOf: file.tensor(samplesKey(part, "frames")).read().data as Int32Array,
      keysLags: config.keys_lags,
      pixelnorm,
    });
  const types = recordings.map(({ type }) => type);
  return {
    ...rest,
    session: config.session,
    config: { ...structuredClone(config), types },
    train: samples("train"),
    val: samples("val"),
  };
}

function isUnchanged({ path, file }: { path: string; file: string }): boolean {
  return existsSync(path) && identity(path) === file;
}

function restoreRecording(
  file: SafetensorsFile,
  { type, keys, stimulus }: SavedRecording,
  recording: number,
  { session, config, store }: Source,
): Recording {
  const columns = keys.map((key): [string, LazyArray | NdArray] => [
    key,
    key === "stim" && stimulus
      ? store.hold(greyLevels(stimulus), undefined, 1)
      : file.tensor(columnKey(recording, key)),
  ]);
  return new Recording(type, columns, preparedMetadata(session.open(type)!, config), session.name);
}

function greyLevels({ path, offset, shape }: NonNullable<SavedRecording["stimulus"]>): LazyArray {
  return lazyArray(openFile(path), { dtype: "uint8", shape, offset });
}
