/**
 * @file Checks that look at several keys at once, for `.check` of a schema.
 */

import type { z } from "zod";

/** Parameters that only some types read: parameter → those types. */
export type Owners = Readonly<Record<string, readonly string[]>>;

/** Parameters that were set although the chosen type never reads them: they would be silently without effect. */
export function misplaced<TypeKey extends string, ParamsKey extends string>(
  value: Record<TypeKey, string> & Record<ParamsKey, object>,
  typeKey: TypeKey,
  paramsKey: ParamsKey,
  schema: z.ZodType<object>,
  owners: Owners,
): z.core.$ZodRawIssue[] {
  const defaults = schema.parse({}) as Record<string, unknown>;
  const type = value[typeKey];
  return Object.entries(value[paramsKey])
    .filter(([key, set]) => owners[key] !== undefined && !owners[key].includes(type) && set !== defaults[key])
    .map(([key]) =>
      problem(value, [paramsKey, key], `${key} is read by ${owners[key]!.join(" and ")} only, not by ${type}`),
    );
}

/** A problem that concerns several keys, for `.check` of a schema. */
export function problem(input: unknown, path: (string | number)[], message: string): z.core.$ZodRawIssue {
  return { code: "custom", message, path, input };
}
