/**
 * @file The two temporal filters of cones with dynamic adaptation, after Clark et al. 2013 (data specification, section
 * 8.3; model specification, section 5.3): the response is a fast filter divided by a slow one.
 */

/** Parameters of the cone model, under their names in configurations. */
export interface ConeParams {
  /** Gain. */
  readonly alpha: number;
  /** Strength of the adaptation. */
  readonly beta: number;
  /** Share of the fast filter in the adaptation signal, clamped to [0, 1]. */
  readonly gamma: number;
  /** Time constant of the fast filter, milliseconds. */
  readonly tau_y_ms: number;
  /** Time constant of the slow filter, milliseconds. */
  readonly tau_z_ms: number;
  /** Stages of the fast filter. */
  readonly n_y: number;
  /** Stages of the slow filter. */
  readonly n_z: number;
  /** Length of both filters in frames. */
  readonly filter_length: number;
  /** Frames per second that turn the time constants into frames, Hz. */
  readonly sampling_rate: number;
}

/** Smallest values that parameters of the filters take effect with; what is below acts like them. */
export const SMALLEST = { tauMs: 0.01, tauFrames: 0.1, fastStages: 0.5, slowStages: 0.1 } as const;

/**
 * The two filters, weight of the value t frames ago, [filter_length].
 *
 * With K(n, τ)[t] = tⁿ e^(−t/τ) / (τⁿ⁺¹ Γ(n + 1)), whose integral is 1, `fast` is K(n_y, τ_y) and `slow` the mixture
 * γ K(n_y, τ_y) + (1 − γ) K(n_z, τ_z).
 */
export function coneFilters(params: ConeParams): { fast: Float64Array; slow: Float64Array } {
  const { filter_length: length, sampling_rate: rate } = params;
  const gamma = Math.min(Math.max(params.gamma, 0), 1);
  const fast = gammaFilter(Math.max(params.n_y, SMALLEST.fastStages), inFrames(params.tau_y_ms, rate), length);
  const slowest = gammaFilter(Math.max(params.n_z, SMALLEST.slowStages), inFrames(params.tau_z_ms, rate), length);
  return { fast, slow: slowest.map((weight, t) => gamma * fast[t]! + (1 - gamma) * weight) };
}

function inFrames(tauMs: number, rateHz: number): number {
  return Math.max((Math.max(tauMs, SMALLEST.tauMs) / 1000) * rateHz, SMALLEST.tauFrames);
}

/** In logarithms, so that many stages do not overflow; the weight at t = 0 is e^(−∞) = 0. */
function gammaFilter(stages: number, tau: number, length: number): Float64Array {
  const norm = logGamma(stages + 1);
  return Float64Array.from({ length }, (_, t) => Math.exp(stages * Math.log(t / tau) - t / tau - norm) / tau);
}

/** ln Γ(x) for x > 0.5, by Lanczos' approximation (g = 7, nine terms; error about 1e-15 of Γ). */
export function logGamma(x: number): number {
  const terms = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const shifted = x - 1;
  const series = terms.reduce((sum, term, i) => (i === 0 ? term : sum + term / (shifted + i)), 0);
  const base = shifted + 7.5;
  return Math.log(2 * Math.PI) / 2 + (shifted + 0.5) * Math.log(base) - base + Math.log(series);
}
