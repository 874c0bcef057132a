/**
 * @file Files that appear whole or not at all: written beside their final place, flushed to disk, then renamed.
 *
 * A crash, a full disk or an interrupt at any moment leaves the previous file as it was.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { systemErrorMeaning } from "./system-error.ts";

// One write call takes at most 2^31 - 1 bytes.
const LARGEST_WRITE = 2 ** 30;

/** A file in the making. Dispose of it without {@link commit} and no trace is left. */
export class AtomicWriter {
  /** Where the file will appear. */
  readonly path: string;
  /** Descriptor of the temporary file. */
  readonly fd: number;
  private readonly temporary: string;
  private readonly replaces: boolean;
  private isOpen = true;

  /** @throws UserError when the folder is missing or not writable, or `path` is something other than a regular file */
  constructor(path: string) {
    this.path = path;
    const suffix = randomBytes(6).toString("hex");
    this.temporary = join(dirname(path), `.${basename(path)}.${suffix}.tmp`);
    let previous: ReturnType<typeof statSync>;
    try {
      previous = statSync(path, { throwIfNoEntry: false });
      this.replaces = previous !== undefined;
      // Renaming over a device such as /dev/null would replace the device.
      if (previous !== undefined && !previous.isFile()) {
        throw new UserError(
          `Cannot write "${path}": ${previous.isDirectory() ? "it is a folder" : "it is not a regular file"}`,
        );
      }
      this.fd = openSync(this.temporary, "wx", previous === undefined ? 0o666 : previous.mode & 0o777);
    } catch (error) {
      throw writeError(path, error, "");
    }
  }

  /**
   * Appends bytes, or puts them at a byte position of the file (what lies between is zero until it is written). On
   * failure the temporary file is removed.
   */
  write(bytes: Uint8Array, position?: number): void {
    this.attempt(() => {
      let done = 0;
      while (done < bytes.length) {
        const at = position === undefined ? null : position + done;
        done += writeSync(this.fd, bytes, done, Math.min(bytes.length - done, LARGEST_WRITE), at);
      }
    });
  }

  /** Puts the file in its place. On failure the temporary file is removed and the previous file stays. */
  commit(): void {
    this.attempt(() => {
      fsyncSync(this.fd);
      closeSync(this.fd);
      renameSync(this.temporary, this.path);
    });
    this.isOpen = false;
    syncFolder(dirname(this.path));
  }

  /** Removes the temporary file; does nothing after {@link commit}. */
  abort(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    try {
      closeSync(this.fd);
    } catch {
      // Already closed by a commit that failed to rename.
    }
    rmSync(this.temporary, { force: true });
  }

  /** Runs a part of the writing; on failure removes the temporary file and rethrows system errors as UserErrors. */
  attempt(part: () => void): void {
    if (!this.isOpen) throw new Error(`Cannot write "${this.path}": the writer was closed`);
    try {
      part();
    } catch (error) {
      this.abort();
      // A callback may fail on another file, which this message must not blame on this one.
      const failedPath = (error as NodeJS.ErrnoException).path;
      if (failedPath !== undefined && failedPath !== this.temporary) throw error;
      throw writeError(this.path, error, this.replaces ? "; the previous file is intact" : "; no file was left behind");
    }
  }

  [Symbol.dispose](): void {
    this.abort();
  }
}

/**
 * Starts a file that appears under `path` when committed.
 *
 * @example
 * using writer = createAtomicWriter("rates.bin");
 * writer.write(bytes);
 * writer.commit();
 * @throws UserError when the folder is missing or not writable, or `path` is something other than a regular file
 */
export function createAtomicWriter(path: string): AtomicWriter {
  return new AtomicWriter(path);
}

/**
 * Writes a whole file, or leaves what was there.
 *
 * @param data its bytes, its text (UTF-8), or a function that writes to the descriptor it is given
 * @throws UserError when the disk is full, permission is missing and the like; errors thrown by the function otherwise
 */
export function writeFileAtomic(path: string, data: string | Uint8Array | ((fd: number) => void)): void {
  using writer = createAtomicWriter(path);
  if (typeof data === "function") writer.attempt(() => data(writer.fd));
  else writer.write(typeof data === "string" ? new TextEncoder().encode(data) : data);
  writer.commit();
}

function writeError(path: string, error: unknown, aftermath: string): unknown {
  if (error instanceof UserError) return error;
  const meaning = systemErrorMeaning(error);
  if (meaning === undefined) return error;
  const { code } = error as NodeJS.ErrnoException;
  const hints: Record<string, string> = {
    ENOSPC: "Free some space or write to another disk.",
    EDQUOT: "Free some space or write to another disk.",
    ENOENT: `Create the folder "${dirname(path)}" first.`,
    EACCES: "Choose a folder you may write to.",
    EROFS: "Choose a folder you may write to.",
  };
  return new UserError(`Cannot write "${path}": ${meaning}${aftermath}`, { hint: hints[code ?? ""], cause: error });
}

/** Makes the rename itself survive a power cut, where the system can: Windows cannot open folders. */
function syncFolder(path: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    fsyncSync(fd);
  } catch (error) {
    // The file is complete and in place; a folder that cannot be opened or flushed is no reason to report it as lost.
    if (systemErrorMeaning(error) === undefined) throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
