/**
 * @file HDF5 files, and what is built on them (NWB, MATLAB v7.3): groups, datasets of numbers and strings, attributes and
 * references. Read only.
 */
import { didYouMean, UserError } from "../errors.ts";
import { type DType, toFloat64 } from "./array.ts";
import { openFile } from "./byte-source.ts";
import { Hdf5Dataset } from "./hdf5-dataset.ts";
import { callHdf5, type Hdf5Library, type Hdf5Metadata, type LoadedHdf5, loadHdf5 } from "./hdf5-library.ts";
import { decodeStrings, type Hdf5OtherType, hdf5NumberType, hdf5TypeName, isObjectReference } from "./hdf5-values.ts";
import type { LazyArray } from "./lazy.ts";

/** One member of a group. */
export interface Hdf5Entry {
  readonly name: string;
  /** A `link` points to something that is not there, in this file or another one. */
  readonly kind: "group" | "dataset" | "link";
  /** Of a dataset that has one: h5py's `Empty` and groups do not. */
  readonly shape: readonly number[] | null;
  /** Element type of a dataset. */
  readonly dtype: DType | Hdf5OtherType | null;
}

/** An open HDF5 file. Paths are written as in `units/spike_times`; a slash in front may be left out. */
export interface Hdf5File extends Disposable {
  /** As it was given to {@link openHdf5}. */
  readonly path: string;
  /**
   * Members of a group, the root without one, in the file's order.
   *
   * @throws UserError when there is no such group
   */
  list(group?: string): Hdf5Entry[];
  /**
   * One group or dataset, as {@link list} describes it.
   *
   * @throws UserError when it is not there
   */
  entry(path: string): Hdf5Entry;
  /** Whether a group or dataset is there. */
  has(path: string): boolean;
  /**
   * A dataset of numbers, read when asked for. Reading rows in order decodes each chunk once. An empty one
   * (h5py's `Empty`) has shape `[0]`.
   *
   * @throws UserError when it is not there or holds something else; reading throws one when the file is damaged
   */
  dataset(path: string): LazyArray;
  /**
   * Attributes of a group or dataset: numbers (whole ones too large for a number as bigint), booleans, strings, arrays
   * of them, paths of objects that are referred to, and null for empty ones.
   *
   * @throws UserError when there is no such object or an attribute cannot be read
   */
  attributes(path: string): Record<string, unknown>;
  /**
   * All strings of a dataset, row-major.
   *
   * @throws UserError when it is not there or holds something else
   */
  strings(path: string): string[];
  /**
   * Paths of the objects that a dataset of references points to, row-major; "" for references to nothing.
   *
   * @throws UserError when it is not there, holds something else or refers to an object that was deleted
   */
  references(path: string): string[];
  /** Closes the file; datasets cannot be read any more. */
  close(): void;
}

const SIGNATURE = "\u0089HDF\r\n\u001a\n";

/** Kinds of objects, in the library's numbers. */
const KIND = { group: 0, dataset: 1, type: 2, brokenLink: 3, brokenExternalLink: 4 };

/**
 * Opens an HDF5 file.
 *
 * @throws UserError when it is missing, a folder, not HDF5, or damaged
 */
export async function openHdf5(path: string): Promise<Hdf5File> {
  if (!isHdf5(path)) {
    throw new UserError(`Cannot read "${path}": it is not an HDF5 file`, {
      hint: "HDF5 files are those of h5py, NWB and MATLAB's save -v7.3.",
    });
  }
  const loaded = await loadHdf5();
  const { library } = loaded;
  const id = callHdf5(`Cannot read "${path}"`, () => library.open(path, library.H5F_ACC_RDONLY, false));
  return new OpenFile(path, loaded, id);
}

/**
 * Whether a file has the signature of HDF5: at byte 0, or after a block of the user's own at 512, 1024, 2048, …
 *
 * @throws UserError when it is missing, a folder or empty
 */
export function isHdf5(path: string): boolean {
  const source = openFile(path);
  try {
    if (source.size === 0) throw new UserError(`Cannot read "${path}": it is empty`);
    for (let at = 0; at + SIGNATURE.length <= source.size; at = at === 0 ? 512 : 2 * at) {
      if (Buffer.from(source.read(at, SIGNATURE.length)).toString("latin1") === SIGNATURE) return true;
    }
    return false;
  } finally {
    source.close();
  }
}

class OpenFile implements Hdf5File {
  readonly path: string;
  private readonly loaded: LoadedHdf5;
  private id: bigint | undefined;

  constructor(path: string, loaded: LoadedHdf5, id: bigint) {
    this.path = path;
    this.loaded = loaded;
    this.id = id;
  }

  list(group = "/"): Hdf5Entry[] {
    const path = this.find(group, "group");
    const names = this.call(group, (library, id) => library.get_names(id, path, false));
    return names.flatMap((name): Hdf5Entry[] => {
      const child = path === "/" ? `/${name}` : `${path}/${name}`;
      switch (this.kindOf(child)) {
        case KIND.group:
        case KIND.dataset:
          return [this.describe(child, name)];
        case KIND.type:
          // A named element type holds no data.
          return [];
        default:
          return [{ name, kind: "link", shape: null, dtype: null }];
      }
    });
  }

  entry(path: string): Hdf5Entry {
    const found = this.find(path);
    return this.describe(found, found.slice(found.lastIndexOf("/") + 1));
  }

  has(path: string): boolean {
    const kind = this.kindOf(absolute(path));
    return kind === KIND.group || kind === KIND.dataset;
  }

  dataset(path: string): LazyArray {
    const found = this.find(path, "dataset");
    const metadata = this.metadata(found);
    const type = hdf5NumberType(metadata);
    if (type === undefined) throw this.wrongType(path, metadata, "numbers");
    const name = `${this.path}: ${path}`;
    return new Hdf5Dataset({
      name,
      shape: metadata.shape ?? [0],
      type,
      chunks: metadata.chunks,
      readBox: ({ start, count }, into) => {
        const box = start.length === 0 ? null : { start, count };
        this.copyData(found, box, into);
      },
      fail: (problem) => new UserError(`Cannot read "${name}": ${problem}`),
    });
  }

  strings(path: string): string[] {
    const found = this.find(path, "dataset");
    const metadata = this.metadata(found);
    if (hdf5TypeName(metadata) !== "string") throw this.wrongType(path, metadata, "strings");
    if (metadata.total_size === 0) return [];
    const read = (library: Hdf5Library, id: bigint, address: bigint) =>
      library.get_dataset_data(id, found, null, null, null, address);
    return this.readStrings(path, metadata, read, "");
  }

  references(path: string): string[] {
    const found = this.find(path, "dataset");
    const metadata = this.metadata(found);
    if (!isObjectReference(metadata)) throw this.wrongType(path, metadata, "references to objects");
    const bytes = new Uint8Array(metadata.total_size * metadata.size);
    if (bytes.length > 0) this.copyData(found, null, bytes);
    return this.targets(path, bytes, metadata.size);
  }

  attributes(path: string): Record<string, unknown> {
    const found = this.find(path);
    const names = this.call(path, (library, id) => library.get_attribute_names(id, found)) as string[];
    return Object.fromEntries(names.map((name) => [name, this.attribute(found, name)]));
  }

  close(): void {
    if (this.id === undefined) return;
    this.loaded.library.close_file(this.id);
    this.id = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private describe(path: string, name: string): Hdf5Entry {
    if (this.kindOf(path) === KIND.group) return { name, kind: "group", shape: null, dtype: null };
    const metadata = this.metadata(path);
    return { name, kind: "dataset", shape: metadata.shape, dtype: hdf5TypeName(metadata) };
  }

  private attribute(path: string, name: string): unknown {
    const place = `${path}@${name}`;
    const metadata = this.call(place, (library, id) => library.get_attribute_metadata(id, path, name));
    const { shape, size, total_size } = metadata;
    if (shape === null) return null;
    const read = (library: Hdf5Library, id: bigint, address: bigint) =>
      library.get_attribute_data(id, path, name, address);
    if (hdf5TypeName(metadata) === "string") return unwrap(shape, this.readStrings(path, metadata, read, name));
    const number = hdf5NumberType(metadata);
    if (number === undefined && !isObjectReference(metadata)) {
      return this.call(place, (_, id) => this.loaded.composedAttribute(id, path, name));
    }
    const bytes = this.withMemory(place, total_size * size, (library, id, pointer) => {
      read(library, id, BigInt(pointer));
      return library.HEAPU8.slice(pointer, pointer + total_size * size);
    });
    if (number === undefined) return unwrap(shape, this.targets(path, bytes, size));
    const fail = (problem: string) => new UserError(`Cannot read "${this.path}: ${place}": ${problem}`);
    const { dtype, data } = number.decode(bytes, shape, fail);
    if (dtype === "float16") return unwrap(shape, [...toFloat64({ dtype, shape, data })]);
    const values = Array.from(data as Iterable<number | bigint>, (value) => {
      if (dtype === "bool") return value === 1;
      return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
    });
    return unwrap(shape, values);
  }

  private targets(path: string, bytes: Uint8Array, size: number): string[] {
    return Array.from({ length: bytes.length / size }, (_, i) => {
      const reference = bytes.slice(i * size, (i + 1) * size);
      if (reference.every((byte) => byte === 0)) return "";
      return this.call(path, (library, id) => library.get_referenced_name(id, reference, true));
    });
  }

  private readStrings(
    path: string,
    metadata: Hdf5Metadata,
    read: (library: Hdf5Library, id: bigint, address: bigint) => void,
    attribute: string,
  ): string[] {
    const length = metadata.total_size * metadata.size;
    return this.withMemory(path, length, (library, id, pointer) => {
      read(library, id, BigInt(pointer));
      const strings = decodeStrings(library, library.HEAPU8.slice(pointer, pointer + length), metadata);
      if (metadata.vlen) library.reclaim_vlen_memory(id, absolute(path), attribute, BigInt(pointer));
      return strings;
    });
  }

  /** Copies the stored elements of a box, or all of them, into `into`. */
  private copyData(
    path: string,
    box: { start: readonly number[]; count: readonly number[] } | null,
    into: Uint8Array,
  ): void {
    this.withMemory(path, into.length, (library, id, pointer) => {
      const count = box?.count.map(BigInt) ?? null;
      const start = box?.start.map(BigInt) ?? null;
      const strides = box?.count.map(() => 1n) ?? null;
      library.get_dataset_data(id, path, count, start, strides, BigInt(pointer));
      // Memory may have grown meanwhile, which replaces the view of it.
      into.set(library.HEAPU8.subarray(pointer, pointer + into.length));
    });
  }

  private withMemory<T>(path: string, bytes: number, use: (library: Hdf5Library, id: bigint, pointer: number) => T): T {
    return this.call(path, (library, id) => {
      const pointer = library._malloc(Math.max(1, bytes));
      if (pointer === 0) {
        throw new UserError(
          `Cannot read "${this.path}: ${path}": ${bytes} bytes do not fit into the HDF5 library's memory`,
          {
            hint: "Close other files, or read it in row ranges.",
          },
        );
      }
      try {
        return use(library, id, pointer);
      } finally {
        library._free(pointer);
      }
    });
  }

  private call<T>(path: string, use: (library: Hdf5Library, id: bigint) => T): T {
    const { id } = this;
    if (id === undefined) throw new Error(`Cannot read "${this.path}": it was closed`);
    return callHdf5(`Cannot read "${this.path}: ${path}"`, () => use(this.loaded.library, id));
  }

  private metadata(path: string): Hdf5Metadata {
    return this.call(path, (library, id) => library.get_dataset_metadata(id, path));
  }

  /** The kind of an object, undefined when there is none. */
  private kindOf(path: string): number | undefined {
    // The library fails on a path that leads through a dataset, so go down step by step.
    const parts = path.split("/").filter((part) => part !== "");
    let kind = KIND.group;
    for (let depth = 1; depth <= parts.length; depth++) {
      if (kind !== KIND.group) return undefined;
      const step = `/${parts.slice(0, depth).join("/")}`;
      kind = this.call(path, (library, id) => library.get_type(id, step));
    }
    return kind < 0 ? undefined : kind;
  }

  /** The absolute path of an object that is there and of the kind wanted. */
  private find(path: string, wanted?: "group" | "dataset"): string {
    const full = absolute(path);
    const kind = this.kindOf(full);
    const isThere = kind === KIND.group || kind === KIND.dataset;
    if (isThere && (wanted === undefined || kind === KIND[wanted])) return full;
    const problem = (what: string, hint?: string) =>
      new UserError(`Cannot read "${path}" of "${this.path}": ${what}`, { hint });
    if (kind === KIND.dataset) throw problem("it is a dataset, not a group");
    if (kind === KIND.group) throw problem("it is a group, not a dataset", this.contents(full));
    if (kind === KIND.brokenLink || kind === KIND.brokenExternalLink) throw problem(this.brokenLink(full, kind));
    const parts = full.slice(1).split("/");
    const depth = parts.findIndex((_, i) => this.kindOf(`/${parts.slice(0, i + 1).join("/")}`) === undefined);
    const parent = `/${parts.slice(0, depth).join("/")}`;
    const similar = didYouMean(
      parts[depth]!,
      this.list(parent).map(({ name }) => name),
    );
    const place = parent === "/" ? "the file" : `the group "${parent.slice(1)}"`;
    const hint =
      similar === undefined ? this.contents(parent) : `Did you mean "${absolute(`${parent}/${similar}`).slice(1)}"?`;
    throw problem(`${place} has no "${parts[depth]}"`, hint);
  }

  private contents(group: string): string {
    const names = this.list(group).map(({ name }) => name);
    const place = group === "/" ? "The file" : `"${group.slice(1)}"`;
    if (names.length === 0) return `${place} is empty.`;
    const shown = names.slice(0, 20).join(", ");
    return `${place} holds: ${shown}${names.length > 20 ? `, and ${names.length - 20} more` : ""}.`;
  }

  private brokenLink(path: string, kind: number): string {
    if (kind === KIND.brokenLink) {
      const target = this.call(path, (library, id) => library.get_symbolic_link(id, path));
      return `it links to "${target}", which is not there`;
    }
    const { filename, obj_path } = this.call(path, (library, id) => library.get_external_link(id, path));
    return `it links to "${obj_path}" of "${filename}", which cannot be opened; put that file beside this one`;
  }

  private wrongType(path: string, metadata: Hdf5Metadata, wanted: string): UserError {
    const name = hdf5TypeName(metadata);
    const isNumber = name === "opaque" && metadata.type <= 1;
    const found = isNumber ? `numbers of ${metadata.size} bytes` : `elements of type ${name}`;
    return new UserError(`Cannot read "${path}" of "${this.path}": it holds ${found}, expected ${wanted}`);
  }
}

function absolute(path: string): string {
  return `/${path
    .split("/")
    .filter((part) => part !== "")
    .join("/")}`;
}

/** The only element of a single value, all of an array. */
function unwrap(shape: readonly number[], values: readonly unknown[]): unknown {
  return shape.length === 0 ? values[0] : values;
}
