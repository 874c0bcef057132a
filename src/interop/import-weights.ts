/**
 * @file From the tensors of a checkpoint into a twin: strict about names and shapes, lenient about the width of
 * floating-point numbers (model specification, section 18).
 */
import { UserError } from "../errors.ts";
import { type DType, type NdArray, toFloat64 } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";
import type { Twin } from "../models/twin.ts";
import { fromArray, scope, type Tensor } from "../torch/index.ts";
import { compareStates, differenceError, isEmpty } from "./import-difference.ts";

/**
 * Copies a checkpoint into a twin, one tensor at a time. Nothing is read before all of them are known to fit.
 *
 * Unused copies of weight-normalised weights (`original` beside `0.v` and `0.g`) are taken over, or made from `0.v` where
 * the file has none. Of two names for one tensor (`bias` and `fc.bias` of a linear readout) the file may have either.
 *
 * @returns notes for the user: conversions, and numbers that are not finite
 * @throws UserError that lists every tensor which is missing, unexpected, of another shape or element type; or names two
 *   that must be equal and are not
 */
export function copyWeights(twin: Twin, tensors: ReadonlyMap<string, LazyArray>, path: string): string[] {
  const own = twin.stateDict();
  const stored = new Map(tensors);
  const twice = secondNames(own);
  const copies = unusedCopies(own);
  const absentCopies = [...copies.keys()].filter((name) => !stored.has(name));
  for (const [name, first] of twice) {
    const [a, b] = [stored.get(first), stored.get(name)];
    if (a !== undefined && b === undefined) stored.set(name, a);
    if (a === undefined && b !== undefined) stored.set(first, b);
  }
  const difference = compareStates(own, stored, new Set(absentCopies));
  if (!isEmpty(difference)) throw differenceError(path, difference);

  for (const [name, first] of twice) requireEqual(stored, first, name, path);
  for (const name of absentCopies) stored.set(name, stored.get(copies.get(name)!)!);
  return [
    ...(absentCopies.length > 0
      ? [`${absentCopies.length} unused copies of normalised weights (…original) are not in the file; made anew`]
      : []),
    ...conversions(stored, own),
    ...fill(own, stored),
  ];
}

/** Names that mean a tensor which is listed under another name before, with that name. */
function secondNames(own: ReadonlyMap<string, Tensor>): Map<string, string> {
  const firsts = new Map<Tensor, string>();
  const seconds = new Map<string, string>();
  for (const [name, tensor] of own) {
    const first = firsts.get(tensor);
    if (first === undefined) firsts.set(tensor, name);
    else seconds.set(name, first);
  }
  return seconds;
}

/** `…original` that weight normalisation leaves unused, with the name of the weight that took its place. */
function unusedCopies(own: ReadonlyMap<string, Tensor>): Map<string, string> {
  const originals = [...own.keys()].filter((name) => name.endsWith(".original"));
  return new Map(
    originals.map((name) => [name, name.replace(/original$/, "0.v")] as const).filter(([, v]) => own.has(v)),
  );
}

function requireEqual(stored: ReadonlyMap<string, LazyArray>, first: string, second: string, path: string): void {
  const [a, b] = [stored.get(first)!, stored.get(second)!];
  if (a === b) return;
  const [left, right] = [toFloat64(a.read()), toFloat64(b.read())];
  const at = left.findIndex((value, i) => !Object.is(value, right[i]));
  if (at < 0) return;
  throw new UserError(
    `Cannot import "${path}": "${first}" and "${second}" are one tensor in the model but differ in the file ` +
      `(${left[at]} and ${right[at]} at ${at})`,
    {
      hint: "The file was changed after training. Delete the wrong one of the two from the state_dict, and save it again.",
    },
  );
}

function conversions(stored: ReadonlyMap<string, LazyArray>, own: ReadonlyMap<string, Tensor>): string[] {
  const counts = new Map<DType, number>();
  for (const [name, { dtype }] of stored) {
    if (dtype !== own.get(name)!.dtype) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  }
  return [...counts].map(([dtype, count]) => `${count} tensors were ${dtype} and are converted`);
}

const LISTED = 5;

function fill(own: ReadonlyMap<string, Tensor>, stored: ReadonlyMap<string, LazyArray>): string[] {
  const broken: string[] = [];
  for (const [name, tensor] of own) {
    const values = scope(() => {
      tensor.detach().copy_(fromArray(stored.get(name)!.read()));
      return tensor.toArray();
    });
    if (!allFinite(values)) broken.push(name);
  }
  if (broken.length === 0) return [];
  const more = broken.length > LISTED ? ` and ${broken.length - LISTED} more` : "";
  return [`${broken.length} tensors hold NaN or infinite numbers: ${broken.slice(0, LISTED).join(", ")}${more}`];
}

function allFinite({ data, dtype }: NdArray): boolean {
  if (dtype !== "float32") return true;
  const values = data as Float32Array;
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}
