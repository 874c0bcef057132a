/**
 * @file Long columns a piece at a time, so that their length is not limited by memory.
 */
import { rowLength } from "../../data/column.ts";
import { bytesPerElement, type NdArray } from "../../formats/array.ts";
import type { LazyArray } from "../../formats/lazy.ts";

const CHUNK_BYTES = 2 ** 24;

/** All rows of a column in order, a few megabytes at a time. */
export function* rowChunks(column: LazyArray): Generator<{ start: number; rows: NdArray }> {
  const frames = column.shape[0] ?? 0;
  const rowBytes = Math.max(1, rowLength(column.shape) * bytesPerElement(column.dtype));
  const step = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
  for (let start = 0; start < frames; start += step) {
    yield { start, rows: column.readRows(start, Math.min(start + step, frames)) };
  }
}
