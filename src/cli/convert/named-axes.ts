/**
 * @file Arrays of others seen with named axes: whatever order they have in the file, they come out in the order wanted.
 */

import { UserError } from "../../errors.ts";
import type { NdArray } from "../../formats/array.ts";
import type { LazyArray } from "../../formats/lazy.ts";
import { permuted } from "../../formats/permuted.ts";

/** An array and what messages call it: `"counts.npy"`, or `"exp.counts" of "rec.mat"`. */
export interface LabelledArray {
  readonly array: LazyArray;
  readonly label: string;
}

/** How the axes of an array are called. */
export interface NamedAxes {
  /** One letter for each axis of the array, as in `thw`. Default: the first letter of `wanted` and its last ones. */
  readonly axes: string | undefined;
  /** Letters of all axes in the order wanted. */
  readonly wanted: string;
  /** Where the user says `axes`, for messages: a flag, or a key. */
  readonly option: string;
}

/**
 * The array with its axes in the order wanted; axes that it lacks come out with length 1. Axes of length 1 beyond those
 * named are left out, and so is the first axis of a single row. As long as frames come first in the file, rows stay there
 * until they are read.
 *
 * @throws UserError when the array is empty or the axes do not fit it
 */
export function nameAxes({ array, label }: LabelledArray, { axes: given, wanted, option }: NamedAxes): LazyArray {
  const { shape } = array;
  const isRow = given === undefined && shape.length === 2 && shape[0] === 1 && shape[1]! > 1;
  const kept = keptAxes(shape, given?.length ?? (isRow ? 1 : wanted.length), isRow);
  const axes = given ?? wanted[0]! + wanted.slice(Math.max(1, wanted.length - kept.length + 1));
  const problem = axesProblem(axes, wanted, kept.length, shape);
  if (problem !== undefined) {
    throw new UserError(`Cannot use ${label}, shape [${shape.join(", ")}], with the axes "${axes}": ${problem}`, {
      hint: `Name every axis of the file with ${option}, one letter each: ${[...wanted].join(", ")}.`,
    });
  }
  const place = (axis: string): number => kept[axes.indexOf(axis)]!;
  const present = [...wanted].filter((axis) => axes.includes(axis)).map(place);
  const dropped = [...shape.keys()].filter((axis) => !present.includes(axis));
  const lengths = [...wanted].map((axis) => (axes.includes(axis) ? shape[place(axis)]! : 1));
  return new Reshaped(permuted(array, [...present, ...dropped]), lengths);
}

/** One number for each frame, whatever axes of length 1 there are; undefined for another shape. */
export function asVector(array: LazyArray): LazyArray | undefined {
  const long = [...array.shape.keys()].filter((axis) => array.shape[axis] !== 1);
  if (long.length > 1 || array.shape.length === 0) return undefined;
  const first = long[0] ?? 0;
  const others = [...array.shape.keys()].filter((axis) => axis !== first);
  return new Reshaped(permuted(array, [first, ...others]), [array.shape[first]!]);
}

/** Axes of the array that get a letter. */
function keptAxes(shape: readonly number[], count: number, isRow: boolean): number[] {
  const kept = [...shape.keys()];
  if (isRow) return [1];
  for (let axis = shape.length - 1; axis >= 0 && kept.length > count; axis--) {
    if (shape[axis] === 1) kept.splice(kept.indexOf(axis), 1);
  }
  return kept;
}

function axesProblem(axes: string, wanted: string, count: number, shape: readonly number[]): string | undefined {
  const unknown = [...axes].find((axis) => !wanted.includes(axis));
  if (unknown !== undefined) return `there is no axis "${unknown}"`;
  if (new Set(axes).size !== axes.length) return "an axis is named twice";
  if (!axes.includes(wanted[0]!)) return `the axis "${wanted[0]}" is missing`;
  if (axes.length !== count) return `these are ${axes.length}, the file has ${shape.length}`;
  return shape.includes(0) ? "the file is empty" : undefined;
}

/** The same elements with axes of length 1 put in or left out; rows stay rows. */
class Reshaped implements LazyArray {
  readonly shape: readonly number[];
  private readonly array: LazyArray;

  constructor(array: LazyArray, shape: readonly number[]) {
    this.array = array;
    this.shape = shape;
  }

  get dtype(): LazyArray["dtype"] {
    return this.array.dtype;
  }

  read(): NdArray {
    return { ...this.array.read(), shape: this.shape };
  }

  readRows(start: number, end: number): NdArray {
    return { ...this.array.readRows(start, end), shape: [end - start, ...this.shape.slice(1)] };
  }
}
