/**
 * @file Protocol Buffers, written only: messages are put together from field numbers, as the formats that need them are
 * small. Follows the wire format of the language guide, proto3.
 */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Field numbers start at 1; the wire type takes the lowest three bits of the tag. */
const LARGEST_FIELD = 2 ** 29 - 1;

/**
 * A message in the making. Every method appends one field and returns the message.
 *
 * @example
 * new Message().string(1, "loss").message(2, new Message().double(1, 0.5)).bytes
 */
export class Message {
  readonly #parts: Uint8Array[] = [];

  /** Types int32, int64, uint32, uint64, bool and enumerations; negative numbers take ten bytes, as in int32 and int64. */
  int(field: number, value: number | bigint | boolean): this {
    this.#tag(field, VARINT);
    this.#parts.push(varint(BigInt(value)));
    return this;
  }

  /** Type double. */
  double(field: number, value: number): this {
    this.#tag(field, FIXED64);
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#parts.push(bytes);
    return this;
  }

  /** Type float: rounded to single precision. */
  float(field: number, value: number): this {
    this.#tag(field, FIXED32);
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    this.#parts.push(bytes);
    return this;
  }

  /** Type string. */
  string(field: number, value: string): this {
    return this.#block(field, Buffer.from(value, "utf8"));
  }

  /** A message within this one. */
  message(field: number, value: Message): this {
    return this.#block(field, value.bytes);
  }

  /** The bytes of all fields so far. */
  get bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }

  #block(field: number, bytes: Uint8Array): this {
    this.#tag(field, BYTES);
    this.#parts.push(varint(BigInt(bytes.length)), bytes);
    return this;
  }

  #tag(field: number, wireType: number): void {
    if (!(Number.isInteger(field) && field >= 1 && field <= LARGEST_FIELD)) {
      throw new RangeError(`Cannot write protobuf field ${field}: expected a number from 1 to ${LARGEST_FIELD}`);
    }
    this.#parts.push(varint((BigInt(field) << 3n) | BigInt(wireType)));
  }
}

/** Seven bits a byte, lowest first; the highest bit says that more follow. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
