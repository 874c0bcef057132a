/**
 * @file A reader of Protocol Buffers for tests. It shares nothing with the writer.
 */

/** A field: its number, and an integer, bytes, or the raw 4 or 8 bytes of a float or double. */
export interface Field {
  number: number;
  value: bigint | Buffer;
}

/** The fields of a message, in order. */
export function readFields(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value += BigInt(byte % 128) << shift;
      if (byte < 128) return value;
    }
  };
  const block = (length: number) => {
    if (at + length > bytes.length) throw new Error(`A field of ${length} bytes ends beyond the message`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const wireType = Number(tag % 8n);
    if (![0, 1, 2, 5].includes(wireType)) throw new Error(`Wire type ${wireType} before byte ${at}`);
    const value = wireType === 0 ? varint() : block(wireType === 1 ? 8 : wireType === 5 ? 4 : Number(varint()));
    fields.push({ number: Number(tag / 8n), value });
  }
  return fields;
}

/** Names and types of a message's fields by number; a message within it is a schema. */
export interface Schema {
  [number: number]: readonly [name: string, type: "int" | "string" | "float" | "double" | Schema];
}

/** A message that was read: the values of each field. */
export interface ReadMessage {
  [field: string]: (number | string | ReadMessage)[] | undefined;
}

/** A message as an object with a list of values for every field that occurs; fields that the schema lacks are left out. */
export function readMessage(bytes: Buffer, schema: Schema): ReadMessage {
  const message: ReadMessage = {};
  for (const { number, value } of readFields(bytes)) {
    const [name, type] = schema[number] ?? [];
    if (name === undefined || type === undefined) continue;
    message[name] = [...(message[name] ?? []), readValue(value, type)];
  }
  return message;
}

function readValue(value: bigint | Buffer, type: Schema[number][1]): number | string | ReadMessage {
  if (type === "int") return Number(BigInt.asIntN(64, value as bigint));
  const bytes = value as Buffer;
  if (type === "string") return bytes.toString("utf8");
  if (type === "float") return bytes.readFloatLE();
  if (type === "double") return bytes.readDoubleLE();
  return readMessage(bytes, type);
}
