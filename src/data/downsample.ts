/**
 * @file From the recorded rate to the rate the model works at: every covariate in bins of `factor` frames (data
 * specification, section 6).
 *
 * Bins are cut from the concatenated frame axis as the reference does. Where a trial starts inside a bin, that bin mixes
 * two trials and its averaged trial number is neither's; `trialAware` avoids this.
 */
import { UserError } from "../errors.ts";
import { arrayBytes, bytesPerElement, type NdArray, toFloat64, viewBytes, zerosArray } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { rowLength } from "./column.ts";

/** Keys that count something in a frame: summed over a bin. */
const SUMMED = new Set(["robs", "true_rates", "full_rates"]);

/** Keys that show something in a frame: the first frame of a bin stands for it. */
const PICKED = new Set(["stim", "stim_phase", "ori", "sf", "psth_inds"]);

/** Rows read from a file in one go. Small enough that reading a stimulus needs little beside the result. */
const BLOCK_BINS = 1024;

/** Deviations from the reference's binning. */
export interface DownsampleOptions {
  /** Start bins anew at each trial and drop the frames left over at its end. */
  trialAware?: boolean;
  /** A bin counts as tracked (`dpi_valid` 1) only when every frame in it is, instead of any. */
  strictValidity?: boolean;
}

/**
 * The down-sampling factor of a session: `sourceRate / targetRate`, both in Hz.
 *
 * @throws UserError when the target does not divide the source
 */
export function downsampleFactor(sourceRate: number, targetRate: number): number {
  const factor = sourceRate / targetRate;
  if (Number.isInteger(factor) && factor >= 1) return factor;
  throw new UserError(
    `Cannot down-sample from ${sourceRate} Hz to ${targetRate} Hz: the source rate must be a multiple of the target`,
    { hint: "Set sampling.target_rate to the source rate divided by 1, 2, 3, ...; other rates are not supported." },
  );
}

/**
 * First frame of every bin.
 *
 * @param frames length of the recording
 * @param trialInds trial number of every frame; when given, bins restart at each trial
 */
export function binStarts(frames: number, factor: number, trialInds?: Float64Array): Int32Array {
  const starts: number[] = [];
  let start = 0;
  while (start + factor <= frames) {
    const boundary = trialInds === undefined ? -1 : trialBoundaryWithin(trialInds, start, factor);
    if (boundary < 0) starts.push(start);
    start = boundary < 0 ? start + factor : boundary;
  }
  return Int32Array.from(starts);
}

function trialBoundaryWithin(trialInds: Float64Array, start: number, factor: number): number {
  for (let frame = start + 1; frame < start + factor; frame++) {
    if (trialInds[frame] !== trialInds[frame - 1]) return frame;
  }
  return -1;
}

/**
 * Down-samples one covariate, reading it in blocks.
 *
 * Counts (`robs`, `true_rates`, `full_rates`) are summed; `stim`, `stim_phase`, `ori`, `sf` take the first frame of the bin;
 * `psth_inds` too, divided by the factor and rounded down; everything else is averaged in its own element type, int64
 * rounded towards zero, other integers and booleans as float32.
 *
 * @param starts first frame of every bin, from {@link binStarts}
 * @returns shape `[starts.length, ...column.shape[1..]]`
 */
export function downsampleColumn(
  key: string,
  column: LazyArray,
  starts: Int32Array,
  factor: number,
  { strictValidity = false }: DownsampleOptions = {},
): NdArray {
  if (SUMMED.has(key) && column.shape.length !== 2) {
    throw new UserError(
      `Cannot down-sample ${key}: its shape is [${column.shape.join(", ")}], expected [frames, units]`,
    );
  }
  const reduce = reduction(key, column, strictValidity);
  const out = zerosArray(reduce.dtype(column), [starts.length, ...column.shape.slice(1)]);
  forEachBlock(column, starts, factor, (block, offsets, bin) => reduce.block(block, offsets, factor, out, bin));
  return out;
}

/** Bins in a file, in blocks. A block is valid within its call: all are read into the same memory. */
function forEachBlock(
  column: LazyArray,
  starts: Int32Array,
  factor: number,
  use: (block: NdArray, offsets: Int32Array, bin: number) => void,
): void {
  const rowBytes = rowLength(column.shape) * bytesPerElement(column.dtype);
  let memory = new Uint8Array(0);
  for (let bin = 0; bin < starts.length; bin += BLOCK_BINS) {
    const end = Math.min(bin + BLOCK_BINS, starts.length);
    const first = starts[bin]!;
    const last = starts[end - 1]! + factor;
    if (memory.length < (last - first) * rowBytes) memory = new Uint8Array((last - first) * rowBytes);
    const offsets = starts.subarray(bin, end).map((start) => start - first);
    use(column.readRows(first, last, memory), offsets, bin);
  }
}

/**
 * The first frame of every bin, in pieces of a few megabytes: what {@link downsampleColumn} makes of a stimulus, for one
 * that is not to be held whole.
 *
 * @param write takes frames one after the other; they are valid within the call
 */
export function pickFrames(
  column: LazyArray,
  starts: Int32Array,
  factor: number,
  write: (frames: NdArray) => void,
): void {
  const shape = column.shape.slice(1);
  const memory = zerosArray(column.dtype, [BLOCK_BINS, ...shape]);
  forEachBlock(column, starts, factor, (block, offsets) => {
    PICK.block(block, offsets, factor, memory, 0);
    const bytes = arrayBytes(memory).subarray(
      0,
      offsets.length * rowLength(column.shape) * bytesPerElement(column.dtype),
    );
    write(viewBytes(bytes, column.dtype, [offsets.length, ...shape]));
  });
}

/** How the frames of a bin become one, and in which element type. */
interface Reduction {
  dtype(column: LazyArray): NdArray["dtype"];
  /** Reduces the bins that start at rows `offsets` of `block` into the rows of `out` from `bin` on. */
  block(block: NdArray, offsets: Int32Array, factor: number, out: NdArray, bin: number): void;
}

function reduction(key: string, column: LazyArray, strictValidity: boolean): Reduction {
  if (PICKED.has(key)) return key === "psth_inds" ? PICK_AND_DIVIDE : PICK;
  if (SUMMED.has(key)) return SUM;
  if (key === "dpi_valid" && strictValidity) return ALL_VALID;
  return column.dtype === "int64" ? INTEGER_MEAN : MEAN;
}

const PICK: Reduction = {
  dtype: (column) => column.dtype,
  block(block, offsets, _factor, out, bin) {
    const rowBytes = rowLength(block.shape) * bytesPerElement(block.dtype);
    const { buffer, byteOffset, byteLength } = arrayBytes(block);
    // A Buffer copies ranges without making an object for each.
    const source = Buffer.from(buffer, byteOffset, byteLength);
    const target = arrayBytes(out);
    for (const [i, row] of offsets.entries()) {
      source.copy(target, (bin + i) * rowBytes, row * rowBytes, (row + 1) * rowBytes);
    }
  },
};

const PICK_AND_DIVIDE: Reduction = {
  dtype: (column) => column.dtype,
  block(block, offsets, factor, out, bin) {
    PICK.block(block, offsets, factor, out, bin);
    const rows = rowLength(out.shape) * offsets.length;
    const first = rowLength(out.shape) * bin;
    for (let i = first; i < first + rows; i++) {
      const { data } = out;
      if (data instanceof BigInt64Array) data[i] = BigInt(Math.floor(Number(data[i]) / factor));
      else data[i] = Math.floor(data[i]! / factor);
    }
  },
};

const FLOATING = new Set(["float64", "float32"]);

/** Element type of sums and means: floating types keep theirs, all others become float32. */
const floatType = ({ dtype }: LazyArray): NdArray["dtype"] => (FLOATING.has(dtype) ? dtype : "float32");

const SUM: Reduction = {
  dtype: floatType,
  block: (block, offsets, factor, out, bin) => averageBins(numbersOf(block), offsets, factor, 1, out, bin),
};

const MEAN: Reduction = {
  dtype: floatType,
  block: (block, offsets, factor, out, bin) => averageBins(numbersOf(block), offsets, factor, factor, out, bin),
};

const INTEGER_MEAN: Reduction = { ...MEAN, dtype: () => "int64" };

const ALL_VALID: Reduction = {
  dtype: floatType,
  block(block, offsets, factor, out, bin) {
    // The mean of zeros and ones is 1 only when all are.
    const flags = toFloat64(block).map((valid) => (valid > 0 ? 1 : 0));
    averageBins(flags, offsets, factor, factor, out, bin);
    const width = rowLength(out.shape);
    for (let i = bin * width; i < (bin + offsets.length) * width; i++) out.data[i] = Math.trunc(Number(out.data[i]));
  },
};

/** The elements as numbers: float32 as they are, without a copy. */
function numbersOf(block: NdArray): Float64Array | Float32Array {
  return block.data instanceof Float32Array ? block.data : toFloat64(block);
}

/** Sum over the `factor` frames of each bin, divided by `divisor`; int64 results are rounded towards zero. */
function averageBins(
  source: Float64Array | Float32Array,
  offsets: Int32Array,
  factor: number,
  divisor: number,
  out: NdArray,
  bin: number,
): void {
  const width = rowLength(out.shape);
  const { data } = out;
  const integers = data instanceof BigInt64Array ? data : undefined;
  // int64 results are made as numbers first.
  const means = integers ? new Float64Array(offsets.length * width) : (data as Float64Array | Float32Array);
  let at = integers ? 0 : bin * width;
  for (const row of offsets) {
    for (let column = row * width; column < (row + 1) * width; column++, at++) {
      let sum = source[column]!;
      for (let frame = 1; frame < factor; frame++) sum += source[column + frame * width]!;
      means[at] = sum / divisor;
    }
  }
  if (integers) for (const [i, mean] of means.entries()) integers[bin * width + i] = BigInt(Math.trunc(mean));
}
