/**
 * @file Densities of gaze on the screen, fitted to points (evaluation specification, section 15.1).
 */

import { gaussSums } from "./gauss-sums.ts";

/** Density per square degree at points [n, 2]. */
export type Density = (points: Float64Array) => Float64Array;

export type DensityKind = "kde" | "gaussian";

/** Added to the variances of a Gaussian, square degrees, so that gaze that moved along a line has a density. */
const RIDGE = 1e-9;

/** Smallest determinant of a covariance matrix, as a share of its squared trace: below it, points lie on a line. */
const LEAST_SPREAD = 1e-12;

/**
 * Fits a density to points [n, 2]. `kde` is a mean of Gaussian kernels whose covariance is that of the points times
 * n^(−1/3), the square of Scott's factor in two dimensions; `gaussian` has the points' mean and covariance.
 *
 * @returns undefined when the points have none: fewer than two, or for `kde` all on a line
 */
export function fitDensity(points: Float64Array, kind: DensityKind): Density | undefined {
  return kind === "kde" ? kernelDensity(points) : gaussianDensity(points);
}

function kernelDensity(points: Float64Array): Density | undefined {
  const n = points.length / 2;
  const { mean, xx, xy, yy } = spread(points);
  if (!(xx * yy - xy * xy > LEAST_SPREAD * (xx + yy) ** 2)) return undefined;
  const scott = n ** (-1 / 3);
  const whitening = choleskyOf(xx * scott, xy * scott, yy * scott);
  const sums = gaussSums(whitened(points, mean, whitening));
  const scale = 1 / (n * 2 * Math.PI * whitening.xx * whitening.yy);
  return (queries) => sums(whitened(queries, mean, whitening)).map((sum) => sum * scale);
}

function gaussianDensity(points: Float64Array): Density | undefined {
  const { mean, xx, xy, yy } = spread(points);
  if (!Number.isFinite(xx + yy)) return undefined;
  const standardNormal = gaussSums(Float64Array.of(0, 0));
  const whitening = choleskyOf(xx + RIDGE, xy, yy + RIDGE);
  const scale = 1 / (2 * Math.PI * whitening.xx * whitening.yy);
  return (queries) => standardNormal(whitened(queries, mean, whitening)).map((value) => value * scale);
}

/** Mean and sample covariance (divided by n − 1; NaN for a single point). */
function spread(points: Float64Array): { mean: [number, number]; xx: number; xy: number; yy: number } {
  const n = points.length / 2;
  const mean: [number, number] = [0, 0];
  for (let i = 0; i < points.length; i++) mean[i % 2]! += points[i]! / n;
  let [xx, xy, yy] = [0, 0, 0];
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i]! - mean[0], points[i + 1]! - mean[1]];
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  return { mean, xx: xx / (n - 1), xy: xy / (n - 1), yy: yy / (n - 1) };
}

/** Lower-triangular root of a covariance matrix of two coordinates. */
interface Root {
  xx: number;
  yx: number;
  yy: number;
}

function choleskyOf(xx: number, xy: number, yy: number): Root {
  const root = Math.sqrt(xx);
  return { xx: root, yx: xy / root, yy: Math.sqrt(yy - (xy * xy) / xx) };
}

/** Coordinates in which the covariance is the identity. */
function whitened(points: Float64Array, mean: readonly [number, number], root: Root): Float64Array {
  const out = new Float64Array(points.length);
  for (let i = 0; i < points.length; i += 2) {
    out[i] = (points[i]! - mean[0]) / root.xx;
    out[i + 1] = (points[i + 1]! - mean[1] - root.yx * out[i]!) / root.yy;
  }
  return out;
}
