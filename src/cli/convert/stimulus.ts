/**
 * @file The stimulus of a converted recording: frames `[frames, height, width]`, 8-bit grey levels or float32.
 */
import { UserError } from "../../errors.ts";
import { type NdArray, zerosArray } from "../../formats/array.ts";
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
  /** Pixels to average down to; default those of the array. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
  /** Multiplies every pixel, and is added after that. */
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
  /** Default: uint8 when the array is and is not scaled, else float32. */
  readonly dtype?: "uint8" | "float32" | undefined;
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
 *   it would be enlarged
 */
export function readStimulus(source: LabelledArray, options: StimulusOptions): Stimulus {
  const { label } = source;
  const { axes, axesOption, height, width, scale, offset } = options;
  const array = nameAxes(source, { axes, wanted: "thw", option: axesOption });
  const [, fileHeight, fileWidth] = array.shape as [number, number, number];
  const size: [number, number] = [height ?? fileHeight, width ?? fileWidth];
  if (size[0] > fileHeight || size[1] > fileWidth) {
    throw new UserError(
      `Cannot average the frames of ${label} down to ${size.join(" x ")} pixels: they have ${fileHeight} x ${fileWidth}`,
      { hint: "Frames can be made smaller, not larger: see height and width." },
    );
  }
  const isPlain = scale === undefined && offset === undefined;
  const dtype = options.dtype ?? (array.dtype === "uint8" && isPlain ? "uint8" : "float32");
  const pixels = convertedColumn({ array, label }, { dtype, scale, offset });
  const isSmaller = size[0] !== fileHeight || size[1] !== fileWidth;
  const column = isSmaller ? new SmallerFrames(pixels, size) : pixels;
  return { column, label, warnings: checkValues(label, column) };
}

/** Frames averaged down to fewer pixels. */
class SmallerFrames implements LazyArray {
  readonly shape: readonly [number, number, number];
  private readonly frames: LazyArray;
  private readonly average: AreaAverage;

  constructor(frames: LazyArray, size: readonly [number, number]) {
    const [count, height, width] = frames.shape as [number, number, number];
    this.frames = frames;
    this.shape = [count, ...size];
    this.average = new AreaAverage([height, width], size);
  }

  get dtype(): LazyArray["dtype"] {
    return this.frames.dtype;
  }

  read(): NdArray {
    return this.readRows(0, this.shape[0]);
  }

  readRows(start: number, end: number): NdArray {
    const rows = this.frames.readRows(start, end).data as Uint8Array | Float32Array;
    const [, height, width] = this.shape;
    const result = zerosArray(this.dtype, [end - start, height, width]);
    const data = result.data as Uint8Array | Float32Array;
    const framePixels = this.frames.shape[1]! * this.frames.shape[2]!;
    const round = this.dtype === "uint8" ? Math.round : (mean: number) => mean;
    for (let i = 0; i < end - start; i++) {
      const frame = rows.subarray(i * framePixels, (i + 1) * framePixels);
      this.average.apply(frame, data.subarray(i * height * width, (i + 1) * height * width), round);
    }
    return result;
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
