/**
 * @file Where configuration values were written: the bridge from a path such as `convnet.params.channels` to a line.
 */

import type { ConfigPath } from "./config-error.ts";
import { isMapping, valueAt } from "./mapping.ts";

/** A place in a file, with the line itself for messages. */
export interface Location {
  file: string;
  /** 1-based. */
  line: number;
  /** 1-based, in UTF-16 code units. */
  column: number;
  /** The source line and a caret below the column. */
  excerpt: string;
}

/** The text behind a configuration value. */
export interface ConfigSource {
  /** Name for messages: the file's path, or what the value is when it has no file. */
  readonly file: string;
  /**
   * Place of the value at `path`, or of its key. A path that leads past what was written (a default, a shorthand that
   * was spelt out) gives the deepest place on the way. Undefined when the value never was in a file.
   */
  locate(path: ConfigPath, part: "key" | "value"): Location | undefined;
  /** Place to point at when the mapping at `path` lacks a key. */
  locateGap(path: ConfigPath): Location | undefined;
  /** How many leading elements of `path` were written down. */
  depth(path: ConfigPath): number;
  /** The value at `path` as written, or undefined. */
  written(path: ConfigPath): unknown;
}

/** Source of a value that was made in memory: it has a name and no lines. */
export function plainSource(name: string, value: unknown): ConfigSource {
  return {
    file: name,
    locate: () => undefined,
    locateGap: () => undefined,
    depth: (path) => valueAt(value, path).depth,
    written: (path) => valueAt(value, path).value,
  };
}

/**
 * Source of a mapping made by merging `override` into `base` with `mergeConfig`: a place is looked up in the file its
 * value came from, in `override` for a mapping that both hold. A key that neither has is missed in `base`, where it
 * usually belongs.
 */
export function layeredSource(override: ConfigSource, base: ConfigSource): ConfigSource {
  /** Lists and values replace what `base` holds, so `override` owns everything from there on down. */
  const replaced = (path: ConfigPath): boolean => {
    const depth = override.depth(path);
    for (let length = 1; length <= depth; length++) {
      if (!isMapping(override.written(path.slice(0, length)))) return true;
    }
    return false;
  };
  const owner = (path: ConfigPath): ConfigSource =>
    !replaced(path) && base.depth(path) > override.depth(path) ? base : override;
  const gapOwner = (path: ConfigPath): ConfigSource =>
    !replaced(path) && base.depth(path) === path.length ? base : override;
  return {
    file: override.file,
    locate: (path, part) => owner(path).locate(path, part),
    locateGap: (path) => gapOwner(path).locateGap(path),
    depth: (path) => owner(path).depth(path),
    written: (path) => owner(path).written(path),
  };
}
