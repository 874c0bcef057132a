/**
 * @file Temporal basis features: turns a time course into features that weigh its recent past with the functions of a
 * raised-cosine basis (data specification, section 8.2).
 *
 * Causal features look back; acausal ones are centred on half the row's length and therefore see the future: a row that
 * peaks at bin j answers p − j frames after an impulse, p being half the row's length.
 */
import { UserError } from "../errors.ts";
import { type NdArray, zerosArray } from "../formats/array.ts";
import { type RaisedCosineParams, raisedCosineBasis } from "../signal/raised-cosine.ts";

/** The basis and what is made of it, under their names in configurations. */
export interface TemporalBasisParams extends RaisedCosineParams {
  /** Look back only. */
  readonly causal: boolean;
  /** Standardise every feature over all frames and pixels or channels. */
  readonly batch_norm: boolean;
}

const BATCH_NORM_EPSILON = 1e-5;

/** Values summed up at a time, which bounds the memory beside the result. */
const BLOCK_VALUES = 2 ** 16;

/**
 * Basis features of every channel or pixel, zeros outside the recording.
 *
 * @param x [frames, channels] or [frames, height, width], float32
 * @returns [frames, channels · functions], functions innermost, or [frames, functions, height, width]
 * @throws UserError for other shapes
 */
export function temporalBasis(x: NdArray & { data: Float32Array }, params: TemporalBasisParams): NdArray {
  const [frames, ...rest] = x.shape as [number, ...number[]];
  if (rest.length !== 1 && rest.length !== 2) {
    throw new UserError(
      `temporal_basis takes [frames, channels] or [frames, height, width]: got [${x.shape.join(", ")}]`,
    );
  }
  const basis = raisedCosineBasis(params);
  const images = rest.length === 2;
  const points = rest.reduce((product, n) => product * n, 1);
  const out = zerosArray("float32", images ? [frames, basis.length, ...rest] : [frames, points * basis.length]);
  // Steps in the output from one function to the next and from one point to the next.
  const functionStep = images ? points : 1;
  const pointStep = images ? 1 : basis.length;
  const frameStep = points * basis.length;

  const blockFrames = Math.max(1, Math.floor(BLOCK_VALUES / points));
  for (let start = 0; start < frames; start += blockFrames) {
    const end = Math.min(start + blockFrames, frames);
    basis.forEach((row, k) => {
      const sums = weighedHistory(x.data, frames, points, start, end, row, params.causal);
      let from = 0;
      for (let t = start; t < end; t++) {
        const to = t * frameStep + k * functionStep;
        for (let p = 0; p < points; p++) out.data[to + p * pointStep] = sums[from++]!;
      }
    });
  }
  if (params.batch_norm) standardize(out.data as Float32Array, frames * points, basis.length, images ? points : 1);
  return out;
}

/** Σ_j row[j] · x[t − j] (causal) or Σ_j row[j] · x[t − half + j] for frames start…end−1, [end − start, points]. */
function weighedHistory(
  x: Float32Array,
  frames: number,
  points: number,
  start: number,
  end: number,
  row: Float64Array,
  causal: boolean,
): Float64Array {
  const sums = new Float64Array((end - start) * points);
  const half = Math.floor(row.length / 2);
  row.forEach((weight, j) => {
    if (weight === 0) return;
    const shift = causal ? -j : j - half;
    // Frames whose shifted frame exists; the others would add zero.
    const first = Math.max(start, -shift);
    const last = Math.min(end, frames - shift);
    const offset = (start + shift) * points;
    for (let i = (first - start) * points; i < (last - start) * points; i++) sums[i]! += weight * x[offset + i]!;
  });
  return sums;
}

/** Zero mean and unit (biased) variance for each function over everything else. */
function standardize(data: Float32Array, perFunction: number, functions: number, run: number): void {
  for (let k = 0; k < functions; k++) {
    // Values of one function lie in runs of `run` elements, `functions · run` apart.
    const each = (visit: (at: number) => void): void => {
      for (let start = k * run; start < data.length; start += functions * run) {
        for (let at = start; at < start + run; at++) visit(at);
      }
    };
    let sum = 0;
    each((at) => {
      sum += data[at]!;
    });
    const mean = sum / perFunction;
    let squares = 0;
    each((at) => {
      squares += (data[at]! - mean) ** 2;
    });
    const scale = 1 / Math.sqrt(squares / perFunction + BATCH_NORM_EPSILON);
    each((at) => {
      data[at] = (data[at]! - mean) * scale;
    });
  }
}
