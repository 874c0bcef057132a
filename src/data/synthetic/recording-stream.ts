/**
 * @file A recording written trial by trial, in our own format (data specification, section 4.4): the same files as
 * `writeRecording` writes, without ever holding all of it.
 */
import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { arrayBytes, type NdArray } from "../../formats/array.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { createSafetensorsWriter, type SafetensorsWriter } from "../../formats/safetensors.ts";
import { jsonMetadata } from "../json-metadata.ts";
import { RECORDING_SCHEMA } from "../recording-files.ts";

/** What is known of a recording before its first row. */
export interface RecordingStreamOptions {
  /** Folder the files go to; it must exist. */
  folder: string;
  /** Stimulus type. */
  type: string;
  /** Rows in all. */
  frames: number;
  /** Frames per second. */
  rateHz: number;
  metadata: Readonly<Record<string, unknown>>;
}

/** Writes `<type>.safetensors` and `<type>.json`. Both appear with {@link finish}; until then there is no trace of them. */
export class RecordingStream {
  private readonly options: RecordingStreamOptions;
  private writer: SafetensorsWriter | undefined;
  private readonly digests = new Map<string, Hash>();
  private units: number | null = null;

  constructor(options: RecordingStreamOptions) {
    this.options = options;
  }

  /**
   * Appends rows. The first ones decide which keys there are, and their types.
   *
   * @param columns each [rows, ...]
   * @throws UserError when the disk is full and the like
   */
  append(columns: ReadonlyMap<string, NdArray>): void {
    this.writer ??= this.start(columns);
    for (const [key, rows] of columns) {
      this.writer.append(key, rows);
      this.digests.get(key)!.update(arrayBytes(rows));
    }
  }

  /** Puts both files in their place. Throws a RangeError when rows are missing. */
  finish(): void {
    const { folder, type, frames, rateHz, metadata } = this.options;
    if (this.writer === undefined) throw new RangeError(`Cannot finish recording "${type}": it has no rows`);
    this.writer.finish();
    const header = {
      schema: RECORDING_SCHEMA,
      name: type,
      frames,
      units: this.units,
      rate_hz: rateHz,
      key_order: [...this.digests.keys()],
      sha256: Object.fromEntries([...this.digests].map(([key, hash]) => [key, hash.digest("hex")])),
      source: null,
      metadata: jsonMetadata(metadata, type),
    };
    writeFileAtomic(join(folder, `${type}.json`), `${JSON.stringify(header, null, 1)}\n`);
  }

  /** Gives up and removes what was written; does nothing after {@link finish}. */
  abort(): void {
    this.writer?.abort();
  }

  private start(columns: ReadonlyMap<string, NdArray>): SafetensorsWriter {
    const { folder, type, frames } = this.options;
    for (const key of columns.keys()) this.digests.set(key, createHash("sha256"));
    this.units = columns.get("robs")?.shape[1] ?? null;
    const declared = [...columns].map(
      ([key, { dtype, shape }]) => [key, { dtype, shape: [frames, ...shape.slice(1)] }] as const,
    );
    return createSafetensorsWriter(join(folder, `${type}.safetensors`), new Map(declared));
  }
}
