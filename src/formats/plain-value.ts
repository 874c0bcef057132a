/** @file From unpickled values, whose dictionaries are Maps, to plain objects as they come from YAML or JSON. */
import { UserError } from "../errors.ts";
import { OpaqueObject } from "./pickle.ts";

const DEEPEST = 1000;

/**
 * A copy of an unpickled value with plain objects in place of dictionaries whose keys are strings or numbers.
 *
 * Other dictionaries stay Maps; what is no container stays as it is. References to one object, cycles included, remain
 * references to one object.
 *
 * @param name what messages call the file
 * @throws UserError when values are nested more than 1000 levels deep
 */
export function plainValue(value: unknown, name: string): unknown {
  const copies = new Map<unknown, unknown>();

  const convert = (from: unknown, depth: number): unknown => {
    if (depth > DEEPEST)
      throw new UserError(`Cannot read "${name}": values are nested more than ${DEEPEST} levels deep`);
    const existing = copies.get(from);
    if (existing !== undefined) return existing;
    const inner = (child: unknown): unknown => convert(child, depth + 1);

    // A copy is registered before its content is converted, because the content may refer back to it.
    if (Array.isArray(from)) {
      const list: unknown[] = [];
      copies.set(from, list);
      for (const item of from) list.push(inner(item));
      return list;
    }
    if (from instanceof Set) {
      const set = new Set<unknown>();
      copies.set(from, set);
      for (const item of from) set.add(inner(item));
      return set;
    }
    if (from instanceof Map) {
      const isPlain = hasPlainKeys(from);
      const to = isPlain ? {} : new Map<unknown, unknown>();
      copies.set(from, to);
      for (const [key, item] of from) setEntry(to, isPlain ? String(key) : key, inner(item));
      return to;
    }
    if (from instanceof OpaqueObject) {
      const copy = new OpaqueObject(from.__py, from.args?.map(inner) ?? null, from.problem);
      copies.set(from, copy);
      copy.state = inner(from.state);
      if (from.items !== undefined) copy.items = from.items.map(inner);
      return copy;
    }
    return from;
  };
  return convert(value, 0);
}

function hasPlainKeys(map: ReadonlyMap<unknown, unknown>): boolean {
  const keys = [...map.keys()];
  // 1 and "1" are two keys in Python but would be one here.
  return (
    keys.every((key) => typeof key === "string" || typeof key === "number") &&
    new Set(keys.map(String)).size === keys.length
  );
}

function setEntry(target: object, key: unknown, value: unknown): void {
  if (target instanceof Map) target.set(key, value);
  // Assignment to a key named __proto__ would replace the prototype.
  else Object.defineProperty(target, key as string, { value, enumerable: true, configurable: true, writable: true });
}
