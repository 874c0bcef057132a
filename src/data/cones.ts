/**
 * @file Cone photoreceptors with dynamic adaptation: a fast filter divided by a slow one, after Clark et al. 2013
 * (data specification, section 8.3).
 */
import { UserError } from "../errors.ts";
import { type NdArray, zerosArray } from "../formats/array.ts";

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

/** The two filters, weight of the value t frames ago, [filter_length]. */
export function coneFilters(params: ConeParams): { fast: Float64Array; slow: Float64Array } {
  const { filter_length: length, sampling_rate: rate } = params;
  const gamma = Math.min(Math.max(params.gamma, 0), 1);
  const fast = gammaFilter(Math.max(params.n_y, 0.5), frameConstant(params.tau_y_ms, rate), length);
  const slowest = gammaFilter(Math.max(params.n_z, 0.1), frameConstant(params.tau_z_ms, rate), length);
  return { fast, slow: slowest.map((weight, t) => gamma * fast[t]! + (1 - gamma) * weight) };
}

function frameConstant(tauMs: number, rateHz: number): number {
  return Math.max((Math.max(tauMs, 0.01) / 1000) * rateHz, 0.1);
}

function gammaFilter(stages: number, tau: number, length: number): Float64Array {
  const scale = Math.max(tau ** (stages + 1) * gammaFunction(stages + 1), 1e-9);
  return Float64Array.from({ length }, (_, t) => (t ** stages * Math.exp(-t / tau)) / scale);
}

/** Γ(x) for x > 0.5, by Lanczos' approximation (g = 7, nine terms; relative error about 1e-15). */
function gammaFunction(x: number): number {
  const terms = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const shifted = x - 1;
  const series = terms.reduce((sum, term, i) => (i === 0 ? term : sum + term / (shifted + i)), 0);
  const base = shifted + 7.5;
  return Math.sqrt(2 * Math.PI) * base ** (shifted + 0.5) * Math.exp(-base) * series;
}

/**
 * Response of one cone per pixel; what precedes the recording counts as zero.
 *
 * @param x intensities, [frames, height, width], float32
 * @returns [frames, 1, height, width]
 * @throws UserError for other shapes
 */
export function coneResponse(x: NdArray & { data: Float32Array }, params: ConeParams): NdArray {
  if (x.shape.length !== 3) {
    throw new UserError(`dacones takes [frames, height, width]: got [${x.shape.join(", ")}]`);
  }
  const [frames, height, width] = x.shape as [number, number, number];
  const pixels = height * width;
  const { fast, slow } = coneFilters(params);
  const beta = Math.max(params.beta, 0);
  const out = zerosArray("float32", [frames, 1, height, width]);
  const response = new Float64Array(pixels);
  const adaptation = new Float64Array(pixels);
  for (let t = 0; t < frames; t++) {
    response.fill(0);
    adaptation.fill(0);
    for (let lag = 0; lag < Math.min(fast.length, t + 1); lag++) {
      const start = (t - lag) * pixels;
      for (let p = 0; p < pixels; p++) {
        response[p]! += fast[lag]! * x.data[start + p]!;
        adaptation[p]! += slow[lag]! * x.data[start + p]!;
      }
    }
    for (let p = 0; p < pixels; p++) {
      out.data[t * pixels + p] = (params.alpha * response[p]!) / Math.max(1 + beta * adaptation[p]!, 1e-6);
    }
  }
  return out;
}
