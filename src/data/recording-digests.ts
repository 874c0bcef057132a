/**
 * @file Whether the bytes of a recording are those that were once written (data specification, sections 4.3 and 4.4).
 *
 * Our own format states a SHA-256 of every covariate, a `.dset` a CRC-32 of every tensor's storage. Opening a recording
 * checks sizes only; this reads all of it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { ZipArchive } from "../formats/zip.ts";
import type { Recording } from "./recording.ts";
import { columnDigest, openRecording, readRecordingHeader } from "./recording-files.ts";

/** What the bytes were compared with; `none` when the file states nothing. */
export type Verification = "sha256" | "crc32" | "none";

/**
 * Reads a whole recording and compares it with the digests its files state.
 *
 * @param session name of the session, for messages
 * @returns what was compared, or null when the folder has no such recording
 * @throws UserError that names the covariates that differ, or anything `openRecording` throws
 */
export function verifyDigests(folder: string, type: string, session = ""): Verification | null {
  const recording = openRecording(folder, type, session);
  if (recording === null) return null;
  if (existsSync(join(folder, `${type}.safetensors`))) return compareColumns(recording, join(folder, `${type}.json`));
  return compareStorages(join(folder, `${type}.dset`));
}

function compareColumns(recording: Recording, jsonPath: string): Verification {
  const stated = existsSync(jsonPath) ? readRecordingHeader(jsonPath).sha256 : undefined;
  if (stated === undefined) return "none";
  const damaged = recording.keys().filter((key) => columnDigest(recording.column(key)) !== stated[key]);
  if (damaged.length === 0) return "sha256";
  throw new UserError(
    `Recording "${recording.name}" is damaged: the bytes of ${damaged.join(", ")} do not have the SHA-256 that ` +
      `"${jsonPath}" states`,
    { hint: "Copy or convert the recording again; the disk or the transfer may be faulty." },
  );
}

function compareStorages(path: string): Verification {
  const archive = new ZipArchive(path);
  try {
    const stated = [...archive.entries.keys()].map((name) => archive.verifyEntry(name));
    return stated.some(Boolean) ? "crc32" : "none";
  } finally {
    archive.close();
  }
}
