/**
 * @file numpy's element types and how their bytes become ours: npy files and pickled arrays share them.
 *
 * Types without a counterpart are widened to the next one that holds every value: uint16 to int32, uint32 and uint64 to
 * int64 (values of 2^63 and above are refused).
 */
import { bytesPerElement, type DType, elementCount, type NdArray, viewBytes } from "./array.ts";

/** A numpy element type that can be read. */
export interface NumpyType {
  /** numpy's own spelling, such as `<f4`. */
  readonly descr: string;
  /** Bytes per stored element. */
  readonly itemBytes: number;
  /** The element type after reading. */
  readonly dtype: DType;
  /**
   * Elements from row-major stored bytes; the result may share their memory.
   *
   * @param fail makes the error to throw when an unsigned value does not fit
   */
  decode(bytes: Uint8Array, shape: readonly number[], fail: (problem: string) => Error): NdArray;
}

const DTYPES: Record<string, DType> = {
  b1: "bool",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "int32",
  u4: "int64",
  u8: "int64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
};

/** The type that numpy spells `descr` (byte order, kind, bytes: `<f8`, `|u1`, `>i4`), undefined when there is none here. */
export function numpyType(descr: string): NumpyType | undefined {
  const [, order, kind = ""] = /^([<>|=]?)([biuf]\d)$/.exec(descr) ?? [];
  const dtype = Object.hasOwn(DTYPES, kind) ? DTYPES[kind] : undefined;
  if (dtype === undefined) return undefined;
  const itemBytes = Number(kind[1]);
  return {
    descr,
    itemBytes,
    dtype,
    decode(bytes, shape, fail) {
      const little = order === ">" && itemBytes > 1 ? swapped(bytes, itemBytes) : bytes;
      return itemBytes === bytesPerElement(dtype) && kind !== "u8"
        ? viewBytes(little, dtype, shape)
        : widened(little, kind, dtype, shape, fail);
    },
  };
}

/** The spelling under which an element type is written; undefined for bfloat16, which numpy does not know. */
export function numpyDescr(dtype: DType): string | undefined {
  const kind = Object.keys(DTYPES).find((name) => DTYPES[name] === dtype && Number(name[1]) === bytesPerElement(dtype));
  if (kind === undefined) return undefined;
  return (kind.endsWith("1") ? "|" : "<") + kind;
}

function swapped(bytes: Uint8Array, itemBytes: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const view = Buffer.from(copy.buffer);
  if (itemBytes === 2) view.swap16();
  else if (itemBytes === 4) view.swap32();
  else view.swap64();
  return copy;
}

function widened(
  bytes: Uint8Array,
  kind: string,
  dtype: DType,
  shape: readonly number[],
  fail: (problem: string) => Error,
): NdArray {
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = elementCount(shape);
  if (kind === "u2") {
    return {
      dtype,
      shape: [...shape],
      data: Int32Array.from({ length: count }, (_, i) => from.getUint16(2 * i, true)),
    };
  }
  const data = new BigInt64Array(count);
  for (let i = 0; i < count; i++) {
    const value = kind === "u4" ? BigInt(from.getUint32(4 * i, true)) : from.getBigUint64(8 * i, true);
    if (value >= 2n ** 63n) throw fail(`value ${value} at index ${i} does not fit into int64`);
    data[i] = value;
  }
  return { dtype, shape: [...shape], data };
}
