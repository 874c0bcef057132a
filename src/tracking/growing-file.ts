/** @file A file that grows by whole records: one that could not be written is overwritten by the next. */
import { closeSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { attemptWrite } from "./attempt-write.ts";

/** A new file, open until {@link close}. */
export class GrowingFile {
  readonly path: string;
  readonly #fd: number;
  #size = 0;

  /** @throws UserError when the file exists or cannot be made */
  constructor(path: string) {
    this.path = path;
    this.#fd = attemptWrite(path, () => openSync(path, "wx"));
  }

  /** Bytes of the complete records. */
  get size(): number {
    return this.#size;
  }

  /**
   * Adds a record, all of it or nothing.
   *
   * @throws UserError when the disk is full and the like
   */
  append(record: Uint8Array): void {
    attemptWrite(this.path, () => {
      let done = 0;
      while (done < record.length) done += writeSync(this.#fd, record, done, record.length - done, this.#size + done);
    });
    this.#size += record.length;
  }

  /** Cuts off what is left of a record that could not be written, and makes sure that the disk has the others. */
  close(): void {
    try {
      attemptWrite(this.path, () => {
        ftruncateSync(this.#fd, this.#size);
        fsyncSync(this.#fd);
      });
    } finally {
      closeSync(this.#fd);
    }
  }
}
