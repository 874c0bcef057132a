/**
 * @file One covariate of a recording: an array whose first axis is time, in memory or still in its file.
 */
import { arrayBytes, bytesPerElement, type NdArray, toFloat64, viewBytes } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";

/** An array in memory with the face of one in a file. `read` and `readRows` return views, not copies. */
class MemoryColumn implements LazyArray {
  private readonly array: NdArray;

  constructor(array: NdArray) {
    this.array = array;
  }

  get dtype(): NdArray["dtype"] {
    return this.array.dtype;
  }

  get shape(): readonly number[] {
    return this.array.shape;
  }

  read(): NdArray {
    return this.array;
  }

  readRows(start: number, end: number): NdArray {
    const bytes = rowLength(this.shape) * bytesPerElement(this.dtype);
    const rows = arrayBytes(this.array).subarray(start * bytes, end * bytes);
    return viewBytes(rows, this.dtype, [end - start, ...this.shape.slice(1)]);
  }
}

/** An array in memory as a column. */
export function memoryColumn(array: NdArray): LazyArray {
  return new MemoryColumn(array);
}

/** Elements of one row: the product of all axes but the first. */
export function rowLength(shape: readonly number[]): number {
  return shape.slice(1).reduce((product, n) => product * n, 1);
}

/**
 * The elements as float32 in the same shape; the array itself when it is float32 already.
 */
export function toFloat32(array: NdArray): NdArray & { data: Float32Array } {
  const { data, dtype, shape } = array;
  if (data instanceof Float32Array) return { dtype: "float32", shape, data };
  // Half types and int64 need decoding; all others convert element by element without a float64 copy.
  const encoded = dtype === "float16" || dtype === "bfloat16" || dtype === "int64";
  const numbers = encoded
    ? toFloat64(array)
    : (data as Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array);
  return { dtype: "float32", shape, data: new Float32Array(numbers) };
}
