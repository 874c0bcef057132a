/**
 * @file Random access to bytes: a file on disk, a part of one, or memory.
 *
 * Node has no memory mapping, so files are read at positions into fresh buffers; a reader that wants one row of a large
 * tensor pays for that row only.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { didYouMean, UserError } from "../errors.ts";
import { systemErrorMeaning } from "./system-error.ts";

/** A run of bytes that can be read at any position. */
export interface ByteSource {
  /** What messages call it: a path, or a path and the entry inside it. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** The file that holds these bytes one after the other, from `start` on; absent when none does. */
  readonly file?: { readonly path: string; readonly start: number };
  /**
   * A copy of `length` bytes from `offset` on, fresh unless there is a buffer to use.
   *
   * @param into at least `length` bytes that a source may read into instead of making a new buffer
   * @throws UserError when the source ends before, cannot be read, or memory does not suffice
   */
  read(offset: number, length: number, into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
  /** Releases the file behind it at once; without this call it is released with the last reference to the source. */
  close(): void;
}

// One read call takes at most 2^31 - 1 bytes.
const LARGEST_READ = 2 ** 30;

const forgottenFiles = new FinalizationRegistry<number>(closeSync);

class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly file: { readonly path: string; readonly start: number };
  private descriptor: number | undefined;

  constructor(path: string) {
    this.name = path;
    this.file = { path, start: 0 };
    try {
      // Opening a pipe would wait for a writer, so look before opening.
      const stats = statSync(path);
      if (stats.isDirectory()) throw new UserError(`Cannot read "${path}": it is a folder, not a file`);
      if (!stats.isFile()) throw new UserError(`Cannot read "${path}": it is not a regular file`);
      this.size = stats.size;
      this.descriptor = openSync(path, "r");
    } catch (error) {
      throw openError(path, error);
    }
    forgottenFiles.register(this, this.descriptor, this);
  }

  read(offset: number, length: number, into?: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    checkRange(this, offset, length);
    if (this.descriptor === undefined) throw new Error(`Cannot read "${this.name}": it was closed`);
    const bytes = into === undefined ? allocateBytes(length, this.name) : into.subarray(0, length);
    let done = 0;
    while (done < length) {
      const count = this.readSome(this.descriptor, bytes, done, offset + done);
      if (count === 0) throw new UserError(`Cannot read "${this.name}": it became shorter while it was open`);
      done += count;
    }
    return bytes;
  }

  private readSome(descriptor: number, bytes: Uint8Array, at: number, position: number): number {
    try {
      return readSync(descriptor, bytes, at, Math.min(bytes.length - at, LARGEST_READ), position);
    } catch (error) {
      const meaning = systemErrorMeaning(error);
      if (meaning === undefined) throw error;
      throw new UserError(`Cannot read "${this.name}": ${meaning}`, { cause: error });
    }
  }

  close(): void {
    if (this.descriptor === undefined) return;
    forgottenFiles.unregister(this);
    closeSync(this.descriptor);
    this.descriptor = undefined;
  }
}

function openError(path: string, error: unknown): unknown {
  if (error instanceof UserError) return error;
  const meaning = systemErrorMeaning(error);
  if (meaning === undefined) return error;
  const near = (error as NodeJS.ErrnoException).code === "ENOENT" ? similarSibling(path) : undefined;
  const hint = near === undefined ? undefined : `Did you mean "${near}"?`;
  return new UserError(`Cannot read "${path}": ${meaning}`, { hint, cause: error });
}

function similarSibling(path: string): string | undefined {
  try {
    return didYouMean(basename(path), readdirSync(dirname(path)));
  } catch {
    return undefined;
  }
}

/**
 * Opens a file for reads at any position.
 *
 * @throws UserError when it is missing, a folder, not a regular file or not readable
 */
export function openFile(path: string): ByteSource {
  return new FileSource(path);
}

/** A path is opened, a source is taken as it is. */
export function asSource(input: string | ByteSource): ByteSource {
  return typeof input === "string" ? openFile(input) : input;
}

/** Bytes in memory as a source. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  const source: ByteSource = {
    name,
    size: bytes.length,
    read(offset, length) {
      checkRange(source, offset, length);
      const copy = allocateBytes(length, name);
      copy.set(bytes.subarray(offset, offset + length));
      return copy;
    },
    close() {},
  };
  return source;
}

/** A new zeroed buffer; running out of memory is the machine's fault and said so, naming what was being read. */
export function allocateBytes(length: number, name: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (error) {
    throw new UserError(`Cannot read "${name}": ${length} bytes do not fit into memory in one piece`, {
      hint: "Read it in row ranges, or use a machine with more memory.",
      cause: error,
    });
  }
}

/** Throws a UserError unless `length` bytes exist from `offset` on. */
export function checkRange(source: ByteSource, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= source.size) return;
  throw new UserError(
    `Cannot read "${source.name}": it has ${source.size} bytes, ${length} were expected from byte ${offset} on`,
    { hint: "The file is damaged or was cut short; copy or create it again." },
  );
}
