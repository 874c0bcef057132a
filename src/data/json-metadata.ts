/**
 * @file Metadata of recordings as plain JSON: numpy arrays become nested lists, Python dictionaries with keys that are
 * no text become lists of pairs.
 */
import { UserError } from "../errors.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { isLazyArray } from "../formats/lazy.ts";
import { rowLength } from "./column.ts";

/**
 * A copy of `value` that JSON can hold. Numbers that are not finite become the texts "NaN", "Infinity" and "-Infinity".
 *
 * @param name recording, for the message
 * @throws UserError when the value contains itself
 */
export function jsonMetadata(value: unknown, name: string): unknown {
  const above = new Set<unknown>();
  const convert = (item: unknown): unknown => {
    if (typeof item === "number") return Number.isFinite(item) ? item : String(item);
    if (typeof item === "bigint") return item.toString();
    if (typeof item !== "object" || item === null) return item;
    if (above.has(item)) throw new UserError(`Cannot store the metadata of recording "${name}": it contains itself`);
    above.add(item);
    const converted = container(item, convert);
    above.delete(item);
    return converted;
  };
  return convert(value);
}

function container(item: object, convert: (child: unknown) => unknown): unknown {
  if (isLazyArray(item)) return nestedList(item.read(), convert);
  if (isNdArray(item)) return nestedList(item, convert);
  if (Array.isArray(item)) return item.map(convert);
  if (ArrayBuffer.isView(item)) return Array.from(item as Uint8Array, convert);
  if (item instanceof Set) return Array.from(item, convert);
  if (item instanceof Map) return Array.from(item, ([key, child]) => [convert(key), convert(child)]);
  return Object.fromEntries(Object.entries(item).map(([key, child]) => [key, convert(child)]));
}

function nestedList(array: NdArray, convert: (child: unknown) => unknown): unknown {
  const numbers = array.dtype === "bool" ? Array.from(toFloat64(array), (value) => value !== 0) : [...toFloat64(array)];
  const nest = (shape: readonly number[], start: number): unknown => {
    if (shape.length === 0) return convert(numbers[start]);
    const step = rowLength(shape);
    return Array.from({ length: shape[0]! }, (_, i) => nest(shape.slice(1), start + i * step));
  };
  return nest(array.shape, 0);
}

/** Whether a metadata value is an array in memory. */
export function isNdArray(value: unknown): value is NdArray {
  return typeof value === "object" && value !== null && "dtype" in value && "shape" in value && "data" in value;
}
