/**
 * @file The numbers of one HDF5 dataset, read in pieces.
 *
 * The library forgets decoded chunks after every call, so reading eight frames at a time out of compressed chunks of 240
 * would decode each chunk thirty times. Reads therefore follow the chunks, and the last chunk that was needed in part is
 * kept.
 */
import { elementCount, type NdArray } from "./array.ts";
import { allocateBytes } from "./byte-source.ts";
import type { LazyArray } from "./lazy.ts";
import type { NumpyType } from "./numpy-types.ts";

/** Most bytes of one call of the library: it has 2 GiB in all, decoded chunks included. */
const LARGEST_CALL = 2 ** 28;

/** Most bytes that are kept for the next read. */
const LARGEST_KEPT = 2 ** 29;

/** A block of elements: first index and length along each axis. */
export interface Hdf5Box {
  readonly start: readonly number[];
  readonly count: readonly number[];
}

/** What {@link Hdf5Dataset} needs to know. */
export interface Hdf5DatasetOptions {
  /** What messages call it. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: NumpyType;
  /** Shape of its chunks, null when it lies in one piece. */
  readonly chunks: readonly number[] | null;
  /** Copies the stored, row-major bytes of a box into `into`. */
  readonly readBox: (box: Hdf5Box, into: Uint8Array) => void;
  /** Makes the error for a number that does not fit into our types. */
  readonly fail: (problem: string) => Error;
}

/** Numbers in an HDF5 file. */
export class Hdf5Dataset implements LazyArray {
  readonly dtype: LazyArray["dtype"];
  readonly shape: readonly number[];
  private readonly options: Hdf5DatasetOptions;
  private readonly rowBytes: number;
  /** Rows of a chunk. */
  private readonly step: number;
  private kept: { readonly start: number; readonly end: number; readonly bytes: Uint8Array } | undefined;

  constructor(options: Hdf5DatasetOptions) {
    this.options = options;
    this.dtype = options.type.dtype;
    this.shape = options.shape;
    this.rowBytes = elementCount(this.shape.slice(1)) * options.type.itemBytes;
    this.step = options.chunks?.[0] ?? 1;
  }

  read(): NdArray {
    const { type, name, fail } = this.options;
    const bytes = allocateBytes(elementCount(this.shape) * type.itemBytes, name);
    this.readPieces({ start: this.shape.map(() => 0), count: this.shape }, bytes);
    return type.decode(bytes, this.shape, fail);
  }

  readRows(start: number, end: number): NdArray {
    const { name, type, fail } = this.options;
    const rows = this.shape[0];
    if (rows === undefined) throw new RangeError(`Cannot read rows of ${name}: it is a single number`);
    if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= rows)) {
      throw new RangeError(`Cannot read rows ${start} to ${end} of ${name}: it has ${rows} rows`);
    }
    const bytes = allocateBytes((end - start) * this.rowBytes, name);
    if (this.isWorthKeeping()) this.readByChunks(start, end, bytes);
    else this.readDirectly(start, end, bytes);
    return type.decode(bytes, [end - start, ...this.shape.slice(1)], fail);
  }

  private isWorthKeeping(): boolean {
    return this.options.chunks !== null && this.step > 1 && this.step * this.rowBytes <= LARGEST_KEPT;
  }

  /** Whole chunks go straight into `into`; chunks at the rims are decoded whole and kept. */
  private readByChunks(start: number, end: number, into: Uint8Array): void {
    const rows = this.shape[0]!;
    let row = start;
    while (row < end) {
      const kept = this.kept;
      const chunkStart = row - (row % this.step);
      const wholeEnd = end === rows ? end : end - (end % this.step);
      const at = (row - start) * this.rowBytes;
      if (kept !== undefined && kept.start <= row && row < kept.end) {
        const until = Math.min(kept.end, end);
        into.set(kept.bytes.subarray((row - kept.start) * this.rowBytes, (until - kept.start) * this.rowBytes), at);
        row = until;
      } else if (row === chunkStart && wholeEnd > row) {
        this.readDirectly(row, wholeEnd, into.subarray(at, at + (wholeEnd - row) * this.rowBytes));
        row = wholeEnd;
      } else {
        const chunkEnd = Math.min(chunkStart + this.step, rows);
        const bytes = allocateBytes((chunkEnd - chunkStart) * this.rowBytes, this.options.name);
        this.readDirectly(chunkStart, chunkEnd, bytes);
        this.kept = { start: chunkStart, end: chunkEnd, bytes };
      }
    }
  }

  private readDirectly(start: number, end: number, into: Uint8Array): void {
    const rest = this.shape.slice(1);
    this.readPieces({ start: [start, ...rest.map(() => 0)], count: [end - start, ...rest] }, into);
  }

  /** Reads a box in calls of at most {@link LARGEST_CALL} bytes, cut between chunks where possible. */
  private readPieces({ start, count }: Hdf5Box, into: Uint8Array): void {
    if (into.length === 0) return;
    // Axes before the first one that is longer than 1 do not interrupt the order of elements, so cut that one.
    const axis = count.findIndex((length) => length > 1);
    if (into.length <= LARGEST_CALL || axis < 0) {
      this.options.readBox({ start, count }, into);
      return;
    }
    const bytesPerIndex = into.length / count[axis]!;
    const chunk = this.options.chunks?.[axis] ?? 1;
    const fitting = Math.max(1, Math.floor(LARGEST_CALL / bytesPerIndex));
    const end = start[axis]! + count[axis]!;
    for (let from = start[axis]!; from < end; ) {
      const aligned = Math.floor((from + fitting) / chunk) * chunk;
      const to = Math.min(end, aligned > from ? aligned : from + fitting);
      const at = (from - start[axis]!) * bytesPerIndex;
      const piece = { start: start.with(axis, from), count: count.with(axis, to - from) };
      this.readPieces(piece, into.subarray(at, at + (to - from) * bytesPerIndex));
      from = to;
    }
  }
}
