/**
 * @file Writing zip archives with stored entries, as PyTorch files and npz need them.
 *
 * Bytes go out front to back through a callback, so an archive can be larger than memory. Equal content gives equal
 * bytes: every entry carries the same date. ZIP64 records are written only where a size or position needs them.
 */
import { checksum } from "./zip.ts";

interface WrittenEntry {
  readonly name: Uint8Array;
  readonly crc: number;
  readonly size: number;
  readonly headerOffset: number;
}

const MAX_UINT16 = 0xffff;
const MAX_UINT32 = 0xffffffff;
// 1 January 1980, the earliest date the format can hold.
const DATE = 0x21;
const UTF8_NAME = 0x800;
const PADDING_FIELD = 0x4246;

/** Writes an archive entry by entry; call {@link finish} at the end. */
export class ZipWriter {
  private readonly write: (bytes: Uint8Array) => void;
  private readonly alignment: number;
  private readonly encoder = new TextEncoder();
  private readonly entries: WrittenEntry[] = [];
  private position = 0;

  /**
   * @param write takes the archive's bytes in order
   * @param options `alignment`: the data of each entry starts at a multiple of this many bytes (1; PyTorch uses 64)
   */
  constructor(write: (bytes: Uint8Array) => void, options: { alignment?: number } = {}) {
    this.write = write;
    this.alignment = options.alignment ?? 1;
  }

  /** Adds a file. */
  add(name: string, bytes: Uint8Array): void {
    const entry = {
      name: this.encoder.encode(name),
      crc: checksum(bytes),
      size: bytes.length,
      headerOffset: this.position,
    };
    this.entries.push(entry);
    this.emit(this.localHeader(entry));
    this.emit(bytes);
  }

  /** Writes the directory. Nothing can be added afterwards. */
  finish(): void {
    const start = this.position;
    for (const entry of this.entries) this.emit(directoryRecord(entry));
    this.emit(endRecords(this.entries.length, start, this.position));
  }

  private emit(bytes: Uint8Array): void {
    this.write(bytes);
    this.position += bytes.length;
  }

  private localHeader({ name, crc, size }: WrittenEntry): Uint8Array {
    const isWide = size >= MAX_UINT32;
    const wideBytes = isWide ? 20 : 0;
    const unpadded = 30 + name.length + wideBytes;
    let padding = (this.alignment - ((this.position + unpadded) % this.alignment)) % this.alignment;
    // The padding is an extra field, whose own header takes four bytes.
    while (padding > 0 && padding < 4) padding += this.alignment;

    const header = new DataView(new ArrayBuffer(unpadded + padding));
    header.setUint32(0, 0x04034b50, true);
    header.setUint16(4, isWide ? 45 : 20, true);
    header.setUint16(6, UTF8_NAME, true);
    header.setUint16(12, DATE, true);
    header.setUint32(14, crc, true);
    header.setUint32(18, Math.min(size, MAX_UINT32), true);
    header.setUint32(22, Math.min(size, MAX_UINT32), true);
    header.setUint16(26, name.length, true);
    header.setUint16(28, wideBytes + padding, true);
    const bytes = new Uint8Array(header.buffer);
    bytes.set(name, 30);
    if (isWide) {
      header.setUint16(30 + name.length, 1, true);
      header.setUint16(32 + name.length, 16, true);
      header.setBigUint64(34 + name.length, BigInt(size), true);
      header.setBigUint64(42 + name.length, BigInt(size), true);
    }
    if (padding > 0) {
      header.setUint16(unpadded, PADDING_FIELD, true);
      header.setUint16(unpadded + 2, padding - 4, true);
    }
    return bytes;
  }
}

function directoryRecord({ name, crc, size, headerOffset }: WrittenEntry): Uint8Array {
  const wide = [size, size, headerOffset].filter((value) => value >= MAX_UINT32);
  const extraBytes = wide.length > 0 ? 4 + 8 * wide.length : 0;
  const record = new DataView(new ArrayBuffer(46 + name.length + extraBytes));
  const version = wide.length > 0 ? 45 : 20;
  record.setUint32(0, 0x02014b50, true);
  record.setUint16(4, version, true);
  record.setUint16(6, version, true);
  record.setUint16(8, UTF8_NAME, true);
  record.setUint16(14, DATE, true);
  record.setUint32(16, crc, true);
  record.setUint32(20, Math.min(size, MAX_UINT32), true);
  record.setUint32(24, Math.min(size, MAX_UINT32), true);
  record.setUint16(28, name.length, true);
  record.setUint16(30, extraBytes, true);
  record.setUint32(42, Math.min(headerOffset, MAX_UINT32), true);
  const bytes = new Uint8Array(record.buffer);
  bytes.set(name, 46);
  if (wide.length > 0) {
    const extra = 46 + name.length;
    record.setUint16(extra, 1, true);
    record.setUint16(extra + 2, 8 * wide.length, true);
    for (const [i, value] of wide.entries()) record.setBigUint64(extra + 4 + 8 * i, BigInt(value), true);
  }
  return bytes;
}

function endRecords(count: number, start: number, end: number): Uint8Array {
  const isWide = count >= MAX_UINT16 || start >= MAX_UINT32 || end - start >= MAX_UINT32;
  const wideBytes = isWide ? 76 : 0;
  const records = new DataView(new ArrayBuffer(wideBytes + 22));
  if (isWide) {
    records.setUint32(0, 0x06064b50, true);
    records.setBigUint64(4, 44n, true);
    records.setUint16(12, 45, true);
    records.setUint16(14, 45, true);
    records.setBigUint64(24, BigInt(count), true);
    records.setBigUint64(32, BigInt(count), true);
    records.setBigUint64(40, BigInt(end - start), true);
    records.setBigUint64(48, BigInt(start), true);
    records.setUint32(56, 0x07064b50, true);
    records.setBigUint64(64, BigInt(end), true);
    records.setUint32(72, 1, true);
  }
  records.setUint32(wideBytes, 0x06054b50, true);
  records.setUint16(wideBytes + 8, Math.min(count, MAX_UINT16), true);
  records.setUint16(wideBytes + 10, Math.min(count, MAX_UINT16), true);
  records.setUint32(wideBytes + 12, Math.min(end - start, MAX_UINT32), true);
  records.setUint32(wideBytes + 16, Math.min(start, MAX_UINT32), true);
  return new Uint8Array(records.buffer);
}
