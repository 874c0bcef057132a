/**
 * @file Readers of W&B's and TensorBoard's files for tests, which share nothing with the writers: checksums bit by bit,
 * messages by their schemas.
 */
import { readFileSync } from "node:fs";
import { type ReadMessage, readMessage, type Schema } from "../formats/protobuf-reader.fake.ts";

const JSON_ITEM: Schema = { 1: ["key", "string"], 2: ["nested", "string"], 16: ["json", "string"] };
const ITEMS: Schema = { 1: ["item", JSON_ITEM], 2: ["step", { 1: ["num", "int"] }] };
const WANDB_RECORD: Schema = {
  1: ["num", "int"],
  2: ["history", ITEMS],
  3: ["summary", { 1: ["item", JSON_ITEM] }],
  6: ["files", { 1: ["file", { 1: ["path", "string"] }] }],
  11: ["telemetry", {}],
  12: [
    "metric",
    {
      1: ["name", "string"],
      2: ["glob", "string"],
      4: ["axis", "string"],
      6: ["options", { 1: ["stepSync", "int"], 3: ["defined", "int"] }],
    },
  ],
  17: [
    "run",
    {
      1: ["id", "string"],
      2: ["entity", "string"],
      3: ["project", "string"],
      4: ["config", { 1: ["item", JSON_ITEM] }],
      8: ["name", "string"],
      18: ["resumed", "int"],
      19: ["telemetry", { 13: ["platform", "string"] }],
    },
  ],
  18: ["exit", { 1: ["code", "int"], 2: ["runtime", "int"] }],
  21: ["header", { 1: ["version", { 1: ["producer", "string"], 2: ["minConsumer", "string"] }] }],
};
const EVENT: Schema = {
  1: ["time", "double"],
  2: ["step", "int"],
  3: ["version", "string"],
  5: ["summary", { 1: ["value", { 1: ["tag", "string"], 2: ["simple", "float"] }] }],
  7: ["session", { 1: ["status", "int"] }],
};

/** The records of a W&B log. Checks header, checksums and the order of chunks. */
export function readWandbLog(path: string): ReadMessage[] {
  const file = readFileSync(path);
  if (file.subarray(0, 7).toString("hex") !== "3a572642e1be00") throw new Error("Not the header of a W&B log");
  const records: ReadMessage[] = [];
  let open: Buffer[] | undefined;
  for (let at = 7; at < file.length; ) {
    const left = 32768 - (at % 32768);
    if (left < 7) {
      if (file.subarray(at, at + left).some((byte) => byte !== 0)) throw new Error(`Bytes at a block's end, ${at}`);
      at += left;
      continue;
    }
    const [crc, length, type] = [file.readUInt32LE(at), file.readUInt16LE(at + 4), file.readUInt8(at + 6)];
    if (length + 7 > left) throw new Error(`The chunk at ${at} crosses a block's end`);
    if (crc !== checksum(file.subarray(at + 6, at + 7 + length), 0xedb88320)) throw new Error(`Checksum at ${at}`);
    const data = file.subarray(at + 7, at + 7 + length);
    const begins = type === 1 || type === 2;
    if (begins !== (open === undefined)) throw new Error(`A chunk of type ${type} at ${at} is out of place`);
    open = [...(open ?? []), data];
    if (type === 1 || type === 4) {
      records.push(readMessage(Buffer.concat(open), WANDB_RECORD));
      open = undefined;
    }
    at += 7 + length;
  }
  return records;
}

/** The values of a history, summary or configuration record by key, as JSON texts. */
export function jsonItems(record: ReadMessage): Record<string, string> {
  const items = (record.item ?? []) as ReadMessage[];
  return Object.fromEntries(items.map(({ key, nested, json }) => [key?.[0] ?? nested!.join("."), json![0] as string]));
}

/** The events of a TensorBoard file. Checks lengths and checksums. */
export function readEvents(path: string): ReadMessage[] {
  const file = readFileSync(path);
  const events: ReadMessage[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    if (file.readUInt32LE(at + 8) !== masked(file.subarray(at, at + 8)))
      throw new Error(`Checksum of the length at ${at}`);
    if (file.readUInt32LE(at + 12 + length) !== masked(data)) throw new Error(`Checksum of the event at ${at}`);
    events.push(readMessage(data, EVENT));
    at += length + 16;
  }
  return events;
}

/** The values of an event by tag. */
export function scalarsOf({ summary = [] }: ReadMessage): Record<string, number> {
  const values = (summary as ReadMessage[]).flatMap(({ value = [] }) => value as ReadMessage[]);
  return Object.fromEntries(values.map(({ tag, simple }) => [tag![0], simple![0] as number]));
}

function checksum(bytes: Buffer, polynomial: number): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc % 2n === 1n ? (crc / 2n) ^ BigInt(polynomial) : crc / 2n;
  }
  return Number(crc ^ 0xffffffffn);
}

function masked(bytes: Buffer): number {
  const crc = BigInt(checksum(bytes, 0x82f63b78));
  return Number((crc / 32768n + ((crc * 131072n) % 4294967296n) + 0xa282ead8n) % 4294967296n);
}
