/**
 * @file Dimensions and subspaces of covariance matrices (evaluation specification, section 16). Matrices are row-major,
 * [units, units]; bases are [units, k] with orthonormal columns.
 */

import { UserError } from "../../errors.ts";
import { ops, scope, type Tensor, tensor } from "../../torch/index.ts";

/** Keeps divisions by a trace of 0 from NaN: what has no variance captures none. */
const TINY = 1e-12;

/** Diagonals added, one after the other, when the eigenvalue solver does not converge. */
const RETRIES = [0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2];

/** Eigenvalues in ascending order with their vectors as the columns of [units, units]. */
export interface Eigen {
  values: Float64Array;
  vectors: Float64Array;
}

/**
 * Eigenvalues and vectors of a symmetric matrix.
 *
 * @throws UserError when the matrix is not square or has NaN
 */
export function eigenOf(matrix: Float64Array, units: number): Eigen {
  checkSize("matrix", matrix, units, units);
  if (!matrix.every(Number.isFinite)) {
    throw new UserError("Cannot take eigenvalues: the matrix has values that are not finite", {
      hint: "Leave out units that have none, or use projectToPsd() first.",
    });
  }
  return scope(() => {
    const [values, vectors] = ops.linalg_eigh(tensor(matrix, [units, units]));
    return { values: values.toTypedArray() as Float64Array, vectors: vectors.toTypedArray() as Float64Array };
  });
}

/**
 * The nearest matrix, in the Frobenius norm, whose eigenvalues are at least `least`. Made symmetric first; what is not finite
 * counts as 0. An estimate of a covariance as the difference of two others may have negative eigenvalues.
 *
 * @throws UserError when the matrix is not square, or its eigenvalues cannot be found
 */
export function projectToPsd(matrix: Float64Array, units: number, least = 0): Float64Array {
  checkSize("matrix", matrix, units, units);
  return scope(() => {
    const given = tensor(matrix, [units, units]);
    const sum = given.add(given.transpose(0, 1)).div(2);
    const symmetric = ops.where.self(ops.isfinite(sum), sum, ops.zeros_like(sum));
    const [values, vectors] = stableEigh(symmetric, units);
    return vectors.mul(values.clamp(least)).matmul(vectors.transpose(0, 1)).toTypedArray() as Float64Array;
  });
}

function stableEigh(matrix: Tensor, units: number): [Tensor, Tensor] {
  let cause: unknown;
  for (const extra of RETRIES) {
    try {
      return ops.linalg_eigh(extra === 0 ? matrix : matrix.add(ops.eye(units, { dtype: "float64" }).mul(extra)));
    } catch (error) {
      cause = error;
    }
  }
  throw new UserError("Cannot project onto positive semi-definite matrices: the eigenvalues do not converge", {
    cause,
  });
}

/**
 * Participation ratio `(Σ λ)² / Σ λ²`, the number of dimensions that variance spreads over: N for the identity, 1 for rank one
 * (Gao et al. 2017, bioRxiv 214262). Negative eigenvalues count as 0.
 */
export function participationRatio(matrix: Float64Array, units: number): number {
  const values = eigenOf(matrix, units).values.map((value) => Math.max(0, value));
  const sum = values.reduce((total, value) => total + value, 0);
  return sum ** 2 / (values.reduce((total, value) => total + value ** 2, 0) + TINY);
}

/** The `k` eigenvectors of the largest eigenvalues, largest first, as columns of [units, k]. */
export function leadingSubspace(matrix: Float64Array, units: number, k: number): Float64Array {
  if (!(Number.isInteger(k) && k >= 1 && k <= units)) {
    throw new UserError(`Cannot take a subspace of ${k} dimensions: expected 1 to ${units}, the number of units`);
  }
  const { vectors } = eigenOf(matrix, units);
  return Float64Array.from(
    { length: units * k },
    (_, i) => vectors[Math.floor(i / k) * units + (units - 1 - (i % k))]!,
  );
}

/** Overlap `‖Uaᵀ Ub‖² / k` of two subspaces of k dimensions: 1 when they are the same, 0 when orthogonal. */
export function subspaceOverlap(a: Float64Array, b: Float64Array, units: number): number {
  const k = a.length / units;
  checkSize("first basis", a, units, k);
  checkSize("second basis", b, units, k);
  return scope(
    () =>
      tensor(a, [units, k])
        .transpose(0, 1)
        .matmul(tensor(b, [units, k]))
        .square()
        .sum()
        .item() / k,
  );
}

/** Share `tr(Uᵀ C U) / tr C` of a covariance matrix's variance that lies in a subspace. */
export function varianceCapture(matrix: Float64Array, basis: Float64Array, units: number): number {
  const k = basis.length / units;
  checkSize("matrix", matrix, units, units);
  checkSize("basis", basis, units, k);
  return scope(() => {
    const u = tensor(basis, [units, k]);
    const c = tensor(matrix, [units, units]);
    return c.matmul(u).mul(u).sum().item() / (ops.trace(c).item() + TINY);
  });
}

function checkSize(what: string, values: Float64Array, rows: number, columns: number): void {
  if (Number.isInteger(columns) && values.length === rows * columns) return;
  throw new UserError(
    `Cannot compare subspaces: ${what} has ${values.length} values, ${rows} rows of ${columns} expected`,
  );
}
