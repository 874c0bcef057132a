/**
 * @file Results in one safetensors file: arrays as tensors, everything else as JSON in its metadata. Any program that
 * reads safetensors reads the numbers; nothing in the file is executed.
 */
import type { DType, NdArray, TypedArray } from "../formats/array.ts";
import { openSafetensors, writeSafetensors } from "../formats/safetensors.ts";

const HEADER_KEY = "visioncore_header";
const RESULT_KEY = "visioncore_result";

/** Arrays without a shape become tensors of one axis. */
const DTYPES: readonly (readonly [new (n: number) => TypedArray, DType])[] = [
  [Float64Array, "float64"],
  [Float32Array, "float32"],
  [Int32Array, "int32"],
  [Uint8Array, "uint8"],
];

/** What stands in the JSON in the place of an array: the name of its tensor, and whether it had a shape. */
interface TensorMark {
  readonly $tensor: string;
  readonly bare: boolean;
}

/** What stands in the JSON for a number that JSON does not have. */
interface NumberMark {
  readonly $number: string;
}

/**
 * Writes a result, atomically.
 *
 * @param header plain values that {@link readResultHeader} gives without reading the arrays
 * @param result plain objects and lists of numbers, strings, booleans, null, typed arrays and `NdArray`s
 * @throws UserError when the file cannot be written
 */
export function writeResult(path: string, header: unknown, result: unknown): void {
  const tensors = new Map<string, NdArray>();
  const json = JSON.stringify(encode(result, "result", tensors));
  writeSafetensors(path, tensors, { [HEADER_KEY]: JSON.stringify(header), [RESULT_KEY]: json });
}

/** The header that a file was written with; undefined when it is not a file of results. */
export function readResultHeader(path: string): unknown {
  const file = openSafetensors(path);
  try {
    return file.metadata[HEADER_KEY] === undefined ? undefined : JSON.parse(file.metadata[HEADER_KEY]);
  } finally {
    file.close();
  }
}

/**
 * The result in a file, as it was written.
 *
 * @throws UserError when the file is missing or damaged
 */
export function readResult(path: string): unknown {
  const file = openSafetensors(path);
  try {
    const read = (name: string) => file.tensor(name).read();
    return decode(JSON.parse(file.metadata[RESULT_KEY] ?? "null"), read);
  } finally {
    file.close();
  }
}

function encode(value: unknown, at: string, tensors: Map<string, NdArray>): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) } satisfies NumberMark;
  if (value === null || typeof value !== "object") return value;
  if (ArrayBuffer.isView(value)) {
    const dtype = DTYPES.find(([kind]) => value instanceof kind)?.[1];
    if (dtype === undefined) throw new TypeError(`Cannot write "${at}": arrays of this type are not kept`);
    const data = value as TypedArray;
    tensors.set(at, { dtype, shape: [data.length], data });
    return { $tensor: at, bare: true } satisfies TensorMark;
  }
  if (isNdArray(value)) {
    tensors.set(at, value);
    return { $tensor: at, bare: false } satisfies TensorMark;
  }
  if (Array.isArray(value)) return value.map((item, i) => encode(item, `${at}.${i}`, tensors));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, encode(item, `${at}.${key}`, tensors)]));
}

function isNdArray(value: object): value is NdArray {
  return "dtype" in value && "shape" in value && "data" in value && ArrayBuffer.isView(value.data);
}

function decode(value: unknown, read: (name: string) => NdArray): unknown {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item) => decode(item, read));
  if ("$number" in value) return Number((value as NumberMark).$number);
  if ("$tensor" in value) {
    const { $tensor, bare } = value as TensorMark;
    const array = read($tensor);
    return bare ? array.data : array;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item, read)]));
}
