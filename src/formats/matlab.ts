/**
 * @file What MATLAB files of either kind hold, and how a user names a part of it.
 *
 * Parts are written as in MATLAB, indices from 1: `exp.trial{3}.stim`, `units(2).times`, `cells{2,1}`. A field of a struct
 * array without an index, `units.times`, is the list of that field over all elements.
 */
import { didYouMean, UserError } from "../errors.ts";
import { elementCount } from "./array.ts";
import type { LazyArray } from "./lazy.ts";

/** Numbers; `array` has its axes in MATLAB's order, `[rows, columns, ...]`. */
export interface MatlabNumbers {
  readonly kind: "numbers";
  /** MATLAB's class: double, uint8, logical, … */
  readonly type: string;
  readonly shape: readonly number[];
  /** Throws a UserError when the elements cannot be read. */
  array(): LazyArray;
}

/** Text, one string for each row. */
export interface MatlabText {
  readonly kind: "text";
  readonly type: "char";
  readonly shape: readonly number[];
  rows(): string[];
}

/** A cell array, or a field over all elements of a struct array. */
export interface MatlabCell {
  readonly kind: "cell";
  readonly type: string;
  readonly shape: readonly number[];
  /** An element, by its position from 0 with rows fastest. */
  item(index: number): MatlabValue;
}

/** A struct, or an array of structs. */
export interface MatlabStruct {
  readonly kind: "struct";
  readonly type: "struct";
  readonly shape: readonly number[];
  readonly fields: readonly string[];
  /** A field of one element, by its position from 0 with rows fastest. */
  field(name: string, index: number): MatlabValue;
}

/** What cannot be read: objects, complex numbers, functions. */
export interface MatlabOther {
  readonly kind: "other";
  readonly type: string;
  readonly shape: readonly number[];
  /** What to do about it. */
  readonly hint: string;
}

/** A variable, cell or field. Contents are parsed when asked for. */
export type MatlabValue = MatlabNumbers | MatlabText | MatlabCell | MatlabStruct | MatlabOther;

/** An open MATLAB file. */
export interface MatlabFile extends Disposable {
  readonly path: string;
  /** Names of its variables, in file order. */
  readonly names: readonly string[];
  /** A variable of {@link names}. Throws a UserError when it is damaged. */
  variable(name: string): MatlabValue;
  close(): void;
}

/** What {@link listMatlab} tells of one variable, field or cell. */
export interface MatlabEntry {
  /** As it is written to get it. */
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly kind: MatlabValue["kind"];
}

/** How a value of a class that needs MATLAB to read becomes readable. */
export const EXPORT_HINT = "Export it from MATLAB as a struct, cell or numeric array, and save again.";

const DEEPEST_LISTED = 6;
const MOST_LISTED = 2000;

/**
 * Everything in a file, fields below their structs; of cell and struct arrays the first element stands for all. Goes six
 * levels deep.
 */
export function listMatlab(file: MatlabFile): MatlabEntry[] {
  const entries: MatlabEntry[] = [];
  const visit = (name: string, value: MatlabValue, depth: number): void => {
    if (entries.length >= MOST_LISTED) return;
    entries.push({ name, type: value.type, shape: value.shape, kind: value.kind });
    const count = elementCount(value.shape);
    if (depth === DEEPEST_LISTED || count === 0) return;
    if (value.kind === "cell") visit(`${name}{1}`, value.item(0), depth + 1);
    if (value.kind !== "struct") return;
    const element = count === 1 ? name : `${name}(1)`;
    for (const field of value.fields) visit(`${element}.${field}`, value.field(field, 0), depth + 1);
  };
  for (const name of file.names) visit(name, file.variable(name), 1);
  return entries;
}

interface Step {
  readonly kind: "." | "{" | "(";
  /** The step as written. */
  readonly text: string;
  readonly name: string;
  readonly indices: readonly number[];
}

/**
 * The value that a user calls `path`.
 *
 * @throws UserError when the path is not written as it should be, a variable or field is missing (with similar names), an
 *   index lies outside, or the file is damaged
 */
export function matlabValue(file: MatlabFile, path: string): MatlabValue {
  const fail = (what: string, hint?: string) =>
    new UserError(`Cannot read "${path}" of "${file.path}": ${what}`, { hint });
  const [variable, ...steps] = parsePath(path, fail);
  if (!file.names.includes(variable!.name)) {
    const hint = namesHint(variable!.name, file.names, "The file holds");
    throw fail(`it has no variable "${variable!.name}"`, hint);
  }
  let value = file.variable(variable!.name);
  let walked = variable!.name;
  for (const step of steps) {
    value = stepInto(value, step, (what, hint) => fail(`"${walked}" ${what}`, hint));
    walked += step.text;
  }
  return value;
}

function stepInto(value: MatlabValue, step: Step, fail: (what: string, hint?: string) => UserError): MatlabValue {
  const found = `is ${value.type} [${value.shape.join(", ")}]`;
  if (step.kind === ".") {
    if (value.kind !== "struct") throw fail(`${found}, not a struct: it has no field "${step.name}"`);
    if (!value.fields.includes(step.name)) {
      throw fail(`has no field "${step.name}"`, namesHint(step.name, value.fields, "Its fields are"));
    }
    if (elementCount(value.shape) === 1) return value.field(step.name, 0);
    const item = (index: number) => value.field(step.name, index);
    return { kind: "cell", type: "struct array", shape: value.shape, item };
  }
  if (step.kind === "{" ? value.kind !== "cell" : value.kind !== "struct") {
    const wanted = step.kind === "{" ? "a cell array" : "a struct array";
    throw fail(
      `${found}, not ${wanted}`,
      value.kind === "cell" ? "Cells are opened with braces: {1}." : "Only cells and struct arrays take an index.",
    );
  }
  const index = linearIndex(step, value.shape, (what) => fail(`${found}: ${what}`));
  if (value.kind === "cell") return value.item(index);
  const { fields, field } = value as MatlabStruct;
  return { kind: "struct", type: "struct", shape: [1, 1], fields, field: (name) => field(name, index) };
}

/** Position from 0 with rows fastest. One index counts through the whole array, as in MATLAB. */
function linearIndex({ text, indices }: Step, shape: readonly number[], fail: (what: string) => UserError): number {
  const limits = indices.length === 1 ? [elementCount(shape)] : shape;
  if (indices.length !== limits.length) throw fail(`${text} has ${indices.length} indices`);
  let index = 0;
  for (let axis = limits.length - 1; axis >= 0; axis--) {
    const at = indices[axis]!;
    if (at < 1 || at > limits[axis]!) throw fail(`${text} lies outside; indices count from 1`);
    index = index * limits[axis]! + at - 1;
  }
  return index;
}

function parsePath(path: string, fail: (what: string, hint: string) => UserError): Step[] {
  const pattern = /(?<first>^|\.)(?<name>[^.{}()\s,]+)|(?<open>[{(])(?<indices>\s*\d+(?:\s*,\s*\d+)*\s*)[})]/gy;
  const steps: Step[] = [];
  while (pattern.lastIndex < path.length || path === "") {
    const match = pattern.exec(path);
    if (match === null) throw fail("it is not a name in MATLAB's notation", "Write it as exp.trial{3}.stim.");
    const { name, open, indices } = match.groups!;
    if (steps.length === 0 && open !== undefined) throw fail("it starts with an index", "Name a variable first.");
    const kind = open === undefined ? "." : (open as "{" | "(");
    steps.push({ kind, text: match[0], name: name ?? "", indices: indices?.split(",").map(Number) ?? [] });
  }
  return steps;
}

/** The closest name, or all of them. */
export function namesHint(name: string, names: readonly string[], lead: string): string {
  const similar = didYouMean(name, names);
  if (similar !== undefined) return `Did you mean "${similar}"?`;
  if (names.length === 0) return `${lead} nothing.`;
  const rest = names.length > 20 ? `, and ${names.length - 20} more` : "";
  return `${lead} ${names.slice(0, 20).join(", ")}${rest}.`;
}
