/**
 * @file numpy's .npz archives: .npy files in a zip archive, compressed or not.
 */
import { UserError } from "../errors.ts";
import type { NdArray } from "./array.ts";
import { type ByteSource, memorySource } from "./byte-source.ts";
import type { LazyArray } from "./lazy.ts";
import { openNpy } from "./npy.ts";
import { ZipArchive } from "./zip.ts";

/** An open .npz archive. */
export interface NpzFile {
  readonly path: string;
  /** Names of its arrays, in file order. */
  readonly names: readonly string[];
  /**
   * One array, its elements read when asked for: rows of an uncompressed one come straight from the file, a compressed
   * one (at most 2 GiB) is unpacked as a whole. Throws a UserError when there is none of that name or it is damaged.
   */
  array(name: string): LazyArray;
  /** Reads one array, checksum verified. Throws like {@link array}. */
  read(name: string): NdArray;
  /** Closes the file. */
  close(): void;
}

/**
 * Opens a .npz archive.
 *
 * @throws UserError when the file cannot be opened or is not an archive of .npy files
 */
export function openNpz(input: string | ByteSource): NpzFile {
  const archive = new ZipArchive(input);
  const foreign = [...archive.entries.keys()].find((name) => !name.endsWith(".npy"));
  if (foreign !== undefined) {
    throw new UserError(`Cannot read "${archive.name}" as npz: its entry "${foreign}" is not an .npy file`);
  }
  const array = (name: string): LazyArray => openNpy(archive.open(`${name}.npy`));
  return {
    path: archive.name,
    names: [...archive.entries.keys()].map((name) => name.slice(0, -".npy".length)),
    array,
    read(name) {
      const entry = `${name}.npy`;
      return openNpy(memorySource(archive.read(entry), `${archive.name}: ${entry}`)).read();
    },
    close: () => archive.close(),
  };
}
