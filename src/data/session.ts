/**
 * @file A recording session as a folder (data specification, section 3).
 *
 * ```
 * <data_dir>/<session>/<type>.safetensors + .json, or <type>.dset
 *                     or the same below datasets/, for rowley below datasets/<eye>_eye/
 *                     qc/amp_truncation/truncation.npz          optional
 *                     qc/refractory/refractory.npz              optional
 *                     spikes/spike_times.npy, spike_clusters.npy  optional, seconds on the recording clock
 * ```
 *
 * Preparation needs a {@link Session} only; other kinds of storage can stand in for the folder.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { SessionConfig } from "../config/session.ts";
import { didYouMean, UserError } from "../errors.ts";
import { type MissingPct, readTruncation } from "./missing-pct.ts";
import type { Recording } from "./recording.ts";
import { type Verification, verifyDigests } from "./recording-digests.ts";
import { openRecording, recordingFiles } from "./recording-files.ts";
import { readUnitQuality, truncationPath, type UnitQuality } from "./unit-quality.ts";

/** Where the recordings of one session come from. */
export interface Session {
  /** `<subject>_<date>`. */
  readonly name: string;
  /** The recording of a stimulus type, columns still in their file, or null when the session has none. */
  open(type: string): Recording | null;
  /** Types that {@link Session.open} would find, for messages. */
  types(): string[];
  /** Percentage of missing spikes over time, or undefined when nothing is known about it. */
  readonly missingPct: MissingPct | undefined;
}

/** A session in a folder. */
export interface FolderSession extends Session {
  /**
   * Reads a recording as a whole and compares it with the digests its files state; null when there is none of the type.
   * Throws a UserError when it is damaged.
   */
  verify(type: string): Verification | null;
  /** Files that preparing these types may read, whether they exist or not. */
  files(types: readonly string[]): string[];
  /** How well units were isolated. Throws a UserError when a file about it is damaged. */
  quality(cids: readonly number[]): UnitQuality;
}

/** The part of a session's configuration that says where it is stored. */
export type SessionLocation = Pick<SessionConfig, "session" | "lab" | "eye">;

/**
 * Opens a session's folder.
 *
 * @throws UserError when `dataDir` or the session's folder does not exist
 */
export function openSession(dataDir: string, { session, lab, eye }: SessionLocation): FolderSession {
  const root = join(dataDir, session);
  if (!existsSync(root)) throw missingFolder(dataDir, session);
  const eyeFolders = lab === "rowley" ? [join(root, "datasets", `${eye}_eye`)] : [];
  const folders = [...eyeFolders, join(root, "datasets"), root].filter((folder) => existsSync(folder));
  const truncation = truncationPath(root);
  let windows: MissingPct | undefined;
  const fromWindows: MissingPct = (unitId, times) => {
    windows ??= readTruncation(truncation, join(root, "spikes"));
    return windows(unitId, times);
  };
  const inFirstFolder = <Result>(find: (folder: string) => Result | null): Result | null => {
    for (const folder of folders) {
      const found = find(folder);
      if (found !== null) return found;
    }
    return null;
  };
  return {
    name: session,
    open: (type) => inFirstFolder((folder) => openRecording(folder, type, session)),
    verify: (type) => inFirstFolder((folder) => verifyDigests(folder, type, session)),
    files: (types) => [
      ...folders.flatMap((folder) => types.flatMap((type) => recordingFiles(folder, type))),
      truncation,
      ...["spike_times.npy", "spike_clusters.npy"].map((file) => join(root, "spikes", file)),
    ],
    quality: (cids) => readUnitQuality(root, cids),
    types: () => [...new Set(folders.flatMap(recordingTypes))].sort(),
    missingPct: existsSync(truncation) ? fromWindows : undefined,
  };
}

function recordingTypes(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => /\.(safetensors|dset)$/.test(file))
    .map((file) => basename(file).replace(/\.\w+$/, ""));
}

function missingFolder(dataDir: string, session: string): UserError {
  if (!existsSync(dataDir)) {
    return new UserError(`Cannot open session "${session}": there is no folder "${dataDir}"`, {
      hint: "Set data_dir, or the data folder of the command, to the folder that holds the sessions.",
    });
  }
  const similar = didYouMean(session, readdirSync(dataDir));
  return new UserError(`Cannot open session "${session}": there is no folder "${join(dataDir, session)}"`, {
    hint: similar === undefined ? undefined : `Did you mean "${similar}"?`,
  });
}
