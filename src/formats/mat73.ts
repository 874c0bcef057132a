/**
 * @file MATLAB files of version 7.3: HDF5 with MATLAB's own conventions. Read only.
 *
 * Arrays have their axes from last to first. A cell array is a dataset of references; a struct is a group with a dataset
 * for each field, and an array of structs has references in them. Attributes name the class: `MATLAB_class`,
 * `MATLAB_empty` (the dataset holds the shape instead of elements), `MATLAB_sparse`, `MATLAB_object_decode`.
 */
import { UserError } from "../errors.ts";
import { arrayBytes, elementCount, type NdArray, toFloat64 } from "./array.ts";
import { memorySource, openFile } from "./byte-source.ts";
import { type Hdf5File, openHdf5 } from "./hdf5.ts";
import { type LazyArray, lazyArray } from "./lazy.ts";
import { EXPORT_HINT, type MatlabFile, type MatlabValue } from "./matlab.ts";
import { reversedAxes } from "./permuted.ts";
import { denseColumns } from "./sparse.ts";

/** `MATLAB_object_decode` of objects of classes that only MATLAB knows. */
const OBJECT = 3;

/** Whether a file is one of version 7.3: it says so in the 128 bytes before its HDF5 part. */
export function isMat73(path: string): boolean {
  const source = openFile(path);
  try {
    const start = Buffer.from(source.read(0, Math.min(source.size, 128)));
    if (start.length < 128 || start.toString("latin1", 0, 6) !== "MATLAB") return false;
    return start.readUInt16LE(124) === 0x0200 || start.readUInt16BE(124) === 0x0200;
  } finally {
    source.close();
  }
}

/**
 * Opens a file of version 7.3.
 *
 * @throws UserError when it is missing, not HDF5, or damaged
 */
export async function openMat73(path: string): Promise<MatlabFile> {
  const file = await openHdf5(path);
  // Those with a number sign hold the targets of references, and objects.
  const names = file.list().flatMap(({ name }) => (name.startsWith("#") ? [] : [name]));
  return {
    path,
    names,
    variable: (name) => new Reader(file).value(name),
    close: () => file.close(),
    [Symbol.dispose]: () => file.close(),
  };
}

class Reader {
  private readonly file: Hdf5File;

  constructor(file: Hdf5File) {
    this.file = file;
  }

  value(path: string): MatlabValue {
    const attributes = this.file.attributes(path);
    const { kind, dtype, shape: stored } = this.file.entry(path);
    const type = typeof attributes.MATLAB_class === "string" ? attributes.MATLAB_class : "double";
    if (attributes.MATLAB_object_decode === OBJECT || type === "function_handle") {
      return { kind: "other", type, shape: [1, 1], hint: EXPORT_HINT };
    }
    if (kind === "group") {
      const rows = attributes.MATLAB_sparse;
      return rows === undefined ? this.struct(path) : this.sparse(path, Number(rows), type);
    }
    if (attributes.MATLAB_empty === 1) return this.empty(path, type);
    const shape = (stored ?? [0, 0]).toReversed();
    switch (dtype) {
      case "reference":
        return this.cell(path, shape, type);
      case "compound":
        return { kind: "other", type: `complex ${type}`, shape, hint: "Save its real and imaginary parts separately." };
    }
    if (type === "char") return { kind: "text", type, shape, rows: () => this.text(path) };
    return { kind: "numbers", type, shape, array: () => this.numbers(path, type) };
  }

  private struct(path: string): MatlabValue {
    const entries = this.file.list(path);
    const fields = entries.map(({ name }) => name);
    // A field that is a cell array says so; the references of an array of structs carry no class.
    const first = entries[0];
    const isArray = first?.dtype === "reference" && !("MATLAB_class" in this.file.attributes(`${path}/${first.name}`));
    const shape = isArray ? first.shape!.toReversed() : [1, 1];
    const targets = new Map<string, string[]>();
    const field = (name: string, index: number): MatlabValue => {
      if (!isArray) return this.value(`${path}/${name}`);
      if (!targets.has(name)) targets.set(name, this.file.references(`${path}/${name}`));
      return this.value(targets.get(name)![index]!);
    };
    return { kind: "struct", type: "struct", shape, fields, field };
  }

  private cell(path: string, shape: readonly number[], type: string): MatlabValue {
    let targets: string[] | undefined;
    const item = (index: number): MatlabValue => {
      targets ??= this.file.references(path);
      return this.value(targets[index]!);
    };
    return { kind: "cell", type, shape, item };
  }

  /** The dataset holds the shape. */
  private empty(path: string, type: string): MatlabValue {
    const shape = [...toFloat64(this.file.dataset(path).read())];
    const isShape = shape.length >= 2 && shape.includes(0) && shape.every((n) => Number.isSafeInteger(n) && n >= 0);
    if (!isShape)
      throw new UserError(`Cannot read "${path}" of "${this.file.path}": its shape is [${shape.join(", ")}]`);
    switch (type) {
      case "char":
        return { kind: "text", type, shape, rows: () => [] };
      case "cell":
        return { kind: "cell", type, shape, item: () => this.value(path) };
      case "struct":
        return { kind: "struct", type, shape, fields: [], field: () => this.value(path) };
    }
    return {
      kind: "numbers",
      type,
      shape,
      array: () => inMemory({ dtype: "float64", shape, data: new Float64Array() }),
    };
  }

  private numbers(path: string, type: string): LazyArray {
    const stored = this.file.dataset(path);
    return reversedAxes(type === "logical" ? new Flags(stored) : stored);
  }

  /** Characters are 16-bit numbers, stored column by column. */
  private text(path: string): string[] {
    const { data, shape } = reversedAxes(this.file.dataset(path)).read();
    const columns = shape[1] ?? 1;
    return Array.from({ length: elementCount(shape) / Math.max(1, columns) }, (_, row) => {
      const units = Uint16Array.from(data.subarray(row * columns, (row + 1) * columns), Number);
      return Buffer.from(units.buffer).toString("utf16le");
    });
  }

  private sparse(path: string, rows: number, type: string): MatlabValue {
    const column = (name: string) => toFloat64(this.file.dataset(`${path}/${name}`).read());
    const columns = this.file.entry(`${path}/jc`).shape![0]! - 1;
    const array = () => {
      // Without any values these are left out.
      const has = this.file.has(`${path}/ir`);
      const [rowIndices, values] = has ? [column("ir"), column("data")] : [new Float64Array(), new Float64Array()];
      const isLogical = type === "logical";
      const matrix = { rows, columns, starts: [...column("jc")], rowIndices: [...rowIndices], values, isLogical };
      return reversedAxes(inMemory(denseColumns(matrix, `${this.file.path}: ${path}`)));
    };
    return { kind: "numbers", type: `sparse ${type}`, shape: [rows, columns], array };
  }
}

function inMemory(array: NdArray): LazyArray {
  return lazyArray(memorySource(arrayBytes(array), "matrix"), { dtype: array.dtype, shape: array.shape });
}

/** Logical values are stored as bytes. */
class Flags implements LazyArray {
  readonly dtype = "bool";
  readonly shape: readonly number[];
  private readonly stored: LazyArray;

  constructor(stored: LazyArray) {
    this.stored = stored;
    this.shape = stored.shape;
  }

  read(): NdArray {
    return flags(this.stored.read());
  }

  readRows(start: number, end: number): NdArray {
    return flags(this.stored.readRows(start, end));
  }
}

function flags({ shape, data }: NdArray): NdArray {
  return { dtype: "bool", shape, data: Uint8Array.from(data as Uint8Array, (value) => (value === 0 ? 0 : 1)) };
}
