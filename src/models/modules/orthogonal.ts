/**
 * @file Orthogonal initial weights (model specification, section 13.1).
 */

import { type Generator, ops, randn, type Tensor } from "../../torch/index.ts";

/**
 * A random weight whose matrix form (first axis by all others) has orthonormal rows, or columns when it has more rows than
 * columns. Uniform over such matrices.
 */
export function orthogonal(shape: readonly number[], generator: Generator): Tensor {
  const rows = shape[0]!;
  const columns = shape.slice(1).reduce((product, n) => product * n, 1);
  const tall = randn([Math.max(rows, columns), Math.min(rows, columns)], generator);
  const [q, r] = ops.linalg_qr(tall);
  // The factorisation fixes the signs of R's diagonal; without undoing that the draw would not be uniform.
  const signs = ops.sign(r.mul(ops.eye(r.size(0), { dtype: r.dtype })).sum(0));
  const orthonormal = q.mul(signs);
  return (rows < columns ? orthonormal.transpose(0, 1) : orthonormal).reshape(shape).contiguous();
}
