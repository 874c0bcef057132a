/**
 * @file The small transforms (data specification, section 8): each a formula over the elements of one array.
 */
import { UserError } from "../errors.ts";
import { arrayBytes, elementCount, type NdArray, zerosArray } from "../formats/array.ts";

/** A float32 array. */
export type Float32NdArray = NdArray & { data: Float32Array };

/** Whether the elements of an argument may be replaced by the result's: stimuli are too large for needless copies. */
export interface InPlace {
  readonly inPlace?: boolean | undefined;
}

function mapped(x: Float32NdArray, { inPlace }: InPlace, value: (element: number) => number): Float32NdArray {
  const { data } = x;
  const out = inPlace ? data : new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = value(data[i]!);
  return { dtype: "float32", shape: x.shape, data: out };
}

/** `(x − 127) / 255`, each step rounded to float32. */
export function pixelnorm(x: Float32NdArray, options: InPlace = {}): Float32NdArray {
  return mapped(x, options, (value) => Math.fround(value - 127) / 255);
}

/** `factor · x`. */
export function scaled(x: Float32NdArray, factor: number, options: InPlace = {}): Float32NdArray {
  const factor32 = Math.fround(factor);
  return mapped(x, options, (value) => value * factor32);
}

/** `sign(x) · ln(1 + |x|)`. */
export function symlog(x: Float32NdArray, options: InPlace = {}): Float32NdArray {
  return mapped(x, options, (value) => Math.sign(value) * Math.log1p(Math.abs(value)));
}

/** `x / max |x|` over all elements; NaN does not count, and an array of zeros stays as it is. */
export function maxnorm(x: Float32NdArray, options: InPlace = {}): Float32NdArray {
  let largest = 0;
  for (const value of x.data) {
    const size = Math.abs(value);
    if (size > largest) largest = size;
  }
  return largest === 0 ? x : mapped(x, options, (value) => value / largest);
}

/**
 * Difference to the previous entry along an axis; the first entry is 0.
 *
 * @throws UserError when there is no such axis
 */
export function diff(x: Float32NdArray, axis: number): Float32NdArray {
  const { outer, length, inner } = around(x.shape, axis, "diff");
  const out = new Float32Array(x.data.length);
  for (let o = 0; o < outer; o++) {
    const start = o * length * inner;
    for (let i = start + inner; i < start + length * inner; i++) out[i] = x.data[i]! - x.data[i - inner]!;
  }
  return { dtype: "float32", shape: x.shape, data: out };
}

/**
 * Positive and negative parts side by side along an axis.
 *
 * @throws UserError when there is no such axis
 */
export function splitRelu(x: Float32NdArray, axis: number): Float32NdArray {
  const { outer, length, inner, at } = around(x.shape, axis, "splitrelu");
  const run = length * inner;
  const out = new Float32Array(2 * x.data.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < run; i++) {
      const value = x.data[o * run + i]!;
      out[2 * o * run + i] = Math.max(value, 0);
      out[(2 * o + 1) * run + i] = Math.max(-value, 0);
    }
  }
  return { dtype: "float32", shape: x.shape.toSpliced(at, 1, 2 * length), data: out };
}

/**
 * A new axis of length 1; elements are shared, not copied.
 *
 * @throws UserError when the axis lies outside the array
 */
export function unsqueeze(x: NdArray, axis: number): NdArray {
  const rank = x.shape.length + 1;
  const at = axis < 0 ? axis + rank : axis;
  if (!(at >= 0 && at < rank)) {
    throw new UserError(`Cannot unsqueeze axis ${axis} of an array with shape [${x.shape.join(", ")}]`);
  }
  return { dtype: x.dtype, shape: x.shape.toSpliced(at, 0, 1), data: x.data };
}

/**
 * Entries `indices` of the last axis, in that order.
 *
 * @throws UserError when an index lies outside the axis
 */
export function selectLast(x: NdArray, indices: Int32Array): NdArray {
  const width = x.shape.at(-1) ?? 0;
  const bad = indices.find((index) => index < 0 || index >= width);
  if (bad !== undefined) {
    throw new UserError(`Cannot select index ${bad} of an axis with ${width} entries: shape [${x.shape.join(", ")}]`);
  }
  const rows = elementCount(x.shape.slice(0, -1));
  const out = zerosArray(x.dtype, [...x.shape.slice(0, -1), indices.length]);
  // Elements as unsigned words of their own size: copying never changes a bit.
  const from = words(x);
  const to = words(out);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < indices.length; i++) to[row * indices.length + i] = from[row * width + indices[i]!]!;
  }
  return out;
}

function words(x: NdArray): Uint8Array | Uint16Array | Uint32Array | BigUint64Array<ArrayBufferLike> {
  const { buffer, byteOffset, byteLength } = arrayBytes(x);
  switch (x.data.BYTES_PER_ELEMENT) {
    case 1:
      return new Uint8Array(buffer, byteOffset, byteLength);
    case 2:
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case 4:
      return new Uint32Array(buffer, byteOffset, byteLength / 4);
    default:
      return new BigUint64Array(buffer, byteOffset, byteLength / 8);
  }
}

/** Elements before, along and after an axis. */
function around(shape: readonly number[], axis: number, what: string) {
  const at = axis < 0 ? axis + shape.length : axis;
  const length = shape[at];
  if (length === undefined) {
    throw new UserError(`Cannot apply ${what} along axis ${axis}: the array has shape [${shape.join(", ")}]`);
  }
  return { at, length, outer: elementCount(shape.slice(0, at)), inner: elementCount(shape.slice(at + 1)) };
}
