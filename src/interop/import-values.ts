/**
 * @file From the plain values of a pickle to JSON: hyper-parameters and configurations of a checkpoint. What JSON cannot
 * say is left out and listed.
 */
import { isLazyArray } from "../formats/lazy.ts";
import { OpaqueObject } from "../formats/pickle.ts";

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A checkpoint's hyper-parameters are a few hundred values; a pickle can name one list a thousand times over. */
const MOST_VALUES = 100_000;
const DEEPEST = 100;
const MOST_LEFT_OUT = 50;

/** Values that were left out, `where (what)`. */
export type LeftOut = string[];

/**
 * A value as JSON. Tuples and sets become lists, paths text, infinities and NaN text as Python writes them, namespaces
 * and classes derived from dict mappings.
 *
 * @param where what messages call it, `hyper_parameters` for example
 * @param leftOut gets one entry for everything that has no counterpart in JSON
 * @returns undefined when the value itself has none
 */
export function jsonValue(value: unknown, where: string, leftOut: LeftOut): Json | undefined {
  let values = 0;
  const inProgress = new Set<unknown>();
  const omit = (at: string, what: string): undefined => {
    leftOut.push(`${at} (${what})`);
    // Who lists that much has nothing to say: what follows is not looked at.
    if (leftOut.length > MOST_LEFT_OUT) values = Math.max(values, MOST_VALUES);
    return undefined;
  };
  const convert = (from: unknown, at: string): Json | undefined => {
    values++;
    if (values > MOST_VALUES) {
      // Said once, at the first of them.
      return values === MOST_VALUES + 1 ? omit(`${at} and what follows`, "too many values") : undefined;
    }
    if (from === null || typeof from === "boolean" || typeof from === "string") return from;
    if (typeof from === "number") return Number.isFinite(from) ? from : pythonNumber(from);
    if (typeof from === "bigint") return String(from);
    const path = pathText(from);
    if (path !== undefined) return path;
    const items = Array.isArray(from) || from instanceof Set ? from : mappingOf(from);
    if (items === undefined) return omit(at, kindOf(from));
    if (inProgress.has(from)) return omit(at, "contains itself");
    if (inProgress.size === DEEPEST) return omit(at, `nested more than ${DEEPEST} levels deep`);
    inProgress.add(from);
    const converted = items instanceof Map ? object(items, at) : list(items as Iterable<unknown>, at);
    inProgress.delete(from);
    return converted;
  };
  const list = (items: Iterable<unknown>, at: string): Json[] => {
    const converted: Json[] = [];
    for (const item of items) {
      converted.push(convert(item, `${at}.${converted.length}`) ?? null);
      if (values > MOST_VALUES) break;
    }
    return converted;
  };
  const object = (items: ReadonlyMap<unknown, unknown>, at: string): { [key: string]: Json } => {
    const entries: [string, Json][] = [];
    for (const [key, item] of items) {
      const inner = convert(item, `${at}.${String(key)}`);
      if (inner !== undefined) entries.push([String(key), inner]);
      if (values > MOST_VALUES) break;
    }
    return Object.fromEntries(entries);
  };
  return convert(value, where);
}

const NAMESPACES = /^(argparse\.Namespace|types\.SimpleNamespace)$/;

/** A dictionary, or an object that is one in all but name: a namespace, or of a class derived from dict. */
export function mappingOf(value: unknown): ReadonlyMap<unknown, unknown> | undefined {
  if (value instanceof Map) return value;
  if (!(value instanceof OpaqueObject) || value.problem !== undefined || value.args === null) return undefined;
  const { items, state } = value;
  if (items === undefined) return NAMESPACES.test(value.__py) && state instanceof Map ? state : undefined;
  const keys = items.filter((_, i) => i % 2 === 0);
  if (items.length % 2 !== 0 || !keys.every((key) => typeof key === "string")) return undefined;
  return new Map(keys.map((key, i) => [key, items[2 * i + 1]]));
}

function pathText(value: unknown): string | undefined {
  if (!(value instanceof OpaqueObject) || !/^pathlib(\._local)?\.(Pure)?(Posix|Windows)?Path$/.test(value.__py)) {
    return undefined;
  }
  const parts = value.args ?? [];
  return parts.every((part) => typeof part === "string") ? parts.join("/").replace(/^\/\//, "/") : undefined;
}

/** Python's spelling, which its float() reads. */
function pythonNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}

/** What a value is, for messages: the Python class of an object. */
export function kindOf(value: unknown): string {
  if (value instanceof OpaqueObject) return value.__py;
  if (isLazyArray(value)) return `a tensor [${value.shape.join(", ")}]`;
  if (value instanceof Uint8Array) return "bytes";
  if (value === null) return "None";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an array" : `a ${typeof value}`;
}
