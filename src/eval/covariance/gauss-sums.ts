/**
 * @file Sums of unit Gaussians around many points, at many points: what a kernel density costs.
 *
 * The sum over n sources at m targets takes n·m exponentials one by one. The kernel is a product of a function of x and one
 * of y, and smooth, so that on the rectangle around all points a polynomial in Chebyshev's basis replaces it: its values on
 * a grid of nodes are one matrix product over the sources, its values at the targets one over its coefficients. The error
 * stays near rounding (1e-12 of the largest sum).
 */

import { scope, type Tensor, tensor, zeros } from "../../torch/index.ts";

/** Points per matrix product: bounds the memory. */
const PIECE = 8192;

/** Multiplications in a matrix product that take the time of one exponential here, roughly. */
const PRODUCTS_PER_KERNEL = 20;

/** Sums at every target, [targets], for targets [targets, 2] in units of the kernel's width. */
export type GaussSums = (targets: Float64Array) => Float64Array;

/**
 * `Σⱼ exp(−|t − sⱼ|² / 2)` at targets t. What depends on the sources alone is computed once and kept.
 *
 * @param sources [n, 2], in units of the kernel's width
 */
export function gaussSums(sources: Float64Array): GaussSums {
  let expansion: Expansion | undefined;
  return (targets) => {
    const axes = [axisOf(0, sources, targets), axisOf(1, sources, targets)] as const;
    const [n, m] = [sources.length / 2, targets.length / 2];
    if (!((n + m) * axes[0].nodes * axes[1].nodes < PRODUCTS_PER_KERNEL * n * m)) return directSums(sources, targets);
    if (expansion === undefined || !axes.every((axis, i) => isSameAxis(axis, expansion!.axes[i]!))) {
      expansion = expand(sources, axes);
    }
    return polynomialSums(expansion, targets);
  };
}

/** The sums term by term. */
export function directSums(sources: Float64Array, targets: Float64Array): Float64Array {
  const sums = new Float64Array(targets.length / 2);
  for (let i = 0; i < sums.length; i++) {
    const [x, y] = [targets[2 * i]!, targets[2 * i + 1]!];
    let sum = 0;
    for (let j = 0; j < sources.length; j += 2) {
      const [dx, dy] = [x - sources[j]!, y - sources[j + 1]!];
      sum += Math.exp(-(dx * dx + dy * dy) / 2);
    }
    sums[i] = sum;
  }
  return sums;
}

/** The points' extent along one coordinate, and how many nodes it takes. */
interface Axis {
  coordinate: 0 | 1;
  centre: number;
  halfWidth: number;
  nodes: number;
}

function axisOf(coordinate: 0 | 1, ...sets: readonly Float64Array[]): Axis {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const points of sets) {
    for (let i = coordinate; i < points.length; i += 2) {
      if (points[i]! < low) low = points[i]!;
      if (points[i]! > high) high = points[i]!;
    }
  }
  const halfWidth = (high - low) / 2;
  // Coefficients of a Gaussian on an interval of ±a widths fall below 1e-13 beyond about 7.75 a; the rest is for small a.
  return { coordinate, centre: (low + high) / 2, halfWidth, nodes: Math.ceil(8 * halfWidth) + 24 };
}

function isSameAxis(a: Axis, b: Axis): boolean {
  return a.centre === b.centre && a.halfWidth === b.halfWidth;
}

/** Coefficients of the sums in products of Chebyshev polynomials of the two coordinates, [x nodes, y nodes]. */
interface Expansion {
  axes: readonly [Axis, Axis];
  coefficients: Float64Array;
}

function expand(sources: Float64Array, axes: readonly [Axis, Axis]): Expansion {
  const [x, y] = axes;
  const coefficients = scope(() => {
    let grid = zeros([x.nodes, y.nodes], { dtype: "float64" });
    for (let start = 0; start < sources.length; start += 2 * PIECE) {
      const piece = sources.subarray(start, start + 2 * PIECE);
      grid = grid.add(scope(() => kernelAtNodes(piece, x).transpose(0, 1).matmul(kernelAtNodes(piece, y))));
    }
    return chebyshevTransform(x.nodes)
      .matmul(grid)
      .matmul(chebyshevTransform(y.nodes).transpose(0, 1))
      .toTypedArray() as Float64Array;
  });
  return { axes, coefficients };
}

function polynomialSums({ axes: [x, y], coefficients }: Expansion, targets: Float64Array): Float64Array {
  const sums = new Float64Array(targets.length / 2);
  for (let start = 0; start < targets.length; start += 2 * PIECE) {
    const piece = targets.subarray(start, start + 2 * PIECE);
    const values = scope(() =>
      chebyshevBasis(piece, x)
        .matmul(tensor(coefficients, [x.nodes, y.nodes]))
        .mul(chebyshevBasis(piece, y))
        .sum(1)
        .toTypedArray(),
    );
    sums.set(values as Float64Array, start / 2);
  }
  return sums;
}

/** Node m of an axis, on −1…1. */
function node(m: number, nodes: number): number {
  return Math.cos((Math.PI * (m + 0.5)) / nodes);
}

/** The kernel's factor of one coordinate between points and nodes, [points, nodes]. */
function kernelAtNodes(points: Float64Array, { coordinate, centre, halfWidth, nodes }: Axis): Tensor {
  const rows = points.length / 2;
  const at = tensor(
    Float64Array.from({ length: rows }, (_, i) => points[2 * i + coordinate]! - centre),
    [rows, 1],
  );
  const to = tensor(
    Float64Array.from({ length: nodes }, (_, m) => halfWidth * node(m, nodes)),
    [1, nodes],
  );
  return at.sub(to).square().mul(-0.5).exp();
}

/** From values at the nodes to coefficients, [nodes, nodes]. */
function chebyshevTransform(nodes: number): Tensor {
  const values = new Float64Array(nodes * nodes);
  for (let k = 0; k < nodes; k++) {
    for (let m = 0; m < nodes; m++) {
      values[k * nodes + m] = ((k === 0 ? 1 : 2) / nodes) * Math.cos((Math.PI * k * (m + 0.5)) / nodes);
    }
  }
  return tensor(values, [nodes, nodes]);
}

/** Chebyshev polynomials of degree 0…nodes − 1 at points, by their recurrence, [points, nodes]. */
function chebyshevBasis(points: Float64Array, { coordinate, centre, halfWidth, nodes }: Axis): Tensor {
  const rows = points.length / 2;
  const values = new Float64Array(rows * nodes);
  for (let row = 0; row < rows; row++) {
    // A rectangle without extent has all its points at the centre.
    const t = halfWidth === 0 ? 0 : (points[2 * row + coordinate]! - centre) / halfWidth;
    let [previous, current] = [t, 1];
    for (let k = 0; k < nodes; k++) {
      values[row * nodes + k] = current;
      [previous, current] = [current, 2 * t * current - previous];
    }
  }
  return tensor(values, [rows, nodes]);
}
