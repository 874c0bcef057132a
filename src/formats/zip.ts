/**
 * @file Reading zip archives, the container of PyTorch files and npz.
 *
 * Only the directory at the end is read on opening. Stored entries are windows into the archive; deflated entries are
 * unpacked in memory when first read beyond their first kilobyte, never beyond their declared size and a limit.
 */
import { crc32, inflateRawSync, constants as zlib } from "node:zlib";
import { UserError } from "../errors.ts";
import { asSource, type ByteSource, checkRange, memorySource } from "./byte-source.ts";

/** One file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes after unpacking. */
  readonly size: number;
  /** Bytes in the archive. */
  readonly compressedSize: number;
}

interface DirectoryEntry extends ZipEntry {
  readonly crc: number;
  readonly method: number;
  readonly encrypted: boolean;
  readonly headerOffset: number;
}

const STORED = 0;
const DEFLATED = 8;
const HEAD_BYTES = 1024;
const END_BYTES = 22;
const LONGEST_COMMENT = 65535;
/** Bytes read at a time where a whole entry is not needed at once. */
const PIECE_BYTES = 2 ** 24;
const MAX_UINT32 = 0xffffffff;
const DAMAGED = "The file is damaged or was cut short; copy or create it again.";

/** A zip archive opened for reading, ZIP64 included. */
export class ZipArchive {
  /** What messages call it. */
  readonly name: string;
  /** Entries by name, in directory order. */
  readonly entries: ReadonlyMap<string, ZipEntry>;
  private readonly source: ByteSource;
  private readonly directoryOffset: number;
  private readonly directory: ReadonlyMap<string, DirectoryEntry>;
  private readonly maxUnpackedBytes: number;

  /**
   * Reads the directory of an archive.
   *
   * @param input a path or an open source
   * @param options `maxUnpackedBytes` bounds each deflated entry (2 GiB), against entries that unpack to far more than
   *   they weigh
   * @throws UserError when the file is not a zip archive, is cut short or inconsistent
   */
  constructor(input: string | ByteSource, options: { maxUnpackedBytes?: number } = {}) {
    this.source = asSource(input);
    this.name = this.source.name;
    this.maxUnpackedBytes = options.maxUnpackedBytes ?? 2 ** 31;
    const { offset, size, count } = findDirectory(this.source);
    this.directoryOffset = offset;
    this.directory = parseDirectory(this.source, offset, size, count);
    this.entries = this.directory;
  }

  /**
   * An entry as a source of its unpacked bytes. The checksum (where the writer left one) is verified when a stored entry
   * is read as a whole, and for a deflated one as soon as more than its first kilobyte is read.
   *
   * @throws UserError when there is no such entry, it is encrypted, packed by an unknown method, or its header is damaged
   */
  open(name: string): ByteSource {
    const entry = this.directory.get(name);
    if (entry === undefined) throw this.problem(`it has no entry "${name}"`);
    if (entry.encrypted) throw this.problem(`its entry "${name}" is encrypted`);
    const offset = this.dataOffset(entry);
    if (entry.method === STORED) {
      if (entry.size !== entry.compressedSize) throw this.problem(`the sizes of its entry "${name}" disagree`);
      const read: ByteSource["read"] = (at, length, into) => {
        const bytes = this.source.read(offset + at, length, into);
        if (length === entry.size) this.verify(entry, bytes);
        return bytes;
      };
      const { file } = this.source;
      return this.entrySource(entry, read, file && { path: file.path, start: file.start + offset });
    }
    if (entry.method === DEFLATED) {
      let head: Uint8Array<ArrayBuffer> | undefined;
      let unpacked: ByteSource | undefined;
      return this.entrySource(entry, (at, length) => {
        const end = at + length;
        if (unpacked === undefined && end <= HEAD_BYTES && end < entry.size) {
          head ??= this.inflateHead(entry, offset);
          if (end <= head.length) return head.slice(at, end);
        }
        unpacked ??= memorySource(this.inflate(entry, offset), this.name);
        return unpacked.read(at, length);
      });
    }
    throw this.problem(`its entry "${name}" is packed by method ${entry.method}; only stored and deflated are read`);
  }

  /** All bytes of an entry, checksum verified. Throws like {@link open}. */
  read(name: string): Uint8Array<ArrayBuffer> {
    const source = this.open(name);
    return source.read(0, source.size);
  }

  /**
   * Verifies the checksum of an entry without holding a stored one in memory.
   *
   * @returns false when its writer left no checksum
   * @throws UserError when it does not match, and like {@link open}
   */
  verifyEntry(name: string): boolean {
    const source = this.open(name);
    const entry = this.directory.get(name)!;
    if (entry.crc === 0) return false;
    if (entry.method === DEFLATED) {
      source.read(0, source.size);
      return true;
    }
    let crc = 0;
    for (let at = 0; at < source.size; at += PIECE_BYTES) {
      crc = crc32(source.read(at, Math.min(PIECE_BYTES, source.size - at)), crc);
    }
    if (crc !== entry.crc) throw this.mismatch(entry);
    return true;
  }

  /** Closes the file. */
  close(): void {
    this.source.close();
  }

  private dataOffset(entry: DirectoryEntry): number {
    const header = view(this.source.read(entry.headerOffset, 30));
    if (header.getUint32(0, true) !== 0x04034b50)
      throw this.problem(`the header of its entry "${entry.name}" is damaged`);
    const offset = entry.headerOffset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
    if (offset + entry.compressedSize > this.directoryOffset) {
      throw this.problem(`its entry "${entry.name}" reaches into the directory`);
    }
    return offset;
  }

  private entrySource(entry: ZipEntry, read: ByteSource["read"], file?: ByteSource["file"]): ByteSource {
    const source: ByteSource = {
      name: `${this.name}: ${entry.name}`,
      size: entry.size,
      ...(file && { file }),
      read(offset, length, into) {
        checkRange(source, offset, length);
        return read(offset, length, into);
      },
      close: () => this.close(),
    };
    return source;
  }

  private verify(entry: DirectoryEntry, bytes: Uint8Array): void {
    // PyTorch can be told to skip checksums; it writes zero then.
    if (entry.crc !== 0 && checksum(bytes) !== entry.crc) throw this.mismatch(entry);
  }

  private mismatch({ name }: ZipEntry): UserError {
    return this.problem(`the checksum of its entry "${name}" does not match its bytes`);
  }

  /** The first bytes of an entry, as many as come out of its first packed ones; empty when none do. */
  private inflateHead(entry: DirectoryEntry, offset: number): Uint8Array<ArrayBuffer> {
    const packed = this.source.read(offset, Math.min(entry.compressedSize, 2 * HEAD_BYTES));
    try {
      return new Uint8Array(inflateRawSync(packed, { finishFlush: zlib.Z_SYNC_FLUSH }));
    } catch {
      // Unpacking the whole entry says what is wrong with it.
      return new Uint8Array(0);
    }
  }

  private inflate(entry: DirectoryEntry, offset: number): Uint8Array {
    if (entry.size > this.maxUnpackedBytes) {
      throw this.problem(
        `its entry "${entry.name}" unpacks to ${entry.size} bytes, at most ${this.maxUnpackedBytes} are read`,
      );
    }
    const packed = this.source.read(offset, entry.compressedSize);
    let unpacked: Uint8Array;
    try {
      unpacked = inflateRawSync(packed, { maxOutputLength: Math.max(entry.size, 1) });
    } catch (error) {
      const tooLong = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
      const what = tooLong ? `unpacks to more than its declared ${entry.size} bytes` : "cannot be unpacked";
      throw this.problem(`its entry "${entry.name}" ${what}`, error);
    }
    if (unpacked.length !== entry.size) {
      throw this.problem(`its entry "${entry.name}" unpacks to ${unpacked.length} bytes, ${entry.size} were declared`);
    }
    this.verify(entry, unpacked);
    return unpacked;
  }

  private problem(what: string, cause?: unknown): UserError {
    return damaged(this.source, what, cause);
  }
}

/** Checksum of any length of bytes; one call of zlib takes less than 4 GiB. */
export function checksum(bytes: Uint8Array): number {
  const step = 2 ** 30;
  let crc = 0;
  for (let at = 0; at < bytes.length; at += step) crc = crc32(bytes.subarray(at, at + step), crc);
  return crc;
}

function findDirectory(source: ByteSource): { offset: number; size: number; count: number } {
  const tailBytes = Math.min(source.size, END_BYTES + LONGEST_COMMENT);
  const tailOffset = source.size - tailBytes;
  const tail = view(source.read(tailOffset, tailBytes));
  let at = tailBytes - END_BYTES;
  while (
    at >= 0 &&
    !(tail.getUint32(at, true) === 0x06054b50 && tail.getUint16(at + 20, true) === tailBytes - END_BYTES - at)
  ) {
    at--;
  }
  if (at < 0) throw noDirectory(source);

  const endOffset = tailOffset + at;
  const locator = endOffset >= 20 ? view(source.read(endOffset - 20, 20)) : undefined;
  const found =
    locator?.getUint32(0, true) === 0x07064b50
      ? readZip64End(source, readUint64(locator, 8))
      : {
          disk: tail.getUint16(at + 4, true),
          count: tail.getUint16(at + 10, true),
          size: tail.getUint32(at + 12, true),
          offset: tail.getUint32(at + 16, true),
        };
  if (found.disk !== 0) throw damaged(source, "it is one part of an archive that spans several files");
  if (found.offset + found.size > endOffset) throw damaged(source, "its directory lies outside the file");
  return found;
}

function readZip64End(source: ByteSource, offset: number) {
  const end = view(source.read(offset, 56));
  if (end.getUint32(0, true) !== 0x06064b50) throw damaged(source, "its ZIP64 end record is damaged");
  return {
    disk: end.getUint32(16, true),
    count: readUint64(end, 32),
    size: readUint64(end, 40),
    offset: readUint64(end, 48),
  };
}

function noDirectory(source: ByteSource): UserError {
  const start = source.size >= 4 ? view(source.read(0, 4)).getUint32(0, true) : 0;
  if (start === 0x04034b50) return damaged(source, `it is a zip archive cut short after ${source.size} bytes`);
  return new UserError(`Cannot read "${source.name}": it is not a zip archive`);
}

function parseDirectory(source: ByteSource, offset: number, size: number, count: number): Map<string, DirectoryEntry> {
  const bytes = source.read(offset, size);
  const directory = view(bytes);
  const entries = new Map<string, DirectoryEntry>();
  const decoder = new TextDecoder();
  let at = 0;
  while (at < size) {
    if (at + 46 > size || directory.getUint32(at, true) !== 0x02014b50)
      throw damaged(source, "its directory is damaged");
    const nameEnd = at + 46 + directory.getUint16(at + 28, true);
    const extraEnd = nameEnd + directory.getUint16(at + 30, true);
    const end = extraEnd + directory.getUint16(at + 32, true);
    if (end > size) throw damaged(source, "its directory is damaged");
    const name = decoder.decode(bytes.subarray(at + 46, nameEnd));
    if (entries.has(name)) throw damaged(source, `it has two entries named "${name}"`);
    const wide = wideFields(directory, nameEnd, extraEnd, [
      directory.getUint32(at + 24, true),
      directory.getUint32(at + 20, true),
      directory.getUint32(at + 42, true),
    ]);
    if (wide === undefined) throw damaged(source, `the ZIP64 sizes of its entry "${name}" are missing`);
    const [unpackedSize, compressedSize, headerOffset] = wide;
    if (headerOffset + 30 + compressedSize > offset) {
      throw damaged(source, `its entry "${name}" lies outside the file`);
    }
    entries.set(name, {
      name,
      size: unpackedSize,
      compressedSize,
      crc: directory.getUint32(at + 16, true),
      method: directory.getUint16(at + 10, true),
      encrypted: (directory.getUint16(at + 8, true) & 1) !== 0,
      headerOffset,
    });
    at = end;
  }
  if (entries.size !== count)
    throw damaged(source, `its directory lists ${entries.size} entries, ${count} were announced`);
  return entries;
}

/** Replaces fields that are too small for their value by those in the ZIP64 extra field, which holds only such ones. */
function wideFields(
  directory: DataView,
  start: number,
  end: number,
  [size, compressedSize, headerOffset]: [number, number, number],
): [number, number, number] | undefined {
  const fields: [number, number, number] = [size, compressedSize, headerOffset];
  if (!fields.includes(MAX_UINT32)) return fields;
  for (let at = start; at + 4 <= end; ) {
    const fieldEnd = at + 4 + directory.getUint16(at + 2, true);
    if (directory.getUint16(at, true) === 1 && fieldEnd <= end) {
      let next = at + 4;
      for (const [i, value] of fields.entries()) {
        if (value !== MAX_UINT32) continue;
        if (next + 8 > fieldEnd) return undefined;
        fields[i] = readUint64(directory, next);
        next += 8;
      }
      return fields;
    }
    at = fieldEnd;
  }
  return undefined;
}

function damaged(source: ByteSource, what: string, cause?: unknown): UserError {
  return new UserError(`Cannot read "${source.name}": ${what}`, { hint: DAMAGED, cause });
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readUint64(from: DataView, at: number): number {
  return Number(from.getBigUint64(at, true));
}
