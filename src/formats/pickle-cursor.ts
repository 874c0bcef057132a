/** @file Reading the arguments of pickle opcodes one after the other, never beyond the end. */

/** What a pickled object cannot be made into, or how a pickle is damaged. */
export class PickleError extends Error {}

const LONGEST_INTEGER = 1024;

/** A position in the bytes of a pickle. Every method throws a {@link PickleError} when the bytes end too early. */
export class PickleCursor {
  position = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint(length: 1 | 2 | 4): number {
    const start = this.take(length);
    if (length === 1) return this.view.getUint8(start);
    return length === 2 ? this.view.getUint16(start, true) : this.view.getUint32(start, true);
  }

  uint64(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }

  int32(): number {
    return this.view.getInt32(this.take(4), true);
  }

  float64(): number {
    return this.view.getFloat64(this.take(8));
  }

  /** A little-endian two's complement integer; bigint only where a number would lose digits. */
  long(length: number): number | bigint {
    if (length > LONGEST_INTEGER) throw new PickleError(`an integer of ${length} bytes is too large`);
    let value = 0n;
    for (const byte of this.blob(length).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  /** A copy of the next bytes. */
  blob(length: number): Uint8Array {
    const start = this.take(length);
    // A Buffer's own slice() would not copy.
    return new Uint8Array(this.bytes.subarray(start, start + length));
  }

  text(length: number): string {
    try {
      return this.decoder.decode(this.blob(length));
    } catch (error) {
      if (error instanceof TypeError) throw new PickleError("a string is not valid UTF-8");
      throw error;
    }
  }

  latin1(length: number): string {
    return Buffer.from(this.blob(length)).toString("latin1");
  }

  /** Text up to the next line feed, which is skipped. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0) throw new PickleError("a line has no end");
    const line = this.latin1(end - this.position);
    this.position = end + 1;
    return line;
  }

  private take(length: number): number {
    const start = this.position;
    if (length > this.bytes.length - start) throw new PickleError(`the pickle ends after ${this.bytes.length} bytes`);
    this.position = start + length;
    return start;
  }
}
