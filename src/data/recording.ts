/**
 * @file A recording: covariates of equal length in time, and metadata (data specification, section 4.1).
 */
import { didYouMean, UserError } from "../errors.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { memoryColumn, toFloat32 } from "./column.ts";

/** An array in memory, or one that is still in its file. */
export type ColumnData = NdArray | LazyArray;

/**
 * An ordered map from keys (`stim`, `robs`, `eyepos`, …) to arrays `[frames, ...]`, with metadata of its own.
 *
 * Columns may stay in their file until they are asked for: {@link Recording.column} never loads, {@link Recording.get}
 * loads the whole column once and keeps it.
 */
export class Recording {
  /** Stimulus type, `backimage` for example. */
  readonly type: string;
  /** Name of the session, empty when it has none. */
  readonly session: string;
  /** Session and type, for messages. */
  readonly name: string;
  /** Frames. */
  readonly length: number;
  readonly metadata: Readonly<Record<string, unknown>>;
  private readonly columns = new Map<string, LazyArray>();

  /**
   * @param session name of the session, for messages
   * @throws UserError when there are no columns, or columns differ in their number of frames
   */
  constructor(
    type: string,
    columns: Iterable<readonly [key: string, data: ColumnData]>,
    metadata: Readonly<Record<string, unknown>> = {},
    session = "",
  ) {
    this.type = type;
    this.session = session;
    this.name = session === "" ? type : `${session}/${type}`;
    this.metadata = { ...metadata };
    for (const [key, data] of columns) this.columns.set(key, asColumn(data));
    const [first] = this.columns;
    if (first === undefined) throw new UserError(`Recording "${this.name}" has no covariates`);
    this.length = frames(this.name, first[0], first[1]);
    for (const [key, column] of this.columns) this.checkLength(key, column, `"${first[0]}" has`);
  }

  /** Keys in order. */
  keys(): string[] {
    return [...this.columns.keys()];
  }

  has(key: string): boolean {
    return this.columns.has(key);
  }

  /**
   * A column, in its file if that is where it is.
   *
   * @throws UserError when there is none, with the closest key
   */
  column(key: string): LazyArray {
    const column = this.columns.get(key);
    if (column !== undefined) return column;
    const similar = didYouMean(key, this.columns.keys());
    throw new UserError(`Recording "${this.name}" has no "${key}": it has ${this.keys().join(", ")}`, {
      hint: similar === undefined ? undefined : `Did you mean "${similar}"?`,
    });
  }

  /**
   * The elements of a column; one from a file is loaded and kept.
   *
   * @throws UserError when there is none, with the closest key
   */
  get(key: string): NdArray {
    const array = this.column(key).read();
    this.columns.set(key, memoryColumn(array));
    return array;
  }

  /**
   * A column of one number per frame, as ordinary numbers, [frames].
   *
   * @throws UserError when there is none, or it has more than one number per frame
   */
  numbers(key: string): Float64Array {
    const array = this.get(key);
    if (array.data.length === this.length) return toFloat64(array);
    throw new UserError(
      `"${key}" of recording "${this.name}" has shape [${array.shape.join(", ")}]: expected one number per frame`,
    );
  }

  /** A column as float32, any shape. */
  floats(key: string): NdArray & { data: Float32Array } {
    return toFloat32(this.get(key));
  }

  /**
   * Stores a column, under its old place if the key exists and last otherwise.
   *
   * @throws UserError when it has a different number of frames
   */
  set(key: string, data: ColumnData): void {
    const column = asColumn(data);
    this.checkLength(key, column, "the others have");
    this.columns.set(key, column);
  }

  /** The same frames with these keys only, in this recording's order; arrays are shared. */
  pick(keys: ReadonlySet<string>): Recording {
    const kept = [...this.columns].filter(([key]) => keys.has(key));
    return new Recording(this.type, kept, this.metadata, this.session);
  }

  private checkLength(key: string, column: LazyArray, others: string): void {
    const length = frames(this.name, key, column);
    if (length === this.length) return;
    throw new UserError(
      `Recording "${this.name}" is inconsistent: "${key}" has ${length} frames, ${others} ${this.length}`,
      { hint: "Every covariate needs one row per frame; export the recording again." },
    );
  }
}

function asColumn(data: ColumnData): LazyArray {
  return "data" in data ? memoryColumn(data) : data;
}

function frames(name: string, key: string, { shape }: LazyArray): number {
  if (shape[0] !== undefined) return shape[0];
  throw new UserError(`"${key}" of recording "${name}" is a single number: expected one row per frame`);
}
