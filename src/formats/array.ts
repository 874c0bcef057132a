/**
 * @file Host arrays: a typed array with an element type and a shape, the common currency of file formats and data
 * preparation. Row-major and contiguous, always.
 */

/** Element types shared by safetensors, npy, PyTorch files and tensors (PyTorch's names). */
export type DType =
  | "float64"
  | "float32"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint8"
  | "bool";

/** Typed arrays that carry elements. `float16` and `bfloat16` travel as their raw 16 bits, `bool` as bytes 0 and 1. */
export type TypedArray =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array;

/** A row-major array in host memory. */
export interface NdArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

const BYTES: Record<DType, number> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** Bytes per element. */
export function bytesPerElement(dtype: DType): number {
  return BYTES[dtype];
}

/** Number of elements of a shape; 1 for a scalar's empty shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/**
 * A typed view on raw little-endian bytes. Copies only when the bytes are not aligned for the element type.
 *
 * @throws RangeError when the byte length does not match dtype and shape
 */
export function viewBytes(bytes: Uint8Array, dtype: DType, shape: readonly number[]): NdArray {
  const wanted = elementCount(shape) * BYTES[dtype];
  if (bytes.byteLength !== wanted) {
    throw new RangeError(`${dtype} [${shape.join(", ")}] takes ${wanted} bytes: got ${bytes.byteLength}`);
  }
  const aligned = bytes.byteOffset % BYTES[dtype] === 0 ? bytes : new Uint8Array(bytes);
  const count = elementCount(shape);
  return { dtype, shape: [...shape], data: typedView(aligned.buffer, aligned.byteOffset, count, dtype) };
}

/** An array of zeros. */
export function zerosArray(dtype: DType, shape: readonly number[]): NdArray {
  const count = elementCount(shape);
  return { dtype, shape: [...shape], data: typedView(new ArrayBuffer(count * BYTES[dtype]), 0, count, dtype) };
}

function typedView(buffer: ArrayBufferLike, offset: number, count: number, dtype: DType): TypedArray {
  switch (dtype) {
    case "float64":
      return new Float64Array(buffer, offset, count);
    case "float32":
      return new Float32Array(buffer, offset, count);
    case "float16":
    case "bfloat16":
      return new Uint16Array(buffer, offset, count);
    case "int64":
      return new BigInt64Array(buffer, offset, count);
    case "int32":
      return new Int32Array(buffer, offset, count);
    case "int16":
      return new Int16Array(buffer, offset, count);
    case "int8":
      return new Int8Array(buffer, offset, count);
    case "uint8":
    case "bool":
      return new Uint8Array(buffer, offset, count);
  }
}

/** The raw bytes behind an array, without a copy. */
export function arrayBytes(array: NdArray): Uint8Array {
  return new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength);
}

/**
 * The elements as ordinary numbers in a new Float64Array, whatever the element type (half types are widened, int64
 * above 2^53 loses its last digits).
 */
export function toFloat64(array: NdArray): Float64Array {
  const { data, dtype } = array;
  const out = new Float64Array(data.length);
  if (dtype === "int64") {
    const source = data as BigInt64Array;
    for (let i = 0; i < out.length; i++) out[i] = Number(source[i]);
  } else if (dtype === "bfloat16") {
    const bits = new Uint32Array(1);
    const value = new Float32Array(bits.buffer);
    const source = data as Uint16Array;
    for (let i = 0; i < out.length; i++) {
      bits[0] = source[i]! << 16;
      out[i] = value[0]!;
    }
  } else if (dtype === "float16") {
    const source = data as Uint16Array;
    for (let i = 0; i < out.length; i++) out[i] = halfToNumber(source[i]!);
  } else {
    out.set(data as Float32Array);
  }
  return out;
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
