/**
 * @file Recordings on disk: our own format, and the labs' `.dset` files (data specification, sections 4.3 and 4.4).
 *
 * Our format is a pair of files. `<type>.safetensors` holds the covariates; `<type>.json` holds
 *
 * | field | content |
 * | --- | --- |
 * | `schema` | 1 |
 * | `name` | stimulus type |
 * | `frames`, `units` | length, and columns of `robs` (null without) |
 * | `rate_hz` | frames per second, null when unknown; part of the recording's metadata once read |
 * | `key_order` | keys in their original order |
 * | `sha256` | digest of every covariate's bytes, by key |
 * | `source` | `{file, sha256}` of the file this was converted from, null for an original |
 * | `metadata` | anything else, plain JSON |
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { arrayBytes, bytesPerElement, type NdArray } from "../formats/array.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { makeFolder } from "../formats/folder.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { createSafetensorsWriter, openSafetensors } from "../formats/safetensors.ts";
import { rowLength } from "./column.ts";
import { openDset } from "./dset.ts";
import { inContext } from "./error-context.ts";
import { jsonMetadata } from "./json-metadata.ts";
import { Recording } from "./recording.ts";

/** Version of the format that {@link writeRecording} writes. */
export const RECORDING_SCHEMA = 1;

/** Bytes moved at a time. */
const CHUNK_BYTES = 2 ** 24;

/**
 * Opens `<folder>/<type>.safetensors` (with its JSON) or, without one, `<folder>/<type>.dset`. Covariates are read when
 * asked for.
 *
 * @param session name of the session, for messages
 * @returns the recording, or null when the folder has neither
 * @throws UserError when a file is damaged, of a newer schema, or its JSON and its tensors do not agree
 */
export function openRecording(folder: string, type: string, session = ""): Recording | null {
  const tensorsPath = join(folder, `${type}.safetensors`);
  if (existsSync(tensorsPath)) return openOwnFormat(tensorsPath, join(folder, `${type}.json`), type, session);
  const dsetPath = join(folder, `${type}.dset`);
  if (!existsSync(dsetPath)) return null;
  const { covariates, metadata } = openDset(dsetPath);
  return new Recording(type, covariates, metadata, session);
}

/** Files that {@link openRecording} may read, whether they exist or not. */
export function recordingFiles(folder: string, type: string): string[] {
  return ["safetensors", "json", "dset"].map((extension) => join(folder, `${type}.${extension}`));
}

function openOwnFormat(tensorsPath: string, jsonPath: string, type: string, session: string): Recording {
  const { tensors } = openSafetensors(tensorsPath);
  const recordingOf = (columns: Iterable<readonly [string, LazyArray]>, metadata: Record<string, unknown>) =>
    inContext(`Cannot open "${tensorsPath}"`, () => new Recording(type, columns, metadata, session));
  if (!existsSync(jsonPath)) return recordingOf(tensors, {});
  const header = readRecordingHeader(jsonPath);
  const order = header.key_order ?? [...tensors.keys()];
  const missing = order.filter((key) => !tensors.has(key));
  const extra = [...tensors.keys()].filter((key) => !order.includes(key));
  if (missing.length + extra.length > 0) {
    const parts = [
      ...(missing.length > 0 ? [`lists ${missing.join(", ")} which the tensors lack`] : []),
      ...(extra.length > 0 ? [`does not list ${extra.join(", ")}`] : []),
    ];
    throw new UserError(`Cannot open "${tensorsPath}": the key_order of "${jsonPath}" ${parts.join(" and ")}`, {
      hint: "The two files belong together; write the recording again.",
    });
  }
  const columns = order.map((key): [string, LazyArray] => [key, tensors.get(key)!]);
  const recording = recordingOf(columns, header.metadata);
  checkSizes(recording, header, jsonPath);
  return recording;
}

/** Two files of different recordings may well have the same keys. */
function checkSizes(recording: Recording, { frames, units }: RecordingHeader, jsonPath: string): void {
  const found = [recording.length, recording.has("robs") ? (recording.column("robs").shape[1] ?? null) : null];
  const stated = [frames ?? found[0], units ?? found[1]];
  if (stated.join() === found.join()) return;
  const say = ([length, columns]: (number | null | undefined)[]) => `${length} frames of ${columns ?? "no"} units`;
  throw new UserError(
    `Cannot open recording "${recording.name}": "${jsonPath}" describes ${say(stated)}, the tensors beside it are ${say(found)}`,
    { hint: "The two files belong to different recordings; write the recording again." },
  );
}

/** What the JSON beside the covariates says. */
export interface RecordingHeader {
  key_order: string[] | undefined;
  /** Stated sizes, where there are. */
  frames: number | undefined;
  units: number | undefined;
  /** SHA-256 of every column's bytes; undefined in files that were written without. */
  sha256: Readonly<Record<string, string>> | undefined;
  metadata: Record<string, unknown>;
}

/**
 * Reads the JSON of a recording.
 *
 * @throws UserError when it is damaged or of another schema
 */
export function readRecordingHeader(path: string): RecordingHeader {
  const damaged = (what: string, cause?: unknown): UserError =>
    new UserError(`Cannot read "${path}": ${what}`, { hint: "Write the recording again.", cause });
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw damaged(`it is not valid JSON: ${(error as Error).message}`, error);
  }
  if (!isMapping(json)) throw damaged("it holds no JSON object");
  // Files of other programs may lack the number; a larger one means a format this program does not know.
  const { schema = RECORDING_SCHEMA, key_order: order, metadata = {}, rate_hz, sha256 } = json;
  if (schema !== RECORDING_SCHEMA) {
    throw new UserError(
      `Cannot read "${path}": its schema is ${JSON.stringify(schema)}, expected ${RECORDING_SCHEMA}`,
      {
        hint: "It was written by another version of this program; use that version or convert the recording again.",
      },
    );
  }
  if (!isMapping(metadata)) throw damaged("its metadata is not a JSON object");
  if (order !== undefined && !(Array.isArray(order) && order.every((key) => typeof key === "string"))) {
    throw damaged("its key_order is not a list of keys");
  }
  if (sha256 !== undefined && !(isMapping(sha256) && Object.values(sha256).every((hex) => typeof hex === "string"))) {
    throw damaged("its sha256 is not a mapping from keys to digests");
  }
  const rate = typeof rate_hz === "number" && rate_hz > 0 ? { rate_hz } : {};
  const size = (value: unknown) => (typeof value === "number" ? value : undefined);
  return {
    key_order: order as string[] | undefined,
    frames: size(json.frames),
    units: size(json.units),
    sha256: sha256 as Record<string, string> | undefined,
    metadata: { ...metadata, ...rate },
  };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What {@link writeRecording} notes down beside the recording. */
export interface WriteRecordingOptions {
  /** Frames per second, Hz. */
  rateHz?: number;
  /** File the recording was converted from. Its SHA-256 is stored. */
  sourcePath?: string;
}

/**
 * Writes `<folder>/<type>.safetensors` and `<folder>/<type>.json`; the folder is made. Columns that are still in a file
 * are copied in pieces, so memory does not limit the size.
 *
 * @throws UserError when a file cannot be written; previous files are then intact
 */
export function writeRecording(folder: string, recording: Recording, options: WriteRecordingOptions = {}): void {
  const { rateHz = recording.metadata.rate_hz, sourcePath } = options;
  const sha256: Record<string, string> = Object.fromEntries(recording.keys().map((key) => [key, ""]));
  const header = {
    schema: RECORDING_SCHEMA,
    name: recording.type,
    frames: recording.length,
    units: recording.has("robs") ? (recording.column("robs").shape[1] ?? null) : null,
    rate_hz: rateHz ?? null,
    key_order: recording.keys(),
    sha256,
    source: sourcePath === undefined ? null : { file: basename(sourcePath), sha256: fileDigest(sourcePath) },
    metadata: jsonMetadata(recording.metadata, recording.name),
  };
  makeFolder(folder);
  const columns = new Map(recording.keys().map((key) => [key, recording.column(key)]));
  using writer = createSafetensorsWriter(join(folder, `${recording.type}.safetensors`), columns);
  for (const key of writer.order) {
    sha256[key] = columnDigest(columns.get(key)!, (chunk) => writer.append(key, chunk));
  }
  writer.finish();
  writeFileAtomic(join(folder, `${recording.type}.json`), `${JSON.stringify(header, null, 1)}\n`);
}

/**
 * SHA-256 of a column's elements, little-endian and row-major, in hexadecimal. Read in pieces.
 *
 * @param use is given every piece that is not empty
 */
export function columnDigest(column: LazyArray, use: (chunk: NdArray) => void = () => {}): string {
  const hash = createHash("sha256");
  const frames = column.shape[0] ?? 0;
  const rowBytes = Math.max(1, rowLength(column.shape) * bytesPerElement(column.dtype));
  const rows = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
  for (let start = 0; start < frames; start += rows) {
    const chunk = column.readRows(start, Math.min(start + rows, frames));
    if (chunk.data.length === 0) continue;
    hash.update(arrayBytes(chunk));
    use(chunk);
  }
  return hash.digest("hex");
}

/** SHA-256 of a file, in hexadecimal. */
export function fileDigest(path: string): string {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(CHUNK_BYTES);
  const descriptor = openSync(path, "r");
  try {
    for (let count = readSync(descriptor, buffer); count > 0; count = readSync(descriptor, buffer)) {
      hash.update(buffer.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
  return hash.digest("hex");
}
