/**
 * @file The recursion of L-BFGS for many independent problems of the same size (Nocedal & Wright, Numerical
 * Optimization, 2nd ed. 2006, algorithm 7.4).
 */

/** Steps that are remembered. */
const DEPTH = 10;

interface Pair {
  move: Float64Array;
  change: Float64Array;
  /** 1 / (move · change) of every column; 0 for one that did not move, which makes the pair void for it. */
  curvature: Float64Array;
}

/** Recent moves and changes of the gradient, [rows, columns] each; every column is a problem of its own. */
export class CurvatureMemory {
  private readonly rows: number;
  private readonly columns: number;
  private readonly pairs: Pair[] = [];

  constructor(rows: number, columns: number) {
    this.rows = rows;
    this.columns = columns;
  }

  /** Remembers a move and how the gradient changed over it. */
  add(move: Float64Array, change: Float64Array): void {
    const products = this.dots(move, change);
    const squares = this.dots(change, change);
    // Rounding noise in a tiny change is no curvature.
    const curvature = products.map((product, column) => (product > 1e-14 * squares[column]! ? 1 / product : 0));
    this.pairs.push({ move, change, curvature });
    if (this.pairs.length > DEPTH) this.pairs.shift();
  }

  /** The direction of descent at a gradient, given an approximate inverse of the curvature to start from. */
  direction(gradient: Float64Array, precondition: (vector: Float64Array) => Float64Array): Float64Array {
    const vector = gradient.slice();
    const shares: Float64Array[] = [];
    for (const { move, change, curvature } of this.pairs.toReversed()) {
      const share = this.dots(move, vector).map((dot, column) => dot * curvature[column]!);
      this.addScaled(vector, change, share, -1);
      shares.unshift(share);
    }
    const out = precondition(vector);
    for (const [i, { move, change, curvature }] of this.pairs.entries()) {
      const share = this.dots(change, out).map((dot, column) => shares[i]![column]! - dot * curvature[column]!);
      this.addScaled(out, move, share, 1);
    }
    return out.map((value) => -value);
  }

  private dots(a: Float64Array, b: Float64Array): Float64Array {
    const { rows, columns } = this;
    const sums = new Float64Array(columns);
    for (let row = 0, i = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, i++) sums[column]! += a[i]! * b[i]!;
    }
    return sums;
  }

  private addScaled(to: Float64Array, from: Float64Array, factors: Float64Array, sign: number): void {
    const { rows, columns } = this;
    for (let row = 0, i = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, i++) to[i]! += sign * factors[column]! * from[i]!;
    }
  }
}
