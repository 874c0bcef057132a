/**
 * @file numpy's .npy files, versions 1 to 3.
 *
 * Arrays come out little-endian and row-major whatever the file holds. Python objects are refused: numpy stores them as
 * pickles.
 */
import { UserError } from "../errors.ts";
import { arrayBytes, elementCount, type NdArray } from "./array.ts";
import { writeFileAtomic } from "./atomic.ts";
import { asSource, type ByteSource } from "./byte-source.ts";
import { columnMajorStrides, type LazyArray, lazyArray, rowMajorStrides } from "./lazy.ts";
import { type NumpyType, numpyDescr, numpyType } from "./numpy-types.ts";

const MAGIC = "\u0093NUMPY";

interface Header {
  readonly type: NumpyType;
  readonly shape: readonly number[];
  readonly isColumnMajor: boolean;
  readonly dataStart: number;
}

/**
 * Opens a .npy file; elements are read when asked for.
 *
 * @throws UserError when the file cannot be opened, is damaged, or holds elements without a counterpart here (complex
 *   numbers, strings, dates, records, Python objects)
 */
export function openNpy(input: string | ByteSource): LazyArray {
  const source = asSource(input);
  const { type, shape, isColumnMajor, dataStart } = readHeader(source);
  const dataBytes = elementCount(shape) * type.itemBytes;
  if (source.size - dataStart !== dataBytes) {
    const what = `its array takes ${dataBytes} bytes but ${source.size - dataStart} are there`;
    throw problem(source, what, "The file is damaged, was cut short, or holds several arrays.");
  }
  return lazyArray(source, {
    dtype: type.dtype,
    shape,
    offset: dataStart,
    strides: isColumnMajor ? columnMajorStrides(shape) : rowMajorStrides(shape),
    itemBytes: type.itemBytes,
    decode: (bytes, blockShape) => type.decode(bytes, blockShape, (what) => problem(source, what)),
  });
}

/** The array in a .npy file. Throws like {@link openNpy}. */
export function readNpy(input: string | ByteSource): NdArray {
  return openNpy(input).read();
}

/**
 * Writes an array as .npy (version 1, row-major), atomically.
 *
 * @throws UserError for bfloat16, which numpy lacks, and when the disk is full and the like
 */
export function writeNpy(path: string, array: NdArray): void {
  const descr = numpyDescr(array.dtype);
  if (descr === undefined) {
    throw new UserError(`Cannot write "${path}": npy has no element type for ${array.dtype}`, {
      hint: "Convert it to float32, or write safetensors.",
    });
  }
  const shape = array.shape.length === 1 ? `(${array.shape[0]},)` : `(${array.shape.join(", ")})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const headerBytes = Math.ceil((10 + text.length + 1) / 64) * 64;
  const data = arrayBytes(array);
  const bytes = new Uint8Array(headerBytes + data.length);
  bytes.set(Buffer.from(MAGIC, "latin1"));
  bytes[6] = 1;
  new DataView(bytes.buffer).setUint16(8, headerBytes - 10, true);
  bytes.set(Buffer.from(text.padEnd(headerBytes - 11) + "\n", "latin1"), 10);
  bytes.set(data, headerBytes);
  writeFileAtomic(path, bytes);
}

function readHeader(source: ByteSource): Header {
  const start = Buffer.from(source.read(0, Math.min(source.size, 12)));
  if (start.length < 12 || start.toString("latin1", 0, 6) !== MAGIC) {
    throw problem(source, "it is not an .npy file");
  }
  const version = start[6]!;
  if (version < 1 || version > 3) throw problem(source, `it has .npy version ${version}; 1 to 3 are supported`);
  const textStart = version === 1 ? 10 : 12;
  const textBytes = version === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  const text = Buffer.from(source.read(textStart, textBytes)).toString(version === 3 ? "utf8" : "latin1");
  return { ...parseHeader(source, text.trim()), dataStart: textStart + textBytes };
}

function parseHeader(source: ByteSource, text: string): Omit<Header, "dataStart"> {
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const sizes = /'shape'\s*:\s*\(([\dL,\s]*)\)/.exec(text)?.[1];
  if (order === undefined || sizes === undefined || !/'descr'\s*:/.test(text)) {
    throw problem(source, `its header is damaged: ${JSON.stringify(text.slice(0, 200))}`);
  }
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const type = descr === undefined ? undefined : numpyType(descr);
  if (type === undefined) {
    const what = descr === undefined ? "records" : `elements of type "${descr}"`;
    const hint = "Supported are booleans, integers and floating-point numbers of 2, 4 or 8 bytes.";
    throw problem(source, `it holds ${what}`, hint);
  }
  const shape = sizes
    .split(",")
    .filter((size) => size.trim() !== "")
    .map((size) => Number.parseInt(size, 10));
  if (!Number.isSafeInteger(elementCount(shape)) || shape.length > 64) throw problem(source, `its shape is (${sizes})`);
  return { type, shape, isColumnMajor: order === "True" };
}

function problem(source: ByteSource, what: string, hint?: string): UserError {
  return new UserError(`Cannot read "${source.name}": ${what}`, { hint });
}
