/**
 * @file MATLAB level 5 files: `save` with -v6 or -v7, and what Octave, SciPy and others write. Read only.
 *
 * Variables are found by their tags; the elements of one are read, and unpacked if need be, when asked for.
 */
import { inflateSync, constants as zlib } from "node:zlib";
import { UserError } from "../errors.ts";
import { arrayBytes, type DType, elementCount, type NdArray, toFloat64, zerosArray } from "./array.ts";
import { asSource, type ByteSource, memorySource } from "./byte-source.ts";
import { type LazyArray, lazyArray } from "./lazy.ts";
import { ELEMENT, type Mat5Element, Mat5Elements, type Mat5Header, NUMERIC_ELEMENTS } from "./mat5-elements.ts";
import { EXPORT_HINT, type MatlabFile, type MatlabValue } from "./matlab.ts";
import { numpyType } from "./numpy-types.ts";
import { reversedAxes } from "./permuted.ts";
import { denseColumns } from "./sparse.ts";

const HEADER_BYTES = 128;
const LEVEL_5 = 0x0100;
const LEVEL_7_3 = 0x0200;

/** Packed bytes that are unpacked to learn a variable's name, class and shape. */
const PEEKED_BYTES = 4096;

/** zlib packs no tighter than this. */
const LARGEST_RATIO = 1032;

/** Unpacked bytes of one variable; MATLAB itself writes no larger ones at this level. */
const LARGEST_VARIABLE = 2 ** 31;

/** Element types of MATLAB's numeric classes: those without a counterpart are widened. */
const DTYPES: Readonly<Record<string, DType>> = {
  double: "float64",
  single: "float32",
  int8: "int8",
  uint8: "uint8",
  int16: "int16",
  uint16: "int32",
  int32: "int32",
  uint32: "int64",
  int64: "int64",
  uint64: "int64",
};

interface Variable {
  readonly header: Mat5Header;
  /** The elements that hold it, with the matrix at byte 0 or at its place in the file. */
  open(): { elements: Mat5Elements; matrix: Mat5Element };
}

/**
 * Opens a level 5 file.
 *
 * @throws UserError when the file cannot be opened, is of another level, damaged or cut short
 */
export function openMat5(input: string | ByteSource): MatlabFile {
  const source = asSource(input);
  const file = new Mat5Elements(source, checkHeader(source));
  const variables = new Map<string, Variable>();
  for (let at = HEADER_BYTES; at < source.size; ) {
    const element = file.at(at, source.size);
    const variable = element.type === ELEMENT.compressed ? packedVariable(file, element) : plainVariable(file, element);
    // One without a name belongs to MATLAB's objects.
    if (variable.header.name !== "") variables.set(variable.header.name, variable);
    // Packed variables are not padded.
    at = element.type === ELEMENT.compressed ? element.start + element.bytes : element.next;
  }
  return {
    path: source.name,
    names: [...variables.keys()],
    variable(name) {
      const { header, open } = variables.get(name)!;
      return matlabValueOf(header, () => open().elements, source.name);
    },
    close: () => source.close(),
    [Symbol.dispose]: () => source.close(),
  };
}

/** Whether the file is little-endian. */
function checkHeader(source: ByteSource): boolean {
  const start = Buffer.from(source.read(0, Math.min(source.size, HEADER_BYTES)));
  const fail = (what: string, hint?: string) => new UserError(`Cannot read "${source.name}": ${what}`, { hint });
  const text = start.toString("latin1", 0, 116);
  const isLittleEndian = start.toString("latin1", 126, 128) === "IM";
  const isSound = start.length === HEADER_BYTES && (isLittleEndian || start.toString("latin1", 126, 128) === "MI");
  if (isSound) {
    const version = isLittleEndian ? start.readUInt16LE(124) : start.readUInt16BE(124);
    if (version === LEVEL_5) return isLittleEndian;
    if (version === LEVEL_7_3) throw fail("it is a MATLAB 7.3 file, which is HDF5 inside, not level 5");
    throw fail(`it has version ${version >> 8}.${version & 0xff} of MATLAB's format, expected 1.0`);
  }
  if (text.startsWith("MATLAB 5.0 MAT-file")) throw fail(`it was cut short after ${source.size} bytes`);
  if (text.startsWith("# Created by Octave")) {
    throw fail("it is a text file of Octave", "Save it again: save -v7 <file> <variables>");
  }
  if (isLevel4(start)) throw fail("it is a MATLAB level 4 file", "Load it in MATLAB or Octave and save it with -v7.");
  throw fail("it is not a MATLAB file");
}

/** Level 4 has no signature: a type below 4053 with some digits 0, rows, columns, a flag, and the length of a name. */
function isLevel4(start: Buffer): boolean {
  if (start.length < 20) return false;
  const isSound = (word: (at: number) => number) => {
    const type = word(0);
    const isType = type < 4053 && Math.floor(type / 100) % 10 === 0 && type % 10 <= 2;
    return isType && word(12) <= 1 && word(16) >= 2 && word(16) <= 64;
  };
  return isSound((at) => start.readUInt32LE(at)) || isSound((at) => start.readUInt32BE(at));
}

function plainVariable(elements: Mat5Elements, matrix: Mat5Element): Variable {
  return { header: elements.header(matrix), open: () => ({ elements, matrix }) };
}

function packedVariable(file: Mat5Elements, packed: Mat5Element): Variable {
  const { source, isLittleEndian } = file;
  const inflate = (length: number, options: Parameters<typeof inflateSync>[1]): Uint8Array => {
    try {
      return inflateSync(source.read(packed.start, length), options);
    } catch (error) {
      throw file.damaged(`the variable at byte ${packed.start - 8} cannot be unpacked (${(error as Error).message})`);
    }
  };
  const peekedBytes = Math.min(packed.bytes, PEEKED_BYTES);
  const head = inflate(peekedBytes, { finishFlush: zlib.Z_SYNC_FLUSH });
  if (head.length < 8) throw file.damaged(`the variable at byte ${packed.start - 8} is empty`);
  const tag = new DataView(head.buffer, head.byteOffset, 8);
  const bytes = tag.getUint32(4, isLittleEndian);
  const matrix = { type: tag.getUint32(0, isLittleEndian), start: 8, bytes, next: 8 + bytes };
  if (bytes > LARGEST_VARIABLE || bytes > packed.bytes * LARGEST_RATIO) {
    throw file.damaged(`the variable at byte ${packed.start - 8} is said to unpack to ${bytes} bytes`);
  }
  const header = new Mat5Elements(memorySource(head, source.name), isLittleEndian).header(matrix);
  const name = `${source.name}: ${header.name}`;
  let unpacked: WeakRef<Mat5Elements> | undefined;
  return {
    header,
    open() {
      let elements = unpacked?.deref();
      if (elements === undefined) {
        const all = inflate(packed.bytes, { maxOutputLength: bytes + 8 });
        if (all.length < bytes + 8) {
          throw file.damaged(`"${header.name}" unpacks to ${all.length} bytes, ${bytes + 8} were declared`);
        }
        elements = new Mat5Elements(memorySource(all, name), isLittleEndian);
        unpacked = new WeakRef(elements);
      }
      return { elements, matrix };
    },
  };
}

function matlabValueOf(header: Mat5Header, open: () => Mat5Elements, file: string): MatlabValue {
  const { shape } = header;
  const type = header.isLogical ? "logical" : header.class;
  switch (header.class) {
    case "cell":
      return { kind: "cell", type, shape, item: children(header, open, file, elementCount(shape), () => header.body) };
    case "struct":
      return structOf(header, open, file);
    case "char":
      return { kind: "text", type: "char", shape, rows: () => textRows(header, open()) };
    case "object":
    case "opaque":
    case "function_handle":
      return { kind: "other", type: header.className || type, shape, hint: EXPORT_HINT };
  }
  if (header.isComplex) {
    return { kind: "other", type: `complex ${type}`, shape, hint: "Save its real and imaginary parts separately." };
  }
  const array = () => (header.class === "sparse" ? denseArray(header, open()) : numericArray(header, open()));
  return {
    kind: "numbers",
    type: header.class === "sparse" ? `sparse ${header.isLogical ? "logical" : "double"}` : type,
    shape,
    array,
  };
}

/** Access to matrices that follow one another; `first` is called once. */
function children(
  header: Mat5Header,
  open: () => Mat5Elements,
  file: string,
  count: number,
  first: (elements: Mat5Elements) => number,
): (index: number) => MatlabValue {
  let places: Mat5Element[] | undefined;
  return (index) => {
    const elements = open();
    places ??= findChildren(elements, first(elements), header.end, count);
    const place = places[index]!;
    if (place.bytes === 0) return emptyNumbers();
    return matlabValueOf(elements.header(place), () => elements, file);
  };
}

function findChildren(elements: Mat5Elements, first: number, end: number, count: number): Mat5Element[] {
  // Each one has at least a tag, so a made-up count ends here and not in memory.
  if (count * 8 > end - first) throw elements.damaged(`${count} parts do not fit into ${end - first} bytes`);
  const places: Mat5Element[] = [];
  for (let at = first; places.length < count; at = places.at(-1)!.next) places.push(elements.at(at, end));
  return places;
}

function emptyNumbers(): MatlabValue {
  const array = () => lazyArray(memorySource(new Uint8Array(0), "[]"), { dtype: "float64", shape: [0, 0] });
  return { kind: "numbers", type: "double", shape: [0, 0], array };
}

function structOf(header: Mat5Header, open: () => Mat5Elements, file: string): MatlabValue {
  const { shape, body, end } = header;
  const count = elementCount(shape);
  let names: { fields: readonly string[]; next: number } | undefined;
  const read = (): { fields: readonly string[]; next: number } => {
    if (names !== undefined) return names;
    const elements = open();
    const width = elements.at(body, end);
    const table = elements.at(width.next, end);
    const [length = 0] = elements.words(width);
    if (length <= 0 && table.bytes > 0) throw elements.damaged(`a struct has field names of ${length} bytes`);
    const fields = Array.from({ length: table.bytes === 0 ? 0 : Math.floor(table.bytes / length) }, (_, i) =>
      elements.text({ ...table, start: table.start + i * length, bytes: length }),
    );
    names = { fields, next: table.next };
    return names;
  };
  let item: ((index: number) => MatlabValue) | undefined;
  return {
    kind: "struct",
    type: "struct",
    shape,
    get fields() {
      return read().fields;
    },
    field(name, index) {
      const { fields, next } = read();
      item ??= children(header, open, file, count * fields.length, () => next);
      return item(index * fields.length + fields.indexOf(name));
    },
  };
}

function textRows({ shape, body, end }: Mat5Header, elements: Mat5Elements): string[] {
  const element = elements.at(body, end);
  const bytes = Buffer.from(elements.source.read(element.start, element.bytes));
  const units = characters(bytes, element.type, elements.isLittleEndian);
  if (units === undefined) throw elements.damaged(`text is stored as elements of type ${element.type}`);
  // MATLAB also writes single characters without any.
  if (units.length === 0) return [];
  const [rows = 0, columns = 0] = shape;
  if (units.length !== rows * columns)
    throw elements.damaged(`text of shape [${shape.join(", ")}] has ${units.length} characters`);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => units[column * rows + row]).join(""),
  );
}

function characters(bytes: Buffer, type: number, isLittleEndian: boolean): string[] | undefined {
  switch (type) {
    case ELEMENT.int8:
    case ELEMENT.uint8:
      return [...bytes.toString("latin1")];
    case ELEMENT.utf8:
      return bytes.toString("utf8").split("");
    case ELEMENT.uint16:
    case ELEMENT.utf16: {
      const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
      return (isLittleEndian ? even : Buffer.from(even).swap16()).toString("utf16le").split("");
    }
    default:
      return undefined;
  }
}

/** Numbers in the type of their class: MATLAB stores them in the smallest type that holds them all. */
function numericArray(header: Mat5Header, elements: Mat5Elements): LazyArray {
  const dtype = header.isLogical ? "bool" : DTYPES[header.class]!;
  const element = elements.at(header.body, header.end);
  return reversedAxes(storedArray(elements, element, dtype, header.shape.toReversed()));
}

function storedArray(elements: Mat5Elements, element: Mat5Element, dtype: DType, shape: readonly number[]): LazyArray {
  const { source, isLittleEndian } = elements;
  const stored = numpyType(`${isLittleEndian ? "<" : ">"}${NUMERIC_ELEMENTS[element.type] ?? ""}`);
  if (stored === undefined) throw elements.damaged(`numbers are stored as elements of type ${element.type}`);
  const wanted = elementCount(shape) * stored.itemBytes;
  if (wanted !== element.bytes) {
    throw elements.damaged(
      `an array of shape [${shape.toReversed().join(", ")}] takes ${wanted} bytes, ${element.bytes} are there`,
    );
  }
  const fail = (problem: string) => new UserError(`Cannot read "${source.name}": ${problem}`);
  return lazyArray(source, {
    dtype,
    shape,
    offset: element.start,
    itemBytes: stored.itemBytes,
    decode: (bytes, blockShape) => converted(stored.decode(bytes, blockShape, fail), dtype),
  });
}

function converted(array: NdArray, dtype: DType): NdArray {
  if (array.dtype === dtype) return array;
  const { shape, data } = array;
  if (dtype === "bool")
    return { dtype, shape, data: Uint8Array.from(toFloat64(array), (value) => (value === 0 ? 0 : 1)) };
  const result = zerosArray(dtype, shape);
  if (result.data instanceof BigInt64Array) result.data.set(Array.from(data as Iterable<number>, BigInt));
  else result.data.set(toFloat64(array));
  return result;
}

/** A sparse matrix with its zeros filled in. */
function denseArray({ shape, body, end, isLogical }: Mat5Header, elements: Mat5Elements): LazyArray {
  const [rows = 0, columns = 0] = shape;
  const rowElement = elements.at(body, end);
  const startElement = elements.at(rowElement.next, end);
  const valueElement = elements.at(startElement.next, end);
  const starts = elements.words(startElement);
  // MATLAB says double for logical values and stores bytes.
  const isBytes = isLogical && valueElement.bytes === starts.at(-1);
  const stored = isBytes ? { ...valueElement, type: ELEMENT.uint8 } : valueElement;
  const itemBytes = Number(NUMERIC_ELEMENTS[stored.type]?.[1] ?? 1);
  const values = storedArray(elements, stored, "float64", [Math.floor(stored.bytes / itemBytes)]);
  const matrix = {
    rows,
    columns,
    starts,
    rowIndices: elements.words(rowElement),
    values: toFloat64(values.read()),
    isLogical,
  };
  const { name } = elements.source;
  const dense = denseColumns(matrix, name);
  return reversedAxes(lazyArray(memorySource(arrayBytes(dense), name), dense));
}
