/**
 * @file A regression with more features than samples, restated in as few features as there are samples (the representer
 * theorem: Kimeldorf & Wahba, J Math Anal Appl 1971).
 */

import { ops, scope, type Tensor, tensor } from "../../torch/index.ts";

/** Features in which the penalty is the sum of squared weights. */
export interface SampleSpace {
  /** [samples, width]. */
  values: Float32Array;
  width: number;
  /** [width, width]. */
  covariance: Float64Array;
  penalty: Float64Array;
  /** Weights [width, units] as weights of the original features, [features, units]. */
  expand(weights: Float64Array, units: number): Float64Array;
}

/** Share of the largest eigenvalue below which a direction is rounding. */
const NEGLIGIBLE = 1e-9;

/**
 * With K = X·S⁻¹·X' = V·Λ·V', weights S⁻¹·X'·V·Λ^(−1/2)·z on X give the drive V·Λ^(1/2)·z and the penalty z'z; no other
 * weights are optimal.
 *
 * @param features X, centred, [samples, count]
 * @param penalty S, symmetric and positive definite, [count, count]
 */
export function sampleSpace(features: Float32Array, count: number, penalty: Float64Array): SampleSpace {
  const samples = features.length / count;
  const { values, width, eigenvalues, basis } = scope(() => {
    const x = tensor(features, [samples, count]).double();
    const factor = ops.linalg_cholesky(tensor(penalty, [count, count]));
    const solved = ops.cholesky_solve(x.transpose(0, 1).contiguous(), factor);
    const [ascending, vectors] = ops.linalg_eigh(x.matmul(solved)) as [Tensor, Tensor];
    const all = ascending.toTypedArray() as Float64Array;
    const first = all.findIndex((value) => value > NEGLIGIBLE * all.at(-1)!);
    // A stimulus that never changes leaves nothing.
    if (first < 0) {
      return { values: new Float32Array(0), width: 0, eigenvalues: new Float64Array(0), basis: new Float64Array(0) };
    }
    const kept = vectors.slice(1, first);
    const roots = ascending.slice(0, first).sqrt();
    return {
      values: kept.mul(roots).float().toTypedArray() as Float32Array,
      width: samples - first,
      eigenvalues: all.slice(first),
      basis: solved.matmul(kept).div(roots).toTypedArray() as Float64Array,
    };
  });
  return {
    values,
    width,
    covariance: diagonal(eigenvalues.map((value) => value / samples)),
    penalty: diagonal(new Float64Array(width).fill(1)),
    expand(weights, units) {
      if (width === 0) return new Float64Array(count * units);
      const product = () =>
        tensor(basis, [count, width])
          .matmul(tensor(weights, [width, units]))
          .toTypedArray();
      return scope(product) as Float64Array;
    },
  };
}

function diagonal(values: Float64Array): Float64Array {
  const matrix = new Float64Array(values.length ** 2);
  values.forEach((value, i) => {
    matrix[i * values.length + i] = value;
  });
  return matrix;
}
