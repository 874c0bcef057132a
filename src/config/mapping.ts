/**
 * @file Plain mappings, as YAML and JSON give them, and paths into them.
 */

import type { ConfigPath } from "./config-error.ts";

/** True for an object that is no list. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value `path` leads to (undefined when it leads nowhere) and how many elements of `path` could be followed. */
export function valueAt(root: unknown, path: ConfigPath): { value: unknown; depth: number } {
  let value = root;
  for (const [depth, key] of path.entries()) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return { value: undefined, depth };
    value = (value as Record<string | number, unknown>)[key];
  }
  return { value, depth: path.length };
}
