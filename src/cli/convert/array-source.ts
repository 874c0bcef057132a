/**
 * @file Files of others as a set of named arrays: .npz, MATLAB files of both kinds, HDF5, .npy and folders of .npy. What a
 * file is shows in its content, not in its name.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { UserError } from "../../errors.ts";
import { toFloat64 } from "../../formats/array.ts";
import { openFile } from "../../formats/byte-source.ts";
import { type Hdf5Entry, type Hdf5File, isHdf5, openHdf5 } from "../../formats/hdf5.ts";
import type { LazyArray } from "../../formats/lazy.ts";
import { openMat5 } from "../../formats/mat5.ts";
import { isMat73, openMat73 } from "../../formats/mat73.ts";
import { listMatlab, type MatlabFile, type MatlabValue, matlabValue, namesHint } from "../../formats/matlab.ts";
import { openNpy } from "../../formats/npy.ts";
import { openNpz } from "../../formats/npz.ts";

/** One thing in a source. */
export interface SourceEntry {
  /** As a mapping file names it. */
  readonly name: string;
  /** Element type of an array, else what it is: cell, struct, group, text. */
  readonly type: string;
  readonly shape: readonly number[];
  /** Whether it is an array of numbers. */
  readonly isArray: boolean;
}

/** An open file, or folder, of arrays. */
export interface ArraySource extends Disposable {
  readonly path: string;
  list(): SourceEntry[];
  /**
   * An array of numbers, read when asked for.
   *
   * @throws UserError when it is not there (with similar names) or is something else
   */
  array(name: string): LazyArray;
  /**
   * The vectors of something that holds several: a cell array, a field of a struct array, a struct or a group; undefined
   * for a single array. Members of structs and groups come in the natural order of their names (`unit2`, `unit10`).
   *
   * @throws UserError like {@link array}
   */
  vectors(name: string): Float64Array[] | undefined;
  /** The file that an array is in. */
  fileOf(name: string): string;
}

/**
 * Opens a file or folder by what it contains.
 *
 * @throws UserError when it is missing, of no known kind or damaged
 */
export async function openArraySource(path: string): Promise<ArraySource> {
  if (existsSync(path) && statSync(path).isDirectory()) return npyFolder(path);
  const start = startOf(path);
  if (start.startsWith("PK")) return npzSource(path);
  if (start.startsWith("\u0093NUMPY")) return npySource(path, path, new Map([[basename(path, ".npy"), path]]));
  if (isMat73(path)) return matlabSource(await openMat73(path));
  if (isHdf5(path)) return new Hdf5Source(await openHdf5(path));
  if (extname(path).toLowerCase() === ".mat" || /^MATLAB|^# Created by Octave/.test(start)) {
    return matlabSource(openMat5(path));
  }
  throw new UserError(`Cannot read "${path}": it is neither .npz, .npy, MATLAB nor HDF5`, {
    hint: "Its content counts, not its name. The file may be damaged, or a pointer to one that was not downloaded.",
  });
}

function startOf(path: string): string {
  const source = openFile(path);
  try {
    return Buffer.from(source.read(0, Math.min(source.size, 32))).toString("latin1");
  } finally {
    source.close();
  }
}

function npyFolder(path: string): ArraySource {
  const names = readdirSync(path)
    .filter((name) => name.endsWith(".npy"))
    .sort();
  if (names.length === 0) {
    throw new UserError(`Cannot read "${path}": it is a folder without .npy files`, {
      hint: "Name a file, or a folder that holds .npy files.",
    });
  }
  return npySource(path, undefined, new Map(names.map((name) => [basename(name, ".npy"), join(path, name)])));
}

/** @param only path of the file when it is one */
function npySource(path: string, only: string | undefined, files: ReadonlyMap<string, string>): ArraySource {
  const find = (name: string): string => {
    const file = name === "" ? only : files.get(name.replace(/\.npy$/, ""));
    if (file !== undefined) return file;
    throw missing(name, path, [...files.keys()]);
  };
  return {
    path,
    list: () => [...files].map(([name, file]) => arrayEntry(name, openNpy(file))),
    array: (name) => openNpy(find(name)),
    vectors: () => undefined,
    fileOf: find,
    [Symbol.dispose]() {},
  };
}

function npzSource(path: string): ArraySource {
  const file = openNpz(path);
  const array = (name: string) => {
    if (!file.names.includes(name)) throw missing(name, path, file.names);
    return file.array(name);
  };
  return {
    path,
    list: () => file.names.map((name) => arrayEntry(name, file.array(name))),
    array,
    vectors: () => undefined,
    fileOf: () => path,
    [Symbol.dispose]: () => file.close(),
  };
}

function arrayEntry(name: string, { dtype, shape }: LazyArray): SourceEntry {
  return { name, type: dtype, shape, isArray: true };
}

function missing(name: string, path: string, names: readonly string[]): UserError {
  const hint = namesHint(name, names, "It holds");
  if (name === "") return new UserError(`Cannot read "${path}": say which array, with from`, { hint });
  return new UserError(`Cannot read "${name}" of "${path}": there is no such array`, { hint });
}

function matlabSource(file: MatlabFile): ArraySource {
  const find = (name: string): MatlabValue => {
    if (name === "") throw missing(name, file.path, file.names);
    return matlabValue(file, name);
  };
  const numbers = (name: string, value: MatlabValue): LazyArray => {
    if (value.kind === "numbers") return value.array();
    const { kind, type, shape } = value;
    throw new UserError(
      `Cannot read "${name}" of "${file.path}": it is ${type} [${shape.join(", ")}], expected numbers`,
      kind === "other" ? { hint: value.hint } : {},
    );
  };
  return {
    path: file.path,
    list: () =>
      listMatlab(file).map(({ name, type, shape, kind }) => ({ name, type, shape, isArray: kind === "numbers" })),
    array: (name) => numbers(name, find(name)),
    vectors(name) {
      const members = matlabMembers(find(name));
      return members?.map(([label, value]) => vector(`${name}${label}`, file.path, numbers(`${name}${label}`, value)));
    },
    fileOf: () => file.path,
    [Symbol.dispose]: () => file.close(),
  };
}

function matlabMembers(value: MatlabValue): [label: string, value: MatlabValue][] | undefined {
  const count = value.shape.reduce((product, n) => product * n, 1);
  if (value.kind === "cell") return Array.from({ length: count }, (_, i) => [`{${i + 1}}`, value.item(i)]);
  if (value.kind !== "struct" || count !== 1) return undefined;
  return naturalOrder(value.fields).map((field) => [`.${field}`, value.field(field, 0)]);
}

function naturalOrder(names: readonly string[]): string[] {
  return names.toSorted(new Intl.Collator("en", { numeric: true }).compare);
}

function vector(name: string, path: string, array: LazyArray): Float64Array {
  // MATLAB's empty vector is [0, 0].
  if (array.shape.includes(0)) return new Float64Array();
  if (array.shape.filter((n) => n !== 1).length <= 1) return toFloat64(array.read());
  throw new UserError(`Cannot use "${name}" of "${path}": its shape is [${array.shape.join(", ")}], expected a vector`);
}

const MOST_LISTED = 2000;

class Hdf5Source implements ArraySource {
  readonly path: string;
  private readonly file: Hdf5File;

  constructor(file: Hdf5File) {
    this.file = file;
    this.path = file.path;
  }

  list(): SourceEntry[] {
    const entries: SourceEntry[] = [];
    const visit = (group: string | undefined): void => {
      for (const entry of this.file.list(group)) {
        if (entries.length >= MOST_LISTED) return;
        const name = group === undefined ? entry.name : `${group}/${entry.name}`;
        entries.push({ name, ...described(entry) });
        // Groups may be linked in circles.
        if (entry.kind === "group" && name.split("/").length < 8) visit(name);
      }
    };
    visit(undefined);
    return entries;
  }

  array(name: string): LazyArray {
    if (name === "") {
      const names = this.list().flatMap((entry) => (entry.isArray ? [entry.name] : []));
      throw missing(name, this.path, names);
    }
    return this.file.dataset(name);
  }

  vectors(name: string): Float64Array[] | undefined {
    if (this.file.entry(name).kind !== "group") return undefined;
    return naturalOrder(this.file.list(name).map((entry) => entry.name)).map((member) =>
      vector(`${name}/${member}`, this.path, this.file.dataset(`${name}/${member}`)),
    );
  }

  fileOf(): string {
    return this.path;
  }

  [Symbol.dispose](): void {
    this.file.close();
  }
}

function described({ kind, dtype, shape }: Hdf5Entry): Omit<SourceEntry, "name"> {
  const others = ["string", "reference", "compound", "variable-length list", "opaque"];
  const isArray = kind === "dataset" && dtype !== null && !others.includes(dtype);
  return { type: dtype ?? kind, shape: shape ?? [], isArray };
}
