/**
 * @file `.dset` recordings → recordings of our own format, which open lazily and need no pickle.
 */
import { copyFileSync, existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { openDset } from "../../data/dset.ts";
import { Recording } from "../../data/recording.ts";
import { writeRecording } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { makeFolder } from "../../formats/folder.ts";
import { verifyRecording } from "./verify-recording.ts";

/** What {@link convertDset} converts. */
export interface ConvertDsetOptions {
  /** A `.dset` file, or a folder with some anywhere below it: a session or a whole data folder. */
  readonly input: string;
  /** Folder to write to; below it the layout stays as it was. */
  readonly out: string;
  /** Frames per second of the recordings, where known. */
  readonly rateHz?: number | undefined;
  /** Called before each file. */
  readonly onFile?: (path: string, done: number, total: number) => void;
}

/** What {@link convertDset} wrote. */
export interface ConvertedDset {
  /** Paths without extension of the recordings. */
  readonly recordings: readonly string[];
  /** Arrays about the session that were copied with them, such as `qc/amp_truncation/truncation.npz`. */
  readonly copied: readonly string[];
}

/**
 * Converts recordings and checks each by hash; arrays (`.npy`, `.npz`) of a folder are copied along, since preparation
 * looks for them beside the recordings.
 *
 * @throws UserError when there is no `.dset`, or one cannot be read
 */
export function convertDset({ input, out, rateHz, onFile }: ConvertDsetOptions): ConvertedDset {
  if (!existsSync(input)) throw new UserError(`Cannot convert "${input}": there is no such file or folder`);
  const root = statSync(input).isDirectory() ? input : dirname(input);
  const files = root === input ? filesBelow(input) : [input];
  const dsets = files.filter((path) => path.endsWith(".dset"));
  if (dsets.length === 0) {
    throw new UserError(
      `Cannot convert "${input}": ${root === input ? "no .dset file below it" : "it is not a .dset file"}`,
      {
        hint: "Name a .dset file, or a folder that holds some.",
      },
    );
  }
  const recordings = dsets.map((path, done) => {
    onFile?.(path, done, dsets.length);
    const { covariates, metadata } = openDset(path);
    const recording = new Recording(basename(path, ".dset"), covariates, metadata);
    const folder = join(out, dirname(relative(root, path)));
    writeRecording(folder, recording, { rateHz, sourcePath: path });
    verifyRecording(folder, recording);
    return join(folder, recording.type);
  });
  const arrays = files.filter((path) => /\.np[yz]$/.test(path));
  const copied = arrays.map((path) => {
    const target = join(out, relative(root, path));
    makeFolder(dirname(target));
    if (resolve(target) !== resolve(path)) copyFileSync(path, target);
    return target;
  });
  return { recordings, copied };
}

function filesBelow(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort();
}
