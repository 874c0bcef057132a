/**
 * @file The file of a W&B run, `run-<id>.wandb`: protobuf records in the framing of LevelDB's log.
 *
 * The file is divided into blocks of 32 KiB, its 7-byte header being part of the first. A record is one chunk, or several when
 * it crosses a block's end; a chunk is CRC-32 of type and data (not LevelDB's masked CRC-32C), length, type, data. What is too
 * small for a chunk's head at the end of a block is zero.
 */
import { crc32 } from "node:zlib";
import { Message } from "../formats/protobuf.ts";
import { GrowingFile } from "./growing-file.ts";

const FILE_HEADER = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0);
const BLOCK = 32 * 1024;
const CHUNK_HEAD = 7;
const FULL = 1;
const FIRST = 2;
const MIDDLE = 3;
const LAST = 4;

const NUMBER = 1;

/** Kinds of records, by the field of wandb_internal.Record that holds them. */
export const RECORD = {
  history: 2,
  summary: 3,
  files: 6,
  telemetry: 11,
  metric: 12,
  run: 17,
  exit: 18,
  header: 21,
} as const;

/** A log in the making. */
export class WandbLog {
  readonly #file: GrowingFile;
  #records = 0;

  /** @throws UserError when the file exists or cannot be made */
  constructor(path: string) {
    this.#file = new GrowingFile(path);
    this.#file.append(FILE_HEADER);
  }

  /** @throws UserError when the disk is full and the like; the file then ends with the record before */
  write(kind: keyof typeof RECORD, content: Message): void {
    const record = new Message().int(NUMBER, this.#records + 1).message(RECORD[kind], content);
    this.#file.append(inChunks(record.bytes, this.#file.size));
    this.#records++;
  }

  /** Makes sure that the disk has everything. */
  close(): void {
    this.#file.close();
  }
}

/** A record as it stands in a file from byte `position` on. */
function inChunks(record: Uint8Array, position: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let left = BLOCK - (position % BLOCK);
  if (left < CHUNK_HEAD) {
    parts.push(new Uint8Array(left));
    left = BLOCK;
  }
  let done = 0;
  // The first chunk is empty when a block has just enough left for its head.
  for (let isFirst = true; isFirst || done < record.length; isFirst = false) {
    const data = record.subarray(done, done + left - CHUNK_HEAD);
    done += data.length;
    const isLast = done === record.length;
    parts.push(chunk(isFirst ? (isLast ? FULL : FIRST) : isLast ? LAST : MIDDLE, data));
    left = BLOCK;
  }
  return Buffer.concat(parts);
}

function chunk(type: number, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(CHUNK_HEAD + data.length);
  bytes.writeUInt16LE(data.length, 4);
  bytes[6] = type;
  bytes.set(data, CHUNK_HEAD);
  bytes.writeUInt32LE(crc32(bytes.subarray(6)), 0);
  return bytes;
}
