/**
 * @file A resolved configuration as YAML, every value with the place it came from.
 */

import { Document, isMap, isScalar, isSeq, type Node } from "yaml";
import { paramIsRead } from "./block.ts";
import type { ConfigPath } from "./config-error.ts";
import { isMapping } from "./mapping.ts";
import { OLD_SPELLINGS } from "./normalize.ts";
import type { ConfigSource } from "./source.ts";

/** Where the value at a path came from, in a few words. */
export type Origins = (path: ConfigPath) => string;

/**
 * Origins of a configuration that was read from `source`: `file:line` for what was written, of the session's file where
 * it overrides the parent's, else `default`.
 */
export function originsOf(source: ConfigSource): Origins {
  const place = (path: ConfigPath): string => {
    const location = source.locate(path, "value");
    return location === undefined ? source.file : `${location.file}:${location.line}`;
  };
  return (path) => {
    const depth = source.depth(path);
    if (depth === path.length) return place(path);
    // `unsqueeze: 1` was written, unsqueeze.axis is what became of it.
    const shorthand = source.written(path.slice(0, depth));
    if (typeof shorthand !== "object") return place(path.slice(0, depth));
    const oldPath = [...path.slice(0, -1), OLD_SPELLINGS[String(path.at(-1))] ?? ""];
    return source.depth(oldPath) === oldPath.length ? place(oldPath) : "default";
  };
}

/**
 * `resolved` as YAML, with the origin of every value as a comment. Parameters that the chosen type does not read and
 * keys that start with an underscore are left out.
 *
 * @example
 * printConfig(loaded.config, originsOf(loaded.source));
 * // lag_order: newest_first # default
 */
export function printConfig(resolved: Readonly<Record<string, unknown>>, origins: Origins): string {
  const document = new Document(shown(resolved));
  annotate(document.contents as Node, []);
  return document.toString({ lineWidth: 120, flowCollectionPadding: false });

  function annotate(node: unknown, path: ConfigPath): void {
    if (isMap(node) && node.items.length > 0) {
      for (const { key, value } of node.items) annotate(value, [...path, isScalar(key) ? String(key.value) : ""]);
    } else if (isSeq(node) && node.items.some((item) => !isScalar(item))) {
      for (const [index, item] of node.items.entries()) annotate(item, [...path, index]);
    } else if (isMap(node) || isSeq(node) || isScalar(node)) {
      if (!isScalar(node)) node.flow = true;
      node.comment = ` ${origins(path)}`;
    }
  }
}

/** A copy of `value` without what nobody reads. */
function shown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shown);
  if (!isMapping(value)) return value;
  const entries = Object.entries(value).filter(([key, inner]) => !key.startsWith("_") && inner !== undefined);
  return Object.fromEntries(
    entries.map(([key, inner]) => {
      if (!isMapping(inner)) return [key, shown(inner)];
      const read = Object.entries(inner).filter(([name]) => paramIsRead(value, key, name));
      return [key, shown(Object.fromEntries(read))];
    }),
  );
}
