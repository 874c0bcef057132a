/**
 * @file Arrays whose axes are seen in another order than they are stored in: those of MATLAB and of Fortran, and whatever
 * a user calls transposed.
 */
import { arrayBytes, bytesPerElement, type NdArray, viewBytes } from "./array.ts";
import { gatherElements, type LazyArray, rowMajorStrides } from "./lazy.ts";

/**
 * An array with its axes in another order. As long as the axis in front is also the first one that is stored, rows stay
 * in the file until they are read; else the first read of rows loads the whole array.
 *
 * @param axes for each axis of the result, which axis of `array` it is
 */
export function permuted(array: LazyArray, axes: readonly number[]): LazyArray {
  const stored = array instanceof PermutedArray ? array.stored : array;
  const order = array instanceof PermutedArray ? axes.map((axis) => array.axes[axis]!) : axes;
  return order.every((axis, i) => axis === i) ? stored : new PermutedArray(stored, order);
}

/** The axes of an array from last to first: what is row-major in a file is column-major to its author. */
export function reversedAxes(array: LazyArray): LazyArray {
  return permuted(array, [...array.shape.keys()].reverse());
}

class PermutedArray implements LazyArray {
  readonly shape: readonly number[];
  readonly stored: LazyArray;
  readonly axes: readonly number[];
  private whole: LazyArray["readRows"] | undefined;

  constructor(stored: LazyArray, axes: readonly number[]) {
    this.stored = stored;
    this.axes = axes;
    this.shape = axes.map((axis) => stored.shape[axis]!);
  }

  get dtype(): LazyArray["dtype"] {
    return this.stored.dtype;
  }

  read(): NdArray {
    return this.reorder(this.stored.read());
  }

  readRows(start: number, end: number): NdArray {
    if (this.axes[0] === 0) return this.reorder(this.stored.readRows(start, end));
    this.whole ??= rowsOf(this.read());
    return this.whole(start, end);
  }

  private reorder(array: NdArray): NdArray {
    const strides = rowMajorStrides(array.shape);
    const shape = this.axes.map((axis) => array.shape[axis]!);
    const steps = this.axes.map((axis) => strides[axis]!);
    const bytes = gatherElements(arrayBytes(array), bytesPerElement(array.dtype), shape, steps, "permuted array");
    return viewBytes(bytes, array.dtype, shape);
  }
}

function rowsOf(array: NdArray): LazyArray["readRows"] {
  const { dtype, shape, data } = array;
  const row = data.length / Math.max(1, shape[0]!);
  return (start, end) => {
    if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= shape[0]!)) {
      throw new RangeError(`Cannot read rows ${start} to ${end}: there are ${shape[0]} rows`);
    }
    return { dtype, shape: [end - start, ...shape.slice(1)], data: data.slice(start * row, end * row) };
  };
}
