/**
 * @file The last step of every conversion from arrays: the recording, read back and compared, and the configuration that
 * makes it trainable. Nothing of it stays when it fails half-way.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { memoryColumn } from "../../data/column.ts";
import { jsonMetadata } from "../../data/json-metadata.ts";
import { type ColumnData, Recording } from "../../data/recording.ts";
import { openRecording, writeRecording } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import {
  type ConvertedSession,
  type SampleSettings,
  sessionFile,
  sessionFileText,
  writeParentFile,
  writeSessionFile,
} from "./dataset-files.ts";
import { differingKeys, verifyRecording } from "./verify-recording.ts";

/** Everything that is written. */
export interface SessionToWrite extends ConvertedSession {
  readonly trials: BigInt64Array;
  /** Covariates beside `trial_inds`, in order. */
  readonly columns: readonly (readonly [key: string, data: ColumnData])[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly rateHz: number;
  /** A parent dataset file to write, or to add the session to. */
  readonly dataset?: (Omit<SampleSettings, "isGrey"> & { readonly path: string }) | undefined;
  /** Whether files that are there already may be replaced by others. */
  readonly replaces: boolean;
}

/**
 * Writes `<dataDir>/<session>/<type>.safetensors` and `.json`, `<dataDir>/sessions/<session>.yaml` and, if asked for, a
 * parent dataset file. The recording is read back and compared by hash. Files with the same content are left alone.
 *
 * @returns path of the session's configuration
 * @throws UserError when there are other files of these names and `replaces` is false, one trial would have to be split,
 *   or a file cannot be written; a recording that was not there before is then removed
 */
export function writeSession(toWrite: SessionToWrite): string {
  const { dataDir, session, type, rateHz, dataset, replaces, trials, valTrials } = toWrite;
  if (dataset !== undefined && valTrials === undefined && new Set(trials).size < 2) {
    throw new UserError("Cannot split one trial into training and validation", {
      hint: "Cut the recording into pieces (trial length), or name trials.",
    });
  }
  const folder = join(dataDir, session);
  const recording = new Recording(type, toWrite.columns, { name: type, session, ...toWrite.metadata }, session);
  const files = [join(folder, `${type}.safetensors`), join(folder, `${type}.json`)];
  const isThere = files.some((path) => existsSync(path));
  if (!replaces && isThere) requireSame(folder, recording, rateHz);
  if (!replaces) requireSameSessionFile(toWrite);

  if (replaces || !isThere) {
    try {
      writeRecording(folder, recording, { rateHz });
      verifyRecording(folder, recording);
    } catch (error) {
      if (!isThere) removeFiles(folder, files);
      throw error;
    }
  }
  const path = writeSessionFile(toWrite);
  if (dataset !== undefined) {
    const isGrey = recording.column("stim").dtype === "uint8";
    writeParentFile(dataset.path, toWrite, { ...dataset, isGrey });
  }
  return path;
}

/** One number per frame, as a column. */
export function frameColumn(data: Float64Array | BigInt64Array): ColumnData {
  return memoryColumn({ dtype: data instanceof BigInt64Array ? "int64" : "float64", shape: [data.length], data });
}

function requireSame(folder: string, recording: Recording, rateHz: number): void {
  const differing = differingKeys(folder, recording);
  const written = openRecording(folder, recording.type)?.metadata;
  const metadata = { ...(jsonMetadata(recording.metadata, recording.name) as object), rate_hz: rateHz };
  if (JSON.stringify(written) !== JSON.stringify(metadata)) differing.push("metadata");
  if (differing.length === 0) return;
  const path = join(folder, `${recording.type}.safetensors`);
  throw new UserError(`Cannot write "${path}": it is there already and differs in: ${differing.join(", ")}`, {
    hint: "Replace it with --overwrite, or write to another folder with --out.",
  });
}

function requireSameSessionFile(toWrite: ConvertedSession): void {
  const path = sessionFile(toWrite);
  if (!existsSync(path) || readFileSync(path, "utf8") === sessionFileText(toWrite)) return;
  throw new UserError(`Cannot write "${path}": it is there already and says something else`, {
    hint: "Replace it with --overwrite, or write to another folder with --out.",
  });
}

function removeFiles(folder: string, files: readonly string[]): void {
  for (const path of files) rmSync(path, { force: true });
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}
