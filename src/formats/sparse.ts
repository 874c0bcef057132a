/**
 * @file Sparse matrices as MATLAB keeps them (values column by column, with their rows) made dense.
 */
import { UserError } from "../errors.ts";
import { bytesPerElement, type NdArray, zerosArray } from "./array.ts";

/** A sparse matrix in compressed columns. */
export interface SparseColumns {
  readonly rows: number;
  readonly columns: number;
  /** For each column, and one more, the position of its first value. */
  readonly starts: readonly number[];
  /** Row of each value, from 0. */
  readonly rowIndices: readonly number[];
  readonly values: Float64Array;
  readonly isLogical: boolean;
}

/** Most bytes that a matrix may take when its zeros are filled in. */
const LARGEST_DENSE = 2 ** 31;

/**
 * The matrix with its zeros filled in, `[columns, rows]`: column by column, as MATLAB stores dense ones.
 *
 * @param name what messages call it
 * @throws UserError when it would take more than 2 GiB, or its parts do not fit together
 */
export function denseColumns(matrix: SparseColumns, name: string): NdArray {
  const { rows, columns, starts, rowIndices, values, isLogical } = matrix;
  const dtype = isLogical ? "bool" : "float64";
  if (rows * columns * bytesPerElement(dtype) > LARGEST_DENSE) {
    throw new UserError(`Cannot read "${name}": a sparse matrix of [${rows}, ${columns}] is too large to fill in`, {
      hint: "Save a part of it, or its full() in a smaller type such as uint8.",
    });
  }
  const damaged = (what: string) => new UserError(`Cannot read "${name}": its sparse matrix is damaged: ${what}`);
  if (starts.length < columns + 1) throw damaged(`${starts.length} column starts for ${columns} columns`);
  const result = zerosArray(dtype, [columns, rows]);
  for (let column = 0; column < columns; column++) {
    for (let i = starts[column]!; i < starts[column + 1]!; i++) {
      const row = rowIndices[i];
      const value = values[i];
      if (row === undefined || value === undefined || row < 0 || row >= rows) {
        throw damaged(`value ${i} of column ${column} lies outside`);
      }
      result.data[column * rows + row] = isLogical ? Number(value !== 0) : value;
    }
  }
  return result;
}
