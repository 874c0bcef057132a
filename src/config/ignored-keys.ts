/**
 * @file Keys that configurations of the reference contain and that nothing reads (model specification, M-31): a schema
 * accepts them under a description that starts with {@link IGNORED}.
 */

import type { z } from "zod";
import type { ConfigPath } from "./config-error.ts";
import { isMapping } from "./mapping.ts";

/** Start of the description of a key that is accepted and has no effect. */
export const IGNORED = "Accepted and ignored";

/** A key without effect. */
export interface IgnoredKey {
  path: ConfigPath;
  /** Why, as the schema says it, such as "the convnet decides"; empty when it says nothing. */
  reason: string;
}

/** The keys of a parsed configuration that have no effect, in the schema's order. */
export function ignoredKeys(schema: z.core.$ZodType, value: unknown, path: ConfigPath = []): IgnoredKey[] {
  const { def } = (schema as z.ZodType)._zod as { def: z.core.$ZodTypes["_zod"]["def"] };
  switch (def.type) {
    case "object":
      if (!isMapping(value)) return [];
      return Object.entries(def.shape).flatMap(([key, inner]) => {
        if (value[key] === undefined) return [];
        const { description = "" } = inner as z.ZodType;
        if (!description.startsWith(IGNORED)) return ignoredKeys(inner, value[key], [...path, key]);
        return [{ path: [...path, key], reason: description.slice(IGNORED.length).replace(/^: |\.$/g, "") }];
      });
    case "array":
      return Array.isArray(value) ? value.flatMap((item, i) => ignoredKeys(def.element, item, [...path, i])) : [];
    case "union": {
      const option = def.options.find((candidate) => (candidate as z.ZodType).safeParse(value).success);
      return option ? ignoredKeys(option, value, path) : [];
    }
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
      return value === null ? [] : ignoredKeys(def.innerType, value, path);
    default:
      return [];
  }
}
