/**
 * @file Reading configuration files, and saying which files are there when one is not.
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { didYouMean, UserError } from "../errors.ts";

/** How many neighbours of a missing file a hint lists. */
const LISTED_FILES = 12;

/** A file or folder that a configuration names, or the configuration file itself, does not exist. */
export class MissingFileError extends UserError {
  override readonly name: string = "MissingFileError";
  /** The path that was looked for. */
  readonly path: string;

  constructor(path: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options);
    this.path = path;
  }
}

/**
 * Text of a configuration file.
 *
 * @param what What the file is, for messages: "model config", "session file".
 * @param namedAt Place that names the file, `parent.yaml:3:12`, when the user did not name it directly.
 * @throws MissingFileError when it does not exist, with similar names from the same folder; UserError when it cannot be
 * read (a folder, no permission).
 */
export function readConfigFile(path: string, what = "config file", namedAt?: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw missingFile(
        path,
        `Cannot find ${what} "${path}"${namedAt === undefined ? "" : `, named at ${namedAt}`}`,
        cause,
      );
    }
    if (code === "EISDIR") {
      throw new UserError(`Cannot read "${path}": it is a folder, expected a ${what}`, { cause, hint: listing(path) });
    }
    throw new UserError(`Cannot read "${path}": ${(cause as Error).message}`, { cause });
  }
}

function missingFile(path: string, message: string, cause: unknown): MissingFileError {
  const folder = dirname(path);
  if (!isFolder(folder)) {
    return new MissingFileError(path, `${message}: there is no folder "${folder}"`, { cause });
  }
  const neighbours = yamlFiles(folder);
  const wanted = basename(path);
  const stem = (name: string): string => basename(name, extname(name));
  const similar =
    neighbours.find((name) => name.toLowerCase() === wanted.toLowerCase()) ??
    neighbours.find((name) => stem(name) === wanted || stem(name) === stem(wanted)) ??
    didYouMean(wanted, neighbours);
  const hint = similar === undefined ? listing(folder) : `Did you mean "${join(folder, similar)}"?`;
  return new MissingFileError(path, message, { cause, ...(hint === undefined ? {} : { hint }) });
}

/** True when `path` is an existing folder. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function listing(folder: string): string {
  const files = yamlFiles(folder);
  if (files.length === 0) return `The folder "${folder}" holds no YAML files.`;
  const rest = files.length > LISTED_FILES ? `, and ${files.length - LISTED_FILES} more` : "";
  return `The folder "${folder}" holds ${files.slice(0, LISTED_FILES).join(", ")}${rest}.`;
}

function yamlFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.ya?ml$/i.test(name))
    .sort();
}
