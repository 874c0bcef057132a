/**
 * @file Files written by PyTorch's `torch.save` (`.pt`, `.ckpt`, `.dset`): a zip archive with a pickle and one entry per
 * storage. Read without Python; nothing in the file is executed. Follows data.md section 4.3.
 *
 * Tensors stay in the file until they are read. Offsets and strides are honoured, so views that share a storage come out
 * as they were saved.
 */
import { UserError } from "../errors.ts";
import { bytesPerElement, type DType, elementCount } from "./array.ts";
import { asSource, type ByteSource } from "./byte-source.ts";
import { isLazyArray, type LazyArray, lazyArray, spanOfElements } from "./lazy.ts";
import { OpaqueObject, type PickleFunction, type PickleResolver, type UnknownRule, unpickle } from "./pickle.ts";
import { PickleError } from "./pickle-cursor.ts";
import { plainGlobals } from "./pickle-globals.ts";
import { ZipArchive } from "./zip.ts";

/** An open PyTorch file. */
export interface TorchFile {
  readonly path: string;
  /** The saved object: see pickle.ts for Python values; tensors and parameters are {@link LazyArray}s. */
  readonly root: unknown;
  /** Closes the file; tensors can no longer be read. */
  close(): void;
}

/** Options of {@link openTorchFile}. */
export interface TorchFileOptions {
  /**
   * What becomes of Python classes and functions that are neither tensors nor plain data; refused by default. Where they
   * are kept, tensors that cannot be read become {@link OpaqueObject}s too.
   */
  readonly unknown?: UnknownRule;
}

/**
 * Opens a file written by `torch.save`; tensors are read when asked for.
 *
 * @throws UserError when the file cannot be opened, is damaged, older than PyTorch 1.6, a TorchScript archive, packed
 *   to a tiny part of its size, or names Python objects that are neither plain data nor kept
 */
export function openTorchFile(input: string | ByteSource, options: TorchFileOptions = {}): TorchFile {
  const source = asSource(input);
  refuseOtherFormats(source);
  const archive = new ZipArchive(source);
  refuseBombs(archive);
  const pickleName = [...archive.entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickleName === undefined) {
    throw new UserError(`Cannot read "${source.name}": it is a zip archive without data.pkl, not a PyTorch file`);
  }
  const folder = pickleName.slice(0, -"data.pkl".length);
  if (archive.entries.has(`${folder}constants.pkl`)) {
    throw new UserError(`Cannot read "${source.name}": it is a TorchScript archive, which holds a program`, {
      hint: "Save the state_dict with torch.save instead.",
    });
  }
  checkByteOrder(archive, `${folder}byteorder`);
  const root = unpickle(archive.read(pickleName), {
    name: source.name,
    resolver: torchResolver(archive, folder),
    unknown: options.unknown ?? "refuse",
  });
  return { path: source.name, root, close: () => source.close() };
}

/**
 * A dictionary of tensors inside a PyTorch file, such as a state_dict or the covariates of a recording.
 *
 * @param what names the dictionary in messages, `its "covariates"` for example
 * @throws UserError when the value is no dictionary, or one of its keys is no string or its values no readable tensor
 */
export function tensorsByName(path: string, value: unknown, what: string): Map<string, LazyArray> {
  if (!(value instanceof Map)) throw new UserError(`Cannot read "${path}": ${what} is no dictionary`);
  const tensors = new Map<string, LazyArray>();
  for (const [key, tensor] of value as Map<unknown, unknown>) {
    if (typeof key !== "string")
      throw new UserError(`Cannot read "${path}": ${what} has the key ${String(key)}, not a string`);
    if (!isLazyArray(tensor)) {
      throw new UserError(`Cannot read "${path}": "${key}" in ${what} is ${describe(tensor)}, not a tensor`, {
        hint: "Nothing in the file was executed. Save it again with plain tensors in that place.",
      });
    }
    tensors.set(key, tensor);
  }
  return tensors;
}

function describe(value: unknown): string {
  if (value instanceof OpaqueObject) {
    return value.problem === undefined ? `a Python object ${value.__py}` : `not readable (${value.problem})`;
  }
  if (value === null) return "None";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Map) return "a dictionary";
  return typeof value === "object" ? "another kind of object" : `a ${typeof value}`;
}

const STORAGE_DTYPES: Readonly<Record<string, DType>> = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
};

// PyTorch allows no more axes.
const MOST_AXES = 64;

class StorageType {
  readonly dtype: DType;

  constructor(dtype: DType) {
    this.dtype = dtype;
  }
}

class Storage {
  readonly source: ByteSource;
  readonly dtype: DType;
  readonly elements: number;

  constructor(source: ByteSource, dtype: DType, elements: number) {
    this.source = source;
    this.dtype = dtype;
    this.elements = elements;
  }
}

function torchResolver(archive: ZipArchive, folder: string): PickleResolver {
  const sources = new Map<string, ByteSource>();
  return {
    global: (module, name) => torchGlobal(module, name) ?? plainGlobals.global(module, name),
    build: plainGlobals.build,
    persistent(id) {
      const [kind, type, key, , elements] = Array.isArray(id) ? (id as unknown[]) : [];
      if (type instanceof OpaqueObject) throw new PickleError(`storages of type ${type.__py} are not supported`);
      if (kind !== "storage" || !(type instanceof StorageType) || typeof key !== "string" || !isSize(elements)) {
        throw new PickleError("a reference to a storage is damaged");
      }
      const source = sources.get(key) ?? archive.open(`${folder}data/${key}`);
      sources.set(key, source);
      const wanted = elements * bytesPerElement(type.dtype);
      if (wanted > source.size) throw new PickleError(`storage ${key} takes ${wanted} bytes but has ${source.size}`);
      return new Storage(source, type.dtype, elements);
    },
  };
}

const TORCH_FUNCTIONS: Readonly<Record<string, PickleFunction>> = {
  "torch._utils._rebuild_tensor_v2": tensorFrom,
  "torch._utils._rebuild_parameter": ([tensor]) => tensor,
  "torch.Size": sizeFrom,
  "torch.device": (parts) => parts.join(":"),
};

const DTYPE_NAMES = /^(bool|uint8|int(8|16|32|64)|float(16|32|64)|bfloat16|complex(64|128))$/;

function torchGlobal(module: string, name: string): unknown {
  const path = `${module}.${name}`;
  if (Object.hasOwn(TORCH_FUNCTIONS, path)) return TORCH_FUNCTIONS[path];
  if (module !== "torch") return undefined;
  if (Object.hasOwn(STORAGE_DTYPES, name)) return new StorageType(STORAGE_DTYPES[name]!);
  return DTYPE_NAMES.test(name) ? path : undefined;
}

function tensorFrom([storage, offset, shape, strides]: readonly unknown[]): LazyArray {
  if (storage instanceof OpaqueObject) throw new PickleError(storage.problem ?? "its storage is not readable");
  if (!(storage instanceof Storage) || !isSize(offset) || !isSizeList(shape) || !isSizeList(strides)) {
    throw new PickleError("a tensor is damaged");
  }
  if (strides.length !== shape.length || shape.length > MOST_AXES)
    throw new PickleError("a tensor's strides are damaged");
  const { dtype, source, elements } = storage;
  if (!Number.isSafeInteger(elementCount(shape)) || offset + spanOfElements(shape, strides) > elements) {
    throw new PickleError(`a tensor [${shape.join(", ")}] reaches beyond the ${elements} elements of its storage`);
  }
  return lazyArray(source, { dtype, shape, strides, offset: offset * bytesPerElement(dtype) });
}

function sizeFrom([sizes = []]: readonly unknown[]): number[] {
  if (!isSizeList(sizes)) throw new PickleError("a torch.Size is damaged");
  return sizes;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isSize);
}

// torch.save does not pack at all, and packing weights again hardly makes them smaller.
const HIGHEST_RATIO = 100;
const HARMLESS_BYTES = 2 ** 26;

/** Refuses entries that would fill memory although the file is small. */
function refuseBombs(archive: ZipArchive): void {
  for (const { name, size, compressedSize } of archive.entries.values()) {
    if (size <= HARMLESS_BYTES || size <= HIGHEST_RATIO * compressedSize) continue;
    throw new UserError(
      `Cannot read "${archive.name}": its entry "${name}" takes ${compressedSize} bytes and would unpack to ${size}`,
      { hint: "torch.save does not write such files. Save it again with PyTorch if you trust where it comes from." },
    );
  }
}

function checkByteOrder(archive: ZipArchive, entry: string): void {
  // Files from before PyTorch 2.1 have no such entry and are little-endian.
  if (!archive.entries.has(entry)) return;
  const order = new TextDecoder().decode(archive.read(entry)).trim();
  if (order === "little") return;
  throw new UserError(
    `Cannot read "${archive.name}": its byte order is ${JSON.stringify(order)}, only "little" is supported`,
    {
      hint: "Load it and save it again with PyTorch on an ordinary (x86 or ARM) computer.",
    },
  );
}

function refuseOtherFormats(source: ByteSource): void {
  const start = Buffer.from(source.read(0, Math.min(source.size, 14)));
  // PyTorch before 1.6 starts with the pickled number 0x1950a86a20f9469cfc6c.
  if (start.toString("hex") === "80028a0a6cfc9c46f9206aa85019") {
    throw new UserError(`Cannot read "${source.name}": it is in PyTorch's file format from before version 1.6`, {
      hint: "Convert it with a newer PyTorch: torch.save(torch.load(path), path).",
    });
  }
  if (start.toString("latin1", 0, 4) === "\u0089HDF") {
    throw new UserError(`Cannot read "${source.name}": it is an HDF5 file, not a PyTorch file`);
  }
}
