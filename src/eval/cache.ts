/**
 * @file Results kept between evaluations: one file for each run, session and analysis, valid only for the very checkpoint,
 * data, units, options and version that it was computed with (evaluation specification, section 5.2, fault E-05).
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { makeFolder } from "../formats/folder.ts";
import { readResult, readResultHeader, writeResult } from "./result-file.ts";

/** What a result depends on. */
export interface ResultKey {
  /** Digest of the twin. */
  readonly checkpoint: string;
  /** Digest of the session's data and units. */
  readonly data: string;
  /** Options that the analysis reads, and digests of its files. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Of the analysis. */
  readonly version: number;
}

/** Where a result is kept. */
export interface ResultPlace {
  /** Name of the run. */
  readonly experiment: string;
  /** Number of the session in the twin. */
  readonly session: number;
  readonly analysis: string;
}

/** A folder of results. */
export class ResultCache {
  private readonly folder: string;

  /** @param folder is made when the first result is written */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Path of a result, whether it exists or not. */
  path({ experiment, session, analysis }: ResultPlace): string {
    return join(this.folder, experiment, `${experiment}_dataset${session}_${analysis}_cache.safetensors`);
  }

  /**
   * A result that was kept.
   *
   * @returns the result; or why there is none: null when nothing was kept, else what has changed since
   */
  read(place: ResultPlace, key: ResultKey): { result: unknown } | { stale: string | null } {
    const path = this.path(place);
    if (!existsSync(path)) return { stale: null };
    try {
      const stored = readResultHeader(path) as Partial<ResultKey> | undefined;
      const changed = stored === undefined ? ["has another format"] : differences(stored, key);
      return changed.length > 0 ? { stale: changed.join(", ") } : { result: readResult(path) };
    } catch (error) {
      // A damaged file is as good as none: what it held can be computed again.
      if (error instanceof UserError) return { stale: "is damaged" };
      throw error;
    }
  }

  /**
   * Keeps a result, in the place of an older one.
   *
   * @throws UserError when the file cannot be written
   */
  write(place: ResultPlace, key: ResultKey, result: unknown): void {
    const path = this.path(place);
    makeFolder(join(this.folder, place.experiment));
    writeResult(path, { ...key, analysis: place.analysis, saved_at: new Date().toISOString() }, result);
  }
}

/** What is said of a kept result when a part of its key has changed. */
const CHANGES = {
  checkpoint: "is from another checkpoint",
  data: "is from other data",
  options: "has other options",
  version: "is of another version",
} as const;

function differences(stored: Partial<ResultKey>, key: ResultKey): string[] {
  return (Object.keys(CHANGES) as (keyof ResultKey)[])
    .filter((part) => JSON.stringify(stored[part]) !== JSON.stringify(key[part]))
    .map((part) => CHANGES[part]);
}

/** SHA-256 of a file's bytes, or null when there is none. */
export function smallFileDigest(path: string): string | null {
  return existsSync(path) ? createHash("sha256").update(readFileSync(path)).digest("hex") : null;
}
