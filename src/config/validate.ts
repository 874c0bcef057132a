/**
 * @file Checks a configuration against its schema and says in plain words what is wrong and where it is written.
 */

import type { z } from "zod";
import { didYouMean } from "../errors.ts";
import { ConfigError, type ConfigIssue, type ConfigPath } from "./config-error.ts";
import { valueAt } from "./mapping.ts";
import type { ConfigSource } from "./source.ts";

type Issue = z.core.$ZodIssue;

/**
 * `value` as `schema` types it, with all defaults filled in.
 *
 * @param source Where `value` was written; messages show what stands there, not what normalisation made of it.
 * @throws ConfigError with every problem: wrong types and values, missing keys, unknown keys (with a suggestion).
 */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  source: ConfigSource,
): z.infer<Schema> {
  const result = schema.safeParse(value, { error: knownKeysAsMessage });
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.flatMap((issue) => explain(issue, [], value, source)));
}

/**
 * zod shows the schema that met an unknown key only here, while it words the issue; the known keys travel as its text
 * to {@link explain}.
 */
function knownKeysAsMessage(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== "unrecognized_keys") return undefined;
  const schema = issue.inst as z.ZodObject | undefined;
  return JSON.stringify(Object.keys(schema?.def.shape ?? {}));
}

/** An issue of zod in our words. `base` leads to the value that a union's nested issues are relative to. */
function explain(issue: Issue, base: ConfigPath, value: unknown, source: ConfigSource): ConfigIssue[] {
  const path = [...base, ...(issue.path as ConfigPath)];
  const here = source.written(path) ?? valueAt(value, path).value;
  const found = describe(here);
  const file = source.file;

  if (issue.code === "unrecognized_keys") {
    const known = JSON.parse(issue.message) as string[];
    return issue.keys.map((key) => {
      const similar = didYouMean(key, known);
      const advice =
        similar === undefined ? `known keys are ${known.join(", ") || "none"}` : `did you mean "${similar}"?`;
      const message = `unknown key "${key}": ${advice}`;
      const expected = `one of ${known.join(", ")}`;
      return { file, ...source.locate([...path, key], "key"), path, message, found: key, expected };
    });
  }

  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The alternative that accepts this kind of value knows best what is wrong inside it.
    const fitting = issue.errors.filter((issues) => !issues.some(rejectsKind));
    if (fitting.length === 1) return fitting[0]!.flatMap((nested) => explain(nested, path, value, source));
  }

  const expected = expectation(issue);
  const lastKey = path.at(-1);
  if (here === undefined && lastKey !== undefined && issue.code !== "custom") {
    const container = path.slice(0, -1);
    const message = `missing key "${lastKey}": expected ${expected}`;
    return [{ file, ...source.locateGap(container), path: container, message, found, expected }];
  }
  const message =
    issue.code === "custom" ? issue.message : `expected ${expected}, found ${found}${remedy(issue, here)}`;
  return [{ file, ...source.locate(path, "value"), path, message, found, expected }];
}

function rejectsKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === "invalid_type" || issue.code === "invalid_value");
}

/** What the schema wants, as the object of "expected …". */
function expectation(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return TYPE_NAMES[issue.expected] ?? issue.expected;
    case "invalid_value":
      return alternatives(
        issue.values.map((allowed) => (typeof allowed === "string" ? allowed : JSON.stringify(allowed))),
      );
    case "invalid_union": {
      const discriminator = issue as { options?: unknown[] };
      if (discriminator.options !== undefined) return alternatives(discriminator.options.map(String));
      return [...new Set(issue.errors.flat().map(expectation))].join(" or ");
    }
    case "too_small":
    case "too_big": {
      const bound = Number(issue.code === "too_small" ? issue.minimum : issue.maximum);
      if (issue.origin === "array") return `${issue.code === "too_small" ? "at least" : "at most"} ${items(bound)}`;
      if (issue.origin === "string") return "a text that is not empty";
      const relation = issue.code === "too_small" ? ">" : "<";
      return `a number ${relation}${issue.inclusive ? "=" : ""} ${bound}`;
    }
    case "custom":
      return (issue.params?.expected as string | undefined) ?? issue.message;
    case "invalid_key":
      return issue.issues.map((nested) => nested.message).join("; ");
    default:
      return issue.message;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  number: "a number",
  int: "a whole number",
  string: "text",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "a mapping",
  record: "a mapping",
  null: "null",
};

function alternatives(names: string[]): string {
  return names.length === 1 ? names[0]! : `one of ${names.join(", ")}`;
}

/** What to do about the slips that are easy to make, or "". */
function remedy(issue: Issue, here: unknown): string {
  if (typeof here !== "string") return "";
  if (issue.code === "invalid_type" && issue.expected === "boolean" && /^(y|yes|on|n|no|off)$/i.test(here)) {
    return `: write ${/^(y|yes|on)$/i.test(here) ? "true" : "false"}, "${here}" is text in YAML 1.2`;
  }
  const wantsNumber = /\bnumber\b/.test(expectation(issue));
  if (wantsNumber && here.trim() !== "" && Number.isFinite(Number(here.replaceAll("_", "")))) {
    return `: write ${here.replaceAll("_", "")} without quotes and underscores`;
  }
  const options = issue.code === "invalid_value" ? issue.values : ((issue as { options?: unknown[] }).options ?? []);
  const similar = didYouMean(here, options.filter((option) => typeof option === "string") as string[]);
  return similar === undefined ? "" : `: did you mean "${similar}"?`;
}

/** A value in words, short enough for one line. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${items(value.length)}`;
  if (typeof value === "object" && value !== null) return "a mapping";
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

function items(count: number): string {
  return count === 1 ? "1 item" : `${count} items`;
}
