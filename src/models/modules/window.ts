/**
 * @file Windows that taper convolution kernels towards their borders (model specification, section 6.4).
 *
 * A window touches the axes with at least {@link SMALLEST_TAPERED} taps. Taps the mask makes exactly zero never reach the
 * output: {@link support} says which remain.
 */

import { Parametrization, type Tensor, tensor } from "../../torch/index.ts";
import type { Triple } from "./layer.ts";

export type WindowType =
  | "hann"
  | "hamming"
  | "general_hamming"
  | "blackman"
  | "nuttall"
  | "general_cosine"
  | "bartlett"
  | "cosine"
  | "gaussian"
  | "exponential"
  | "kaiser";

export interface WindowOptions {
  type: WindowType;
  /** The window is raised to this power, then scaled to a peak of 1. */
  power?: number;
  /** Symmetric (default) or periodic. */
  sym?: boolean;
  /** general_hamming */
  alpha?: number;
  /** general_cosine: weights of the cosines. */
  a?: readonly number[];
  /** gaussian, in taps */
  std?: number;
  /** exponential, in taps */
  tau?: number;
  /** kaiser */
  beta?: number;
}

/** Axes with fewer taps are left alone. */
const SMALLEST_TAPERED = 5;

/** The window of `n` taps, peak 1. */
export function windowTaps(n: number, options: WindowOptions): Float64Array {
  const { power = 1 } = options;
  const shape = windowFunction(n, options);
  // A rounding residue below zero (Blackman's ends) would turn a fractional power into NaN.
  const taps = Float64Array.from({ length: n }, (_, i) => Math.max(0, shape(i)) ** power);
  const peak = Math.max(...taps, 1e-12);
  return taps.map((tap) => tap / peak);
}

function windowFunction(n: number, options: WindowOptions): (i: number) => number {
  const { sym = true, alpha = 0.54, a = [1], std = 1, tau = 1, beta = 12 } = options;
  const period = sym ? n - 1 : n;
  const centre = period / 2;
  // i / period first: the last tap's angle is then exactly 2 pi and its cosine exactly 1, so Hann ends in exact zeros.
  const cosines = (weights: readonly number[]) => (i: number) =>
    weights.reduce((sum, weight, j) => sum + (-1) ** j * weight * Math.cos(2 * Math.PI * j * (i / period)), 0);
  switch (options.type) {
    case "hann":
      return cosines([0.5, 0.5]);
    case "hamming":
      return cosines([0.54, 0.46]);
    case "general_hamming":
      return cosines([alpha, 1 - alpha]);
    case "blackman":
      return cosines([0.42, 0.5, 0.08]);
    case "nuttall":
      return cosines([0.3635819, 0.4891775, 0.1365995, 0.0106411]);
    case "general_cosine":
      return cosines(a);
    case "bartlett":
      return (i) => 1 - Math.abs((2 * i) / period - 1);
    case "cosine":
      return (i) => Math.sin((Math.PI * (i + 0.5)) / (period + 1));
    case "gaussian":
      return (i) => Math.exp(-((i - centre) ** 2) / (2 * std ** 2));
    case "exponential":
      return (i) => Math.exp(-Math.abs(i - centre) / tau);
    case "kaiser":
      return (i) => besselI0(beta * Math.sqrt(1 - ((2 * i) / period - 1) ** 2)) / besselI0(beta);
  }
}

/** Modified Bessel function of the first kind, order 0, by its power series. */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-17 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** The taps of every axis; axes that are too short for the window have ones. */
export function windowAxes(kernelSize: Triple, options: WindowOptions): [Float64Array, Float64Array, Float64Array] {
  const axis = (n: number) => (n >= SMALLEST_TAPERED ? windowTaps(n, options) : new Float64Array(n).fill(1));
  return [axis(kernelSize[0]), axis(kernelSize[1]), axis(kernelSize[2])];
}

/** First tap that is not zero, and one past the last, in float32. */
export function support(taps: ArrayLike<number>): { first: number; end: number } {
  const zero = (i: number) => Math.fround(taps[i]!) === 0;
  let first = 0;
  let end = taps.length;
  while (first < end - 1 && zero(first)) first++;
  while (end > first + 1 && zero(end - 1)) end--;
  return { first, end };
}

/** The separable mask `[1, 1, kT, kH, kW]` of a kernel, float32. */
export function windowMask(kernelSize: Triple, options: WindowOptions): Tensor {
  const [time, rows, columns] = windowAxes(kernelSize, options);
  const mask = new Float32Array(time.length * rows.length * columns.length);
  let i = 0;
  for (const t of time) for (const h of rows) for (const w of columns) mask[i++] = t * h * w;
  return tensor(mask, [1, 1, ...kernelSize]);
}

/** Multiplies a weight by its mask. The mask is rebuilt from the configuration and never stored. */
export class WindowParametrization extends Parametrization {
  readonly mask: Tensor;

  constructor(kernelSize: Triple, options: WindowOptions) {
    super();
    this.mask = this.buffer("mask", windowMask(kernelSize, options), false);
  }

  override forward(weight: Tensor): Tensor {
    return weight.mul(this.mask);
  }
}
