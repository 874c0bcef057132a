/**
 * @file A .npy file seen with named axes: whatever order they have in the file, they come out in the order wanted.
 */

import { memoryColumn } from "../../data/column.ts";
import { UserError } from "../../errors.ts";
import { arrayBytes, bytesPerElement, viewBytes } from "../../formats/array.ts";
import { gatherElements, type LazyArray, rowMajorStrides } from "../../formats/lazy.ts";
import { openNpy } from "../../formats/npy.ts";

/** How the axes of a file are called. */
export interface NamedAxes {
  /** One letter for each axis of the file, as in `thw`. Default: the first letter of `wanted` and its last ones. */
  readonly axes: string | undefined;
  /** Letters of all axes in the order wanted. */
  readonly wanted: string;
  /** The command's flag for `axes`, for messages. */
  readonly flag: string;
}

/**
 * Opens a .npy file and puts its axes into the order wanted; axes that the file lacks come out with length 1. With the
 * first axis in front already, rows stay in the file until they are read.
 *
 * @throws UserError when the file cannot be read, is empty, or the axes do not fit it
 */
export function openNamedAxes(path: string, { axes: given, wanted, flag }: NamedAxes): LazyArray {
  const array = openNpy(path);
  const { shape } = array;
  const axes = given ?? wanted[0]! + wanted.slice(Math.max(1, wanted.length - shape.length + 1));
  const problem = axesProblem(axes, wanted, shape);
  if (problem !== undefined) {
    throw new UserError(`Cannot use "${path}", shape [${shape.join(", ")}], with the axes "${axes}": ${problem}`, {
      hint: `Name every axis of the file with ${flag}, one letter each: ${[...wanted].join(", ")}.`,
    });
  }
  const lengths = [...wanted].map((axis) => (axes.includes(axis) ? shape[axes.indexOf(axis)]! : 1));
  const isInOrder = [...wanted].filter((axis) => axes.includes(axis)).join("") === axes;
  if (isInOrder) return new Reshaped(array, lengths);
  const strides = rowMajorStrides(shape);
  const steps = [...wanted].map((axis) => (axes.includes(axis) ? strides[axes.indexOf(axis)]! : 0));
  const bytes = gatherElements(arrayBytes(array.read()), bytesPerElement(array.dtype), lengths, steps, path);
  return memoryColumn(viewBytes(bytes, array.dtype, lengths));
}

function axesProblem(axes: string, wanted: string, shape: readonly number[]): string | undefined {
  const unknown = [...axes].find((axis) => !wanted.includes(axis));
  if (unknown !== undefined) return `there is no axis "${unknown}"`;
  if (new Set(axes).size !== axes.length) return "an axis is named twice";
  if (!axes.includes(wanted[0]!)) return `the axis "${wanted[0]}" is missing`;
  if (axes.length !== shape.length) return `these are ${axes.length}, the file has ${shape.length}`;
  return shape.includes(0) ? "the file is empty" : undefined;
}

/** The same elements, rows first, with axes of length 1 put in. */
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

  read() {
    return { ...this.array.read(), shape: this.shape };
  }

  readRows(start: number, end: number) {
    return { ...this.array.readRows(start, end), shape: [end - start, ...this.shape.slice(1)] };
  }
}
