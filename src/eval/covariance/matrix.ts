/**
 * @file Symmetric matrices of units by units, row-major in host memory: the few operations that the decomposition needs.
 */

import { scope, tensor } from "../../torch/index.ts";

/** `a − b`, element by element. */
export function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - b[i]!);
}

/** The diagonal of [units, units]. */
export function diagonal(matrix: Float64Array, units: number): Float64Array {
  return Float64Array.from({ length: units }, (_, unit) => matrix[unit * (units + 1)]!);
}

/** `x xᵀ`, [units, units]. */
export function outerProduct(x: Float64Array): Float64Array {
  const units = x.length;
  return Float64Array.from({ length: units * units }, (_, i) => x[Math.floor(i / units)]! * x[i % units]!);
}

/** `(A + Aᵀ) / 2`, [units, units]. */
export function symmetrised(matrix: Float64Array, units: number): Float64Array {
  const out = new Float64Array(matrix.length);
  for (let i = 0; i < units; i++) {
    for (let j = 0; j < units; j++) out[i * units + j] = (matrix[i * units + j]! + matrix[j * units + i]!) / 2;
  }
  return out;
}

/** Rows and columns of some units, [columns.length, columns.length]. */
export function submatrix(matrix: Float64Array, units: number, columns: ArrayLike<number>): Float64Array {
  const { length } = columns;
  return Float64Array.from(
    { length: length * length },
    (_, i) => matrix[columns[Math.floor(i / length)]! * units + columns[i % length]!]!,
  );
}

/**
 * `Σ xᵢ yᵢᵀ` over rows, [units, units].
 *
 * @param x [rows, units]
 * @param y [rows, units]
 */
export function crossProduct(x: Float64Array, y: Float64Array, units: number): Float64Array {
  const shape = [x.length / units, units];
  return scope(() => tensor(x, shape).transpose(0, 1).matmul(tensor(y, shape)).toTypedArray()) as Float64Array;
}

/**
 * `Σ wᵢ xᵢ`, [units].
 *
 * @param x [rows, units]
 * @param weights [rows]
 */
export function weightedSum(x: Float64Array, weights: Float64Array, units: number): Float64Array {
  const sum = new Float64Array(units);
  for (let row = 0; row < weights.length; row++) {
    const weight = weights[row]!;
    for (let unit = 0; unit < units; unit++) sum[unit]! += weight * x[row * units + unit]!;
  }
  return sum;
}

/** `Σ wᵢ xᵢ xᵢᵀ`, [units, units], of rows [rows, units] and weights [rows] of either sign. */
export function weightedGram(x: Float64Array, weights: Float64Array, units: number): Float64Array {
  return crossProduct(
    x,
    x.map((value, i) => value * weights[Math.floor(i / units)]!),
    units,
  );
}
