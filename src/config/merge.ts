/**
 * @file How a session's file overrides its parent's: data specification, section 2.3.
 */

import { isMapping } from "./mapping.ts";

/**
 * A new mapping with everything in `base`, overridden by `override`.
 *
 * Where both hold a mapping the two are merged the same way; anything else (a list, a value, `null`) is replaced whole.
 * Keys keep the order of `base`, new ones follow. Both arguments are left alone and share nothing with the result.
 */
export function mergeConfig(
  base: Readonly<Record<string, unknown>>,
  override: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = structuredClone({ ...base });
  for (const [key, value] of Object.entries(override)) {
    const old = merged[key];
    merged[key] = isMapping(old) && isMapping(value) ? mergeConfig(old, value) : structuredClone(value);
  }
  return merged;
}
