/**
 * @file The stimulus of a converted recording: frames `[frames, height, width]`, 8-bit grey levels or float32.
 */
import { toFloat32 } from "../../data/column.ts";
import { UserError } from "../../errors.ts";
import { type NdArray, zerosArray } from "../../formats/array.ts";
import type { LazyArray } from "../../formats/lazy.ts";
import { AreaAverage } from "./area-average.ts";
import { openNamedAxes } from "./npy-source.ts";
import { rowChunks } from "./row-chunks.ts";

/** How to read the stimulus file. */
export interface StimulusOptions {
  readonly path: string;
  /** Axes of the file: t (frames or images), h, w. Default `t`, `tw` or `thw`, by their number. */
  readonly axes?: string | undefined;
  /** Pixels to average down to; default those of the file. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
}

/** A checked stimulus. */
export interface Stimulus {
  /** `[frames, height, width]`, uint8 if the file is and float32 otherwise; computed when read. */
  readonly column: LazyArray;
  /** What the user should look at again, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Opens a stimulus and looks at all of its values.
 *
 * @throws UserError when the file cannot be read, its axes do not fit, a value is not a number, or it would be enlarged
 */
export function openStimulus({ path, axes, height, width }: StimulusOptions): Stimulus {
  const file = openNamedAxes(path, { axes, wanted: "thw", flag: "--stim-axes" });
  const [, fileHeight, fileWidth] = file.shape as [number, number, number];
  const size: [number, number] = [height ?? fileHeight, width ?? fileWidth];
  if (size[0] > fileHeight || size[1] > fileWidth) {
    throw new UserError(
      `Cannot average the frames of "${path}" down to ${size.join(" x ")} pixels: they have ${fileHeight} x ${fileWidth}`,
      { hint: "Frames can be made smaller, not larger: --height and --width." },
    );
  }
  const column = new StimulusColumn(file, size);
  return { column, warnings: checkValues(path, column) };
}

/** Frames of a file in the element type and size of the recording. */
class StimulusColumn implements LazyArray {
  readonly dtype: "uint8" | "float32";
  readonly shape: readonly [number, number, number];
  private readonly file: LazyArray;
  private readonly average: AreaAverage | undefined;

  constructor(file: LazyArray, [height, width]: readonly [number, number]) {
    const [frames, fileHeight, fileWidth] = file.shape as [number, number, number];
    this.file = file;
    this.dtype = file.dtype === "uint8" ? "uint8" : "float32";
    this.shape = [frames, height, width];
    const isSmaller = height !== fileHeight || width !== fileWidth;
    this.average = isSmaller ? new AreaAverage([fileHeight, fileWidth], [height, width]) : undefined;
  }

  read(): NdArray {
    return this.readRows(0, this.shape[0]);
  }

  readRows(start: number, end: number): NdArray {
    const stored = this.file.readRows(start, end);
    const rows = this.dtype === "uint8" ? stored : toFloat32(stored);
    if (this.average === undefined) return rows;
    const [, height, width] = this.shape;
    const result = zerosArray(this.dtype, [end - start, height, width]);
    const data = result.data as Uint8Array | Float32Array;
    const framePixels = this.file.shape[1]! * this.file.shape[2]!;
    const round = this.dtype === "uint8" ? Math.round : (mean: number) => mean;
    for (let i = 0; i < end - start; i++) {
      const frame = (rows.data as Uint8Array | Float32Array).subarray(i * framePixels, (i + 1) * framePixels);
      this.average.apply(frame, data.subarray(i * height * width, (i + 1) * height * width), round);
    }
    return result;
  }
}

function checkValues(path: string, column: LazyArray): string[] {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { start, rows } of rowChunks(column)) {
    const data = rows.data as Uint8Array | Float32Array;
    for (let i = 0; i < data.length; i++) {
      const value = data[i]!;
      if (!Number.isFinite(value)) {
        const frame = start + Math.floor(i / (data.length / rows.shape[0]!));
        throw new UserError(`Cannot use "${path}": frame ${frame} (counted from 0) has a pixel that is ${value}`, {
          hint: "Fill or cut such frames before converting.",
        });
      }
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  if (min === max) return [`The stimulus in "${path}" is ${min} everywhere.`];
  if (column.dtype === "float32" && Math.max(-min, max) > 10) {
    return [
      `The stimulus in "${path}" ranges from ${min} to ${max}; models expect about -1 to 1. ` +
        "Scale it, or store grey levels 0 to 255 as uint8, which are scaled when they are loaded.",
    ];
  }
  if (column.dtype === "uint8" && max <= 1) {
    return [`The stimulus in "${path}" is uint8 but only 0 and 1; grey levels are 0 to 255. Store it as float32.`];
  }
  return [];
}
