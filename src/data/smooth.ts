/**
 * @file Gaussian smoothing along time (data specification, section 8.1).
 */
import { UserError } from "../errors.ts";
import { type NdArray, toFloat64, zerosArray } from "../formats/array.ts";
import { castArray } from "./cast.ts";
import { rowLength } from "./column.ts";

/** Normalised Gaussian weights: `trunc(6 sigma) + 1` of them, one more when that is even. */
function gaussianKernel(sigma: number): Float64Array {
  const length = Math.trunc(6 * sigma) + 1;
  const taps = length % 2 === 0 ? length + 1 : length;
  const centre = Math.floor(taps / 2);
  const weights = Float64Array.from({ length: taps }, (_, i) => Math.exp(-0.5 * ((i - centre) / sigma) ** 2));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * Smooths along the first axis, mirroring the ends without repeating the edge frame.
 *
 * @param x [frames, ...], any element type; the result has the same
 * @param sigma standard deviation in frames; 0 and below return `x` itself
 * @throws UserError when half the kernel does not fit into the recording
 */
export function smooth(x: NdArray, sigma: number): NdArray {
  if (!(sigma > 0)) return x;
  const kernel = gaussianKernel(sigma);
  const half = Math.floor(kernel.length / 2);
  const frames = x.shape[0]!;
  if (half >= frames) {
    throw new UserError(`Cannot smooth ${frames} frames with sigma ${sigma}: at least ${half + 1} frames are needed`);
  }
  return convolve(x, kernel);
}

/** The same for one trial of a recording, whatever its length: short ones are mirrored repeatedly. */
export function smoothTrial(x: NdArray, sigma: number): NdArray {
  return sigma > 0 ? convolve(x, gaussianKernel(sigma)) : x;
}

function convolve(x: NdArray, kernel: Float64Array): NdArray {
  const frames = x.shape[0]!;
  const width = rowLength(x.shape);
  const half = Math.floor(kernel.length / 2);
  const source = toFloat64(x);
  const out = zerosArray("float64", x.shape).data as Float64Array;
  for (let t = 0; t < frames; t++) {
    for (let j = 0; j < kernel.length; j++) {
      const from = mirrored(t + j - half, frames) * width;
      for (let i = 0; i < width; i++) out[t * width + i]! += kernel[j]! * source[from + i]!;
    }
  }
  return castArray({ dtype: "float64", shape: x.shape, data: out }, x.dtype);
}

function mirrored(index: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const inPeriod = ((index % period) + period) % period;
  return inPeriod < length ? inPeriod : period - inPeriod;
}
