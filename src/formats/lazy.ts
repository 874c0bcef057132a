/**
 * @file Arrays that stay in their file until they are read: the common face of tensors in safetensors, npy and PyTorch
 * files.
 */
import { bytesPerElement, type DType, elementCount, type NdArray, viewBytes } from "./array.ts";
import { allocateBytes, type ByteSource, checkRange } from "./byte-source.ts";

/** An array whose elements are read from its file on request. */
export interface LazyArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** All elements, row-major. */
  read(): NdArray;
  /**
   * Rows `start` (included) to `end` (excluded) of the first axis, shape `[end - start, ...shape[1..]]`. When the array
   * lies contiguously only their bytes are read.
   *
   * @param into memory that the rows may be read into instead of fresh one; it must be large enough for them
   * @throws RangeError when the range is not inside the first axis or the array is a scalar
   */
  readRows(start: number, end: number, into?: Uint8Array<ArrayBuffer>): NdArray;
  /** Where the elements lie in a file, row-major and as they are in memory; absent when they do not. */
  readonly location?: { readonly path: string; readonly offset: number } | undefined;
}

/** Where the elements of an array lie inside a source, and how its bytes become elements. */
export interface ArrayLayout {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Byte position of the first element; 0 when absent. */
  readonly offset?: number;
  /** Step along each axis in elements, at least 0; row-major when absent. */
  readonly strides?: readonly number[];
  /** Bytes per stored element; those of `dtype` when absent. */
  readonly itemBytes?: number;
  /** Makes elements from row-major stored bytes; a plain little-endian view when absent. */
  readonly decode?: (bytes: Uint8Array, shape: readonly number[]) => NdArray;
}

class SourceArray implements LazyArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  private readonly source: ByteSource;
  private readonly offset: number;
  private readonly strides: readonly number[];
  private readonly itemBytes: number;
  private readonly decode: (bytes: Uint8Array, shape: readonly number[]) => NdArray;
  private readonly isDecoded: boolean;

  constructor(source: ByteSource, layout: ArrayLayout) {
    this.source = source;
    this.dtype = layout.dtype;
    this.shape = [...layout.shape];
    this.offset = layout.offset ?? 0;
    this.strides = layout.strides ?? rowMajorStrides(this.shape);
    this.itemBytes = layout.itemBytes ?? bytesPerElement(this.dtype);
    this.isDecoded = layout.decode !== undefined;
    this.decode = layout.decode ?? ((bytes, shape) => viewBytes(bytes, this.dtype, shape));
    const span = spanOfElements(this.shape, this.strides) * this.itemBytes;
    checkRange(source, this.offset, span);
  }

  get location(): { path: string; offset: number } | undefined {
    const { file } = this.source;
    if (file === undefined || this.isDecoded || !isRowMajor(this.shape, this.strides)) return undefined;
    return { path: file.path, offset: file.start + this.offset };
  }

  read(): NdArray {
    return this.readBlock(this.offset, this.shape);
  }

  readRows(start: number, end: number, into?: Uint8Array<ArrayBuffer>): NdArray {
    const rows = this.shape[0];
    if (rows === undefined) throw new RangeError(`Cannot read rows of "${this.source.name}": the array is a scalar`);
    if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= rows)) {
      throw new RangeError(`Cannot read rows ${start} to ${end} of "${this.source.name}": it has ${rows} rows`);
    }
    const offset = this.offset + start * this.strides[0]! * this.itemBytes;
    return this.readBlock(offset, [end - start, ...this.shape.slice(1)], into);
  }

  private readBlock(offset: number, shape: readonly number[], into?: Uint8Array<ArrayBuffer>): NdArray {
    const span = spanOfElements(shape, this.strides) * this.itemBytes;
    const fits = into !== undefined && into.length >= span && into.byteOffset % 8 === 0;
    const stored = span === 0 ? new Uint8Array(0) : this.source.read(offset, span, fits ? into : undefined);
    if (isRowMajor(shape, this.strides)) return this.decode(stored, shape);
    return this.decode(gatherElements(stored, this.itemBytes, shape, this.strides, this.source.name), shape);
  }
}

/**
 * An array in a source.
 *
 * @throws UserError when the layout reaches beyond the end of the source
 */
export function lazyArray(source: ByteSource, layout: ArrayLayout): LazyArray {
  return new SourceArray(source, layout);
}

/** Whether a value is an array made by {@link lazyArray}. */
export function isLazyArray(value: unknown): value is LazyArray {
  return value instanceof SourceArray;
}

/** Steps along each axis, in elements, of a row-major array. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
}

/** Steps along each axis, in elements, of a column-major (Fortran) array. */
export function columnMajorStrides(shape: readonly number[]): number[] {
  return rowMajorStrides(shape.toReversed()).toReversed();
}

/** Elements from the first to the last one, both included; 0 for an empty array. */
export function spanOfElements(shape: readonly number[], strides: readonly number[]): number {
  if (elementCount(shape) === 0) return 0;
  return shape.reduce((span, n, axis) => span + (n - 1) * strides[axis]!, 1);
}

function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  if (elementCount(shape) === 0) return true;
  const wanted = rowMajorStrides(shape);
  // The step along an axis of length 1 is never taken, so its value does not matter.
  return shape.every((n, axis) => n === 1 || strides[axis] === wanted[axis]);
}

/**
 * Copies strided elements into row-major order. `name` is used when memory does not suffice.
 *
 * @param bytes stored elements, the first one at byte 0
 * @param itemBytes 1, 2, 4 or 8
 */
export function gatherElements(
  bytes: Uint8Array,
  itemBytes: number,
  shape: readonly number[],
  strides: readonly number[],
  name: string,
): Uint8Array {
  const result = allocateBytes(elementCount(shape) * itemBytes, name);
  // Elements of 8 bytes go as two words: copying them as floating-point numbers may change the bits of a NaN.
  const words = itemBytes === 8 ? 2 : 1;
  const from = wordView(bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes), itemBytes);
  const to = wordView(result, itemBytes);
  const axes = [...shape.keys()].filter((axis) => shape[axis] !== 1);
  const last = axes.length - 1;
  let next = 0;

  const copyAxis = (level: number, start: number): void => {
    const axis = axes[level];
    const count = axis === undefined ? 1 : shape[axis]!;
    const step = axis === undefined ? 0 : strides[axis]! * words;
    for (let i = 0, at = start; i < count; i++, at += step) {
      if (level < last) copyAxis(level + 1, at);
      else for (let word = 0; word < words; word++) to[next++] = from[at + word]!;
    }
  };
  if (result.length > 0) copyAxis(0, 0);
  return result;
}

function wordView(bytes: Uint8Array, itemBytes: number): Uint8Array | Uint16Array | Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes;
  if (itemBytes === 1) return bytes;
  if (itemBytes === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}
