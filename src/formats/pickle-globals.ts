/**
 * @file What pickled Python and numpy objects become: the whitelist of classes that are plain data (data.md section
 * 4.3).
 *
 * numpy arrays become {@link NdArray}, numpy scalars numbers, strings or booleans, complex numbers `{ re, im }`.
 */
import { elementCount, type NdArray, toFloat64 } from "./array.ts";
import { columnMajorStrides, gatherElements } from "./lazy.ts";
import { type NumpyType, numpyType } from "./numpy-types.ts";
import { OpaqueObject, type PickleFunction, type PickleResolver } from "./pickle.ts";
import { PickleError } from "./pickle-cursor.ts";

/** Resolves the collections, basic types and numpy objects that are plain data. */
export const plainGlobals: PickleResolver = {
  global(module, name) {
    // Protocol 2 uses Python 2's name of the module; numpy 2 renamed its core.
    const path = module.replace(/^__builtin__$/, "builtins").replace(/^numpy\.core\./, "numpy._core.");
    return Object.hasOwn(GLOBALS, `${path}.${name}`) ? GLOBALS[`${path}.${name}`] : undefined;
  },

  build(object, state) {
    // Attributes of an ordered dictionary are no items: PyTorch keeps module versions there.
    if (object instanceof Map) return object;
    if (!(object instanceof OpaqueObject) || object.__py !== "numpy.ndarray") return undefined;
    if (!Array.isArray(state) || state.length !== 5) throw new PickleError("the state of a numpy array is damaged");
    const [, shape, dtype, isColumnMajor, bytes] = state as unknown[];
    return numpyArray(bytes, dtype, shape, isColumnMajor === true);
  },
};

const GLOBALS: Readonly<Record<string, PickleFunction>> = {
  "_codecs.encode": bytesFrom,
  "builtins.bytearray": bytesFrom,
  "builtins.bytes": bytesFrom,
  "builtins.complex": complexFrom,
  "builtins.frozenset": setFrom,
  "builtins.set": setFrom,
  "collections.OrderedDict": orderedDictFrom,
  "numpy._core.multiarray._reconstruct": () => new OpaqueObject("numpy.ndarray", []),
  "numpy._core.multiarray.scalar": numpyScalar,
  "numpy._core.numeric._frombuffer": ([bytes, dtype, shape, order]) => numpyArray(bytes, dtype, shape, order === "F"),
  "numpy.dtype": (args) => new OpaqueObject("numpy.dtype", args),
  "numpy.ndarray": () => new OpaqueObject("numpy.ndarray", []),
};

function bytesFrom([value = "", encoding = "latin1"]: readonly unknown[]): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "string" || typeof encoding !== "string" || !/^latin[-_]?1$/.test(encoding)) {
    throw new PickleError("bytes are given in a way that is not supported");
  }
  const bytes = new Uint8Array(value.length);
  for (let i = 0; i < bytes.length; i++) {
    const code = value.charCodeAt(i);
    if (code > 255) throw new PickleError("bytes are given as text outside latin-1");
    bytes[i] = code;
  }
  return bytes;
}

function complexFrom([re, im]: readonly unknown[]): { re: number; im: number } {
  if (typeof re !== "number" || typeof im !== "number") throw new PickleError("a complex number is damaged");
  return { re, im };
}

function setFrom([items = []]: readonly unknown[]): Set<unknown> {
  if (!Array.isArray(items)) throw new PickleError("a set is made from something that is not a list");
  return new Set(items);
}

function orderedDictFrom([pairs = []]: readonly unknown[]): Map<unknown, unknown> {
  if (!Array.isArray(pairs) || pairs.some((pair) => !Array.isArray(pair) || pair.length !== 2)) {
    throw new PickleError("an ordered dictionary is made from something that is not a list of pairs");
  }
  return new Map(pairs as [unknown, unknown][]);
}

function numpyArray(raw: unknown, dtype: unknown, shape: unknown, isColumnMajor: boolean): NdArray {
  const type = elementType(dtype);
  if (!isShape(shape)) throw new PickleError("the shape of a numpy array is damaged");
  // Python 2 stored bytes as text.
  const bytes = bytesFrom([raw]);
  const wanted = elementCount(shape) * type.itemBytes;
  if (bytes.length !== wanted) {
    throw new PickleError(
      `a numpy array ${type.descr} [${shape.join(", ")}] takes ${wanted} bytes, got ${bytes.length}`,
    );
  }
  const rowMajor = isColumnMajor
    ? gatherElements(bytes, type.itemBytes, shape, columnMajorStrides(shape), "numpy array")
    : bytes;
  return type.decode(rowMajor, shape, pickleError);
}

function numpyScalar([dtype, raw]: readonly unknown[]): unknown {
  const bytes = bytesFrom([raw]);
  const kind = dtypeName(dtype);
  if (/^[<>|=]?U\d*$/.test(kind)) return textFrom(bytes, kind.startsWith(">"));
  const type = elementType(dtype);
  if (bytes.length !== type.itemBytes) throw new PickleError(`a numpy scalar ${kind} has ${bytes.length} bytes`);
  const array = type.decode(bytes, [], pickleError);
  if (array.dtype === "bool") return array.data[0] !== 0;
  if (array.dtype !== "int64") return toFloat64(array)[0];
  const value = array.data[0] as bigint;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** numpy's fixed-width text: one code point in four bytes, padded with zeros. */
function textFrom(bytes: Uint8Array, isBigEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const code = view.getUint32(at, !isBigEndian);
    if (code > 0x10ffff) throw new PickleError("a numpy string is damaged");
    text += String.fromCodePoint(code);
  }
  return text.replace(/\0+$/, "");
}

function pickleError(problem: string): PickleError {
  return new PickleError(problem);
}

function elementType(dtype: unknown): NumpyType {
  const name = dtypeName(dtype);
  const type = numpyType(name);
  if (type === undefined) throw new PickleError(`numpy elements of type "${name}" are not supported`);
  return type;
}

/** numpy's spelling of a pickled dtype: the name it was made with, the byte order from its state. */
function dtypeName(dtype: unknown): string {
  if (!(dtype instanceof OpaqueObject) || dtype.__py !== "numpy.dtype")
    throw new PickleError("a numpy dtype is missing");
  const name = dtype.args?.[0];
  const order = Array.isArray(dtype.state) ? dtype.state[1] : "<";
  if (typeof name !== "string" || typeof order !== "string") throw new PickleError("a numpy dtype is damaged");
  return /^[<>|=]/.test(name) ? name : order + name;
}

function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
