/**
 * @file Least-squares fit of a sinusoid to spike counts, with standard errors (evaluation specification, section 12).
 */
import { UserError } from "../../errors.ts";
import { ops, scope, tensor } from "../../torch/index.ts";

/** How the variance of a count is estimated: by the count itself, by the fit, or alike for all from the residuals. */
export type VarianceModel = "observed_y" | "fitted_y" | "mse";

export interface SineFitOptions {
  /** Cycles of the fitted sinusoid per cycle of x. */
  omega?: number | undefined;
  variance?: VarianceModel | undefined;
}

/** A fitted sinusoid, with standard errors (`…Se`) of first order; NaN where one is not defined. */
export interface SineFit {
  /** y = sine · sin(ω x) + cosine · cos(ω x) + mean. */
  readonly sine: number;
  readonly cosine: number;
  readonly mean: number;
  readonly sineSe: number;
  readonly cosineSe: number;
  readonly meanSe: number;
  /** y = amplitude · sin(ω x + phase) + mean; radians. */
  readonly amplitude: number;
  readonly amplitudeSe: number;
  readonly phase: number;
  readonly phaseSe: number;
  /** Largest minus smallest fitted value over the largest: 2A / (A + C), 0 to 2. NaN when A + C is 0 or less. */
  readonly modulationIndex: number;
  readonly modulationIndexSe: number;
  /**
   * First harmonic over mean, A / C: above 1 for simple, below for complex cells (Skottun et al. 1991, Vision Research 31,
   * 1079–1086). NaN when the mean is 0 or less.
   */
  readonly f1f0: number;
  readonly rSquared: number;
  /** Of sine, cosine and mean, [3, 3]. */
  readonly covariance: Float64Array;
  /** Largest over smallest singular value of the normal equations. */
  readonly conditionNumber: number;
  /** [points]. */
  readonly fitted: Float64Array;
}

/** The smallest variance that a count is given. */
const SMALLEST_VARIANCE = 1e-6;
const TINY = 1e-9;

/** Beyond this condition number of the normal equations no digit of a solution is left. */
const SINGULAR = 1e15;

/**
 * Ordinary least squares. Amplitude, phase and modulation index get standard errors by propagation to first order from the
 * covariance `M D Mᵀ`, M the pseudo-inverse of the design, D the variances of the counts; for `mse`, `SSR / (n − 3) (XᵀX)⁻¹`.
 *
 * @param x radians, [points]
 * @param y spikes per bin, [points]
 * @throws UserError when x and y differ in length, there are fewer than three points, or x does not determine a sinusoid
 */
export function fitSine(x: ArrayLike<number>, y: ArrayLike<number>, options: SineFitOptions = {}): SineFit {
  const { omega = 1, variance = "observed_y" } = options;
  const n = x.length;
  if (n !== y.length) throw new UserError(`Cannot fit a sinusoid: ${n} phases and ${y.length} counts`);
  if (n < 3) throw new UserError(`Cannot fit a sinusoid to ${n} points: it takes at least 3`);
  const design = Float64Array.from({ length: 3 * n }, (_, i) => {
    const angle = omega * x[Math.floor(i / 3)]!;
    return i % 3 === 0 ? Math.sin(angle) : i % 3 === 1 ? Math.cos(angle) : 1;
  });
  const row = (i: number) => design.subarray(3 * i, 3 * i + 3);
  const normal = weightedGram(design, () => 1);
  const { inverse, conditionNumber } = invert(normal);
  // Without their mean, counts that are all alike give an amplitude of exactly 0 instead of a rounding error.
  const centre = meanOf(y);
  const centred = Float64Array.from({ length: n }, (_, i) => y[i]! - centre);
  const solution = multiply(inverse, projected(design, centred));
  solution[2]! += centre;
  const fitted = Float64Array.from({ length: n }, (_, i) => dot(row(i), solution));

  const ssr = fitted.reduce((sum, value, i) => sum + (y[i]! - value) ** 2, 0);
  const covariance =
    variance === "mse"
      ? inverse.map((value) => (n > 3 ? (ssr / (n - 3)) * value : Number.NaN))
      : sandwich(
          inverse,
          weightedGram(design, (i) => Math.max(SMALLEST_VARIANCE, (variance === "fitted_y" ? fitted : y)[i]!)),
        );
  return { ...describe(solution, covariance), rSquared: explained(y, ssr), covariance, conditionNumber, fitted };
}

/** Everything that follows from the three coefficients and their covariance. */
function describe(solution: Float64Array, covariance: Float64Array) {
  const [sine, cosine, mean] = solution as unknown as [number, number, number];
  const amplitude = Math.hypot(sine, cosine);
  const top = amplitude + mean;
  const isDefined = top >= TINY;
  const scale = Math.max(amplitude, TINY);
  const alongAmplitude = [sine / scale, cosine / scale, 0];
  const alongPhase = [-cosine / scale ** 2, sine / scale ** 2, 0];
  const [byAmplitude, byMean] = [(2 * mean) / top ** 2, (-2 * amplitude) / top ** 2];
  const alongIndex = [byAmplitude * alongAmplitude[0]!, byAmplitude * alongAmplitude[1]!, byMean];
  const error = (gradient: readonly number[]) => rootOrNaN(dot(gradient, multiply(covariance, gradient)));
  return {
    sine,
    cosine,
    mean,
    sineSe: error([1, 0, 0]),
    cosineSe: error([0, 1, 0]),
    meanSe: error([0, 0, 1]),
    amplitude,
    amplitudeSe: error(alongAmplitude),
    phase: Math.atan2(cosine, sine),
    phaseSe: error(alongPhase),
    modulationIndex: isDefined ? (2 * amplitude) / top : Number.NaN,
    modulationIndexSe: isDefined ? error(alongIndex) : Number.NaN,
    f1f0: mean > 0 ? amplitude / mean : Number.NaN,
  };
}

/** Share of the variance around the mean; for constant y, 1 when the fit is exact and 0 otherwise. */
function explained(y: ArrayLike<number>, ssr: number): number {
  const mean = meanOf(y);
  const sst = Array.from(y).reduce((sum, value) => sum + (value - mean) ** 2, 0);
  if (sst === 0) return ssr < TINY ? 1 : 0;
  return 1 - ssr / sst;
}

function meanOf(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

function rootOrNaN(variance: number): number {
  return variance < 0 ? Number.NaN : Math.sqrt(variance);
}

/** Σ weight(i) · row(i) row(i)ᵀ, [3, 3]. */
function weightedGram(design: Float64Array, weight: (row: number) => number): Float64Array {
  const gram = new Float64Array(9);
  for (let start = 0; start < design.length; start += 3) {
    const w = weight(start / 3);
    for (let i = 0; i < 9; i++) gram[i]! += w * design[start + Math.floor(i / 3)]! * design[start + (i % 3)]!;
  }
  return gram;
}

/** Xᵀ y. */
function projected(design: Float64Array, y: ArrayLike<number>): Float64Array {
  const out = new Float64Array(3);
  for (let i = 0; i < design.length; i++) out[i % 3]! += design[i]! * y[Math.floor(i / 3)]!;
  return out;
}

/** Inverse and condition number of a symmetric matrix, [3, 3]. */
function invert(matrix: Float64Array): { inverse: Float64Array; conditionNumber: number } {
  return scope(() => {
    const [values, vectors] = ops.linalg_eigh(tensor(matrix, [3, 3]));
    const [smallest, , largest] = values.toTypedArray() as Float64Array as unknown as [number, number, number];
    const conditionNumber = largest / Math.abs(smallest);
    if (!(conditionNumber < SINGULAR)) {
      throw new UserError("Cannot fit a sinusoid: the phases do not determine it", {
        hint: "It takes at least three different phases.",
      });
    }
    const inverse = ops.mm(vectors.div(values), vectors.transpose(0, 1)).toTypedArray() as Float64Array;
    return { inverse, conditionNumber };
  });
}

function multiply(matrix: Float64Array, vector: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: 3 }, (_, i) => dot(matrix.subarray(3 * i, 3 * i + 3), vector));
}

/** S G S for a symmetric S. */
function sandwich(outer: Float64Array, inner: Float64Array): Float64Array {
  const out = new Float64Array(9);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      const column = outer.subarray(3 * j, 3 * j + 3);
      out[3 * i + j] = dot(outer.subarray(3 * i, 3 * i + 3), multiply(inner, column));
    }
  }
  return out;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
}
