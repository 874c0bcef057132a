/**
 * @file Writing plain data as a Python pickle, protocol 2: what every Python from 2.3 on reads. The counterpart of
 * pickle.ts, as small as its purpose: collections, numbers, texts, and calls that the caller spells out.
 */

/** Values that have a counterpart in Python: a Map is a dictionary, an array a list, a whole number an int. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly PickleValue[]
  | ReadonlyMap<string, PickleValue>
  | PickleCall;

/** A value made by a Python function when the pickle is read: `emit` writes it. */
export class PickleCall {
  readonly emit: (writer: PickleWriter) => void;

  constructor(emit: (writer: PickleWriter) => void) {
    this.emit = emit;
  }
}

const encoder = new TextEncoder();

/** The bytes of a pickle in the making. */
export class PickleWriter {
  private bytes = new Uint8Array(1024);
  private length = 0;

  constructor() {
    this.code("\x80").byte(2);
  }

  /** Any value. Objects that contain themselves are not noticed. */
  value(value: PickleValue): this {
    if (value === null) return this.code("N");
    if (typeof value === "boolean") return this.code(value ? "\x88" : "\x89");
    if (typeof value === "number") return isWhole(value) ? this.integer(BigInt(value)) : this.float(value);
    if (typeof value === "bigint") return this.integer(value);
    if (typeof value === "string") return this.text(value);
    if (value instanceof PickleCall) {
      value.emit(this);
      return this;
    }
    return value instanceof Map ? this.dict(value) : this.list(value as readonly PickleValue[]);
  }

  /** A tuple. */
  tuple(items: readonly PickleValue[]): this {
    if (items.length === 0) return this.code(")");
    this.code("(");
    for (const item of items) this.value(item);
    return this.code("t");
  }

  /** A class or function by the module that has it. */
  global(module: string, name: string): this {
    return this.code(`c${module}\n${name}\n`);
  }

  /** Calls what {@link global} put there with the tuple behind it. */
  reduce(): this {
    return this.code("R");
  }

  /** Makes a reference out of the tuple before it; the reader of the pickle knows to what. */
  persistentId(): this {
    return this.code("Q");
  }

  /** The whole pickle. Nothing can be added afterwards. */
  finish(): Uint8Array {
    this.code(".");
    return this.bytes.subarray(0, this.length);
  }

  /** The items of a dictionary that was just made. */
  items(entries: ReadonlyMap<string, PickleValue>): this {
    if (entries.size === 0) return this;
    this.code("(");
    for (const [key, item] of entries) this.text(key).value(item);
    return this.code("u");
  }

  private dict(entries: ReadonlyMap<string, PickleValue>): this {
    return this.code("}").items(entries);
  }

  private list(items: readonly PickleValue[]): this {
    this.code("]");
    if (items.length === 0) return this;
    this.code("(");
    for (const item of items) this.value(item);
    return this.code("e");
  }

  private text(value: string): this {
    const utf8 = encoder.encode(value);
    return this.code("X").word(utf8.length).raw(utf8);
  }

  private integer(value: bigint): this {
    if (value >= 0n && value < 256n) return this.code("K").byte(Number(value));
    if (BigInt.asIntN(32, value) === value) return this.code("J").word(Number(value));
    // Two's complement with room for the sign.
    const size = Math.ceil((value.toString(2).replace("-", "").length + 1) / 8);
    if (size > 255) throw new RangeError(`Cannot pickle an integer of ${size} bytes`);
    this.code("\x8a").byte(size);
    for (let i = 0; i < size; i++) this.byte(Number((value >> BigInt(8 * i)) & 255n));
    return this;
  }

  private float(value: number): this {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setFloat64(0, value);
    return this.code("G").raw(new Uint8Array(bytes.buffer));
  }

  private code(latin1: string): this {
    return this.raw(Uint8Array.from(latin1, (letter) => letter.charCodeAt(0)));
  }

  private byte(value: number): this {
    return this.raw(Uint8Array.of(value));
  }

  private word(value: number): this {
    const bytes = new DataView(new ArrayBuffer(4));
    bytes.setInt32(0, value, true);
    return this.raw(new Uint8Array(bytes.buffer));
  }

  private raw(more: Uint8Array): this {
    if (this.length + more.length > this.bytes.length) {
      const larger = new Uint8Array(2 * (this.length + more.length));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.bytes.set(more, this.length);
    this.length += more.length;
    return this;
  }
}

/** -0 has no counterpart among Python's ints. */
function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0);
}
