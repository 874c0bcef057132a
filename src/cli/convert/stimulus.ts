/**
 * @file The stimulus of a converted recording: frames `[frames, height, width]`, 8-bit grey levels or float32.
 */
import { memoryColumn, rowLength } from "../../data/column.ts";
import { UserError } from "../../errors.ts";
import { bytesPerElement, elementCount, type NdArray, zerosArray } from "../../formats/array.ts";
import type { LazyArray } from "../../formats/lazy.ts";
import { AreaAverage } from "./area-average.ts";
import { convertedColumn } from "./converted-column.ts";
import { type LabelledArray, nameAxes } from "./named-axes.ts";
import { rowChunks } from "./row-chunks.ts";

/** How to read the stimulus. */
export interface StimulusOptions {
  /** Axes of the array: t (frames or images), h, w. Default `t`, `tw` or `thw`, by their number. */
  readonly axes?: string | undefined;
  /** Where the user says so, for messages. */
  readonly axesOption: string;
  /** Part of every frame to keep, before averaging; default all of it. */
  readonly crop?: FrameCrop | undefined;
  /** Pixels to average down to; default those of the array, or of the part. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
  /** Multiplies every pixel, and is added after that. */
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
  /** Default: uint8 when the array is and is not scaled, else float32. */
  readonly dtype?: "uint8" | "float32" | undefined;
}

/** Rows and columns of a frame, counted from 0 at the top left, the second number not included. */
export interface FrameCrop {
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
}

/** A checked stimulus. */
export interface Stimulus {
  /** `[frames, height, width]`, uint8 or float32; computed when read. */
  readonly column: LazyArray;
  /** What messages call it. */
  readonly label: string;
  /** What the user should look at again, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Prepares a stimulus and looks at all of its values.
 *
 * @throws UserError when it cannot be read, its axes do not fit, a value is not a number or beyond the element type, or
 *   it would be enlarged or cropped beyond its rims
 */
export function readStimulus(source: LabelledArray, options: StimulusOptions): Stimulus {
  const { label } = source;
  const { axes, axesOption, height, width, scale, offset } = options;
  const array = nameAxes(source, { axes, wanted: "thw", option: axesOption });
  const [, fileHeight, fileWidth] = array.shape as [number, number, number];
  const crop = options.crop ?? { rows: [0, fileHeight], columns: [0, fileWidth] };
  if (crop.rows[1] > fileHeight || crop.columns[1] > fileWidth) {
    const part = `rows ${crop.rows.join(" to ")} and columns ${crop.columns.join(" to ")}`;
    throw new UserError(`Cannot cut ${part} out of ${label}: its frames have ${fileHeight} x ${fileWidth} pixels`);
  }
  const [cutHeight, cutWidth] = [crop.rows[1] - crop.rows[0], crop.columns[1] - crop.columns[0]];
  const size: [number, number] = [height ?? cutHeight, width ?? cutWidth];
  if (size[0] > cutHeight || size[1] > cutWidth) {
    throw new UserError(
      `Cannot average the frames of ${label} down to ${size.join(" x ")} pixels: they have ${cutHeight} x ${cutWidth}`,
      { hint: "Frames can be made smaller, not larger: see height and width." },
    );
  }
  const isPlain = scale === undefined && offset === undefined;
  const dtype = options.dtype ?? (array.dtype === "uint8" && isPlain ? "uint8" : "float32");
  const pixels = convertedColumn({ array, label }, { dtype, scale, offset });
  const isSmaller = size[0] !== fileHeight || size[1] !== fileWidth;
  const column = isSmaller ? inMemory(new SmallerFrames(pixels, crop, size)) : pixels;
  return { column, label, warnings: checkValues(label, column) };
}

/** Most bytes of smaller frames that are held in memory. */
const HELD_BYTES = 2 ** 29;

/** Frames are read three times until they are written and compared: those that cost work are made once, if they fit. */
function inMemory(frames: LazyArray): LazyArray {
  const bytes = elementCount(frames.shape) * bytesPerElement(frames.dtype);
  return bytes <= HELD_BYTES ? memoryColumn(frames.read()) : frames;
}

/** Bytes of whole frames that are read at a time to make smaller ones. */
const PIECE_BYTES = 2 ** 24;

/** Frames cut out and averaged down to fewer pixels. */
class SmallerFrames implements LazyArray {
  readonly shape: readonly [number, number, number];
  private readonly frames: LazyArray;
  private readonly crop: FrameCrop;
  private readonly average: AreaAverage;

  constructor(frames: LazyArray, crop: FrameCrop, size: readonly [number, number]) {
    this.frames = frames;
    this.crop = crop;
    this.shape = [frames.shape[0]!, ...size];
    this.average = new AreaAverage([crop.rows[1] - crop.rows[0], crop.columns[1] - crop.columns[0]], size);
  }

  get dtype(): LazyArray["dtype"] {
    return this.frames.dtype;
  }

  read(): NdArray {
    return this.readRows(0, this.shape[0]);
  }

  readRows(start: number, end: number): NdArray {
    const [, height, width] = this.shape;
    const result = zerosArray(this.dtype, [end - start, height, width]);
    const data = result.data as Uint8Array | Float32Array;
    const framePixels = rowLength(this.frames.shape);
    // Whole frames may be a thousand times larger than what becomes of them, so few of them are held.
    const step = Math.max(1, Math.floor(PIECE_BYTES / (framePixels * bytesPerElement(this.dtype))));
    const round = this.dtype === "uint8" ? Math.round : (mean: number) => mean;
    for (let first = start; first < end; first += step) {
      const last = Math.min(first + step, end);
      const rows = this.frames.readRows(first, last).data as Uint8Array | Float32Array;
      for (let i = first; i < last; i++) {
        const frame = this.cut(rows.subarray((i - first) * framePixels, (i - first + 1) * framePixels));
        const at = (i - start) * height * width;
        this.average.apply(frame, data.subarray(at, at + height * width), round);
      }
    }
    return result;
  }

  private cut(frame: Uint8Array | Float32Array): Uint8Array | Float32Array {
    const fileWidth = this.frames.shape[2]!;
    const { rows, columns } = this.crop;
    if (frame.length === (rows[1] - rows[0]) * (columns[1] - columns[0])) return frame;
    const width = columns[1] - columns[0];
    const part = frame.slice(0, (rows[1] - rows[0]) * width);
    for (let row = rows[0]; row < rows[1]; row++) {
      const at = row * fileWidth + columns[0];
      part.set(frame.subarray(at, at + width), (row - rows[0]) * width);
    }
    return part;
  }
}

function checkValues(label: string, column: LazyArray): string[] {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { start, rows } of rowChunks(column)) {
    const data = rows.data as Uint8Array | Float32Array;
    for (let i = 0; i < data.length; i++) {
      const value = data[i]!;
      if (!Number.isFinite(value)) {
        const frame = start + Math.floor(i / (data.length / rows.shape[0]!));
        throw new UserError(`Cannot use ${label}: frame ${frame} (counted from 0) has a pixel that is ${value}`, {
          hint: "Fill or cut such frames before converting.",
        });
      }
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (min === max) return [`The stimulus in ${label} is ${min} everywhere.`];
  if (column.dtype === "float32" && Math.max(-min, max) > 10) {
    return [
      `The stimulus in ${label} ranges from ${min} to ${max}; models expect about -1 to 1. ` +
        "Scale it, or store grey levels 0 to 255 as uint8, which are scaled when they are loaded.",
    ];
  }
  if (column.dtype === "uint8" && max <= 1) {
    return [`The stimulus in ${label} is uint8 but only 0 and 1; grey levels are 0 to 255. Store it as float32.`];
  }
  return [];
}
