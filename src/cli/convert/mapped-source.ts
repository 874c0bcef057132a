/**
 * @file The arrays that a mapping file names: opened when first needed, with messages that say where they are named, and
 * with the hash of every file that was used.
 */
import { basename, dirname, relative, resolve } from "node:path";
import type { LoadedMapping, MappedArray } from "../../config/mapping-file.ts";
import { fileDigest } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { type ArraySource, openArraySource } from "./array-source.ts";
import type { LabelledArray } from "./named-axes.ts";

/** Where an array came from, as it is stored with the recording. */
export interface Origin {
  readonly file: string;
  readonly array?: string;
  readonly sha256: string;
}

/** The files behind one mapping file. */
export class MappedSource implements Disposable {
  private readonly loaded: LoadedMapping;
  private readonly opened = new Map<string, ArraySource>();
  private readonly digests = new Map<string, string>();
  private readonly origins: Record<string, Origin> = {};

  constructor(loaded: LoadedMapping) {
    this.loaded = loaded;
  }

  /**
   * An array.
   *
   * @param key its place in the mapping file, `keys.stim` for example; the part behind the dot names its origin
   * @throws UserError when the file or the array is not there, with the place in the mapping file that names it
   */
  async array(key: string, wanted: MappedArray): Promise<LabelledArray> {
    return this.use(key, wanted, (source, name) => ({ array: source.array(name), label: this.label(source, name) }));
  }

  /** The vectors of something that holds several, with a label; undefined for a single array. Throws like {@link array}. */
  async vectors(key: string, wanted: MappedArray): Promise<{ times: Float64Array[]; label: string } | undefined> {
    return this.use(key, wanted, (source, name) => {
      const times = source.vectors(name);
      return times && { times, label: this.label(source, name) };
    });
  }

  /** Origins of everything that was asked for, by key. */
  sources(): Readonly<Record<string, Origin>> {
    return this.origins;
  }

  [Symbol.dispose](): void {
    for (const source of this.opened.values()) source[Symbol.dispose]();
  }

  private async use<T>(key: string, wanted: MappedArray, read: (source: ArraySource, name: string) => T): Promise<T> {
    const { mapping, source: yaml } = this.loaded;
    const steps = key.split(".");
    const place = yaml.locate([...steps, wanted.from === undefined ? "file" : "from"], "value")!;
    try {
      const file = wanted.file ?? mapping.file;
      if (file === undefined) {
        throw new UserError(`Cannot read "${wanted.from ?? key}": no file is named`, {
          hint: "Add file, here or for all keys.",
        });
      }
      const source = await this.open(this.pathOf(file));
      const name = wanted.from ?? "";
      const result = read(source, name);
      this.origins[steps.at(-1)!] = this.origin(source.fileOf(name), name);
      return result;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(`${error.message} (${key} in ${place.file}:${place.line}:${place.column})`, {
        ...(error.hint !== undefined && { hint: error.hint }),
        cause: error,
      });
    }
  }

  /** A path that reads well in messages: relative to the working folder when it lies below. */
  private pathOf(file: string): string {
    const path = resolve(dirname(this.loaded.path), file);
    const fromHere = relative("", path);
    return fromHere === "" || fromHere.startsWith("..") ? path : fromHere;
  }

  private async open(path: string): Promise<ArraySource> {
    const source = this.opened.get(path) ?? (await openArraySource(path));
    this.opened.set(path, source);
    return source;
  }

  private label(source: ArraySource, name: string): string {
    const file = source.fileOf(name);
    return file.endsWith(".npy") ? `"${file}"` : `"${name}" of "${file}"`;
  }

  private origin(file: string, array: string): Origin {
    const sha256 = this.digests.get(file) ?? fileDigest(file);
    this.digests.set(file, sha256);
    return { file: basename(file), ...(array !== "" && { array }), sha256 };
  }
}
