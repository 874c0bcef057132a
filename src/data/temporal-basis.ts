/**
 * @file Raised-cosine temporal basis: turns a time course into features that weigh its recent past, as in Pillow et al.
 * 2008 (data specification, section 8.2).
 *
 * Row k of the basis holds weights b_k[j] of the value j bins away. A zero stands in front of every row, so the frame
 * itself has weight 0. Causal features look back; acausal ones are centred on half the row's length and therefore see
 * the future: a row that peaks at bin j answers p − j frames after an impulse, p being half the row's length.
 */
import { UserError } from "../errors.ts";
import { type NdArray, zerosArray } from "../formats/array.ts";

/** Parameters of the basis, under their names in configurations. */
export interface TemporalBasisParams {
  /** Delta functions at 1, 2, … bins. */
  readonly num_delta_funcs: number;
  /** Raised cosines. */
  readonly num_cosine_funcs: number;
  /** Bins a function extends over. */
  readonly history_bins: number;
  /** Peaks evenly spaced in the logarithm of time instead of in time. */
  readonly log_spacing: boolean;
  /** Times of the first and the last peak, in milliseconds. */
  readonly peak_range_ms: readonly [number, number];
  /** Width of a bin in milliseconds, whatever the rate of the data is. */
  readonly bin_size_ms: number;
  /** Rows of unit length. */
  readonly normalize: boolean;
  /** Gram-Schmidt over the rows. */
  readonly orthogonalize: boolean;
  /** Look back only. */
  readonly causal: boolean;
  /** Standardise every feature over all frames and pixels or channels. */
  readonly batch_norm: boolean;
}

const SMALLEST_NORM = 1e-12;
const BATCH_NORM_EPSILON = 1e-5;

/** Values summed up at a time, which bounds the memory beside the result. */
const BLOCK_VALUES = 2 ** 16;

/** The basis, [functions, taps], with `taps = max(1, history_bins) + 1`. */
export function basisMatrix(params: TemporalBasisParams): Float64Array[] {
  const bins = Math.max(1, params.history_bins);
  const rows: Float64Array[] = [];
  for (let i = 0; i < params.num_delta_funcs; i++) {
    rows.push(rowWithLeadingZero(bins, (j) => (j === i ? 1 : 0)));
  }
  for (const bump of cosineBumps(params)) {
    rows.push(rowWithLeadingZero(bins, (j) => bump(j * params.bin_size_ms)));
  }
  const scaled = params.normalize ? rows.map(normalized) : rows;
  return params.orthogonalize ? orthogonalized(scaled) : scaled;
}

function rowWithLeadingZero(bins: number, weight: (bin: number) => number): Float64Array {
  return Float64Array.from({ length: bins + 1 }, (_, tap) => (tap === 0 ? 0 : weight(tap - 1)));
}

/** One function of lag time in milliseconds per raised cosine. */
function cosineBumps(params: TemporalBasisParams): ((lagMs: number) => number)[] {
  const { num_cosine_funcs: count, log_spacing, peak_range_ms } = params;
  const [from, to] = peak_range_ms;
  const axis = log_spacing ? (ms: number) => Math.log(ms + 1e-6) : (ms: number) => ms;
  const low = log_spacing ? Math.log(Math.max(0.01, from)) : from;
  const high = log_spacing ? Math.log(Math.max(0.01, to)) : to;
  const centres = Array.from({ length: count }, (_, k) =>
    count === 1 ? (low + high) / 2 : low + ((high - low) * k) / (count - 1),
  );
  const width = count === 1 ? widthOfOne(low, high, to, log_spacing) : 2 * (centres[1]! - centres[0]!);
  return centres.map((centre) => (lagMs) => {
    const angle = ((axis(lagMs) - centre) * Math.PI) / width;
    return Math.abs(angle) <= Math.PI ? (Math.cos(angle) + 1) / 2 : 0;
  });
}

function widthOfOne(low: number, high: number, lastPeakMs: number, logSpacing: boolean): number {
  if (high - low > 0) return high - low;
  if (!logSpacing) return lastPeakMs;
  return Math.log(lastPeakMs > 0 ? lastPeakMs : 1);
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function normalized(row: Float64Array): Float64Array {
  const norm = Math.max(Math.sqrt(dot(row, row)), SMALLEST_NORM);
  return row.map((value) => value / norm);
}

function orthogonalized(rows: Float64Array[]): Float64Array[] {
  const done: Float64Array[] = [];
  for (const row of rows) {
    // Projections of the original row, not of what remains of it: the reference's (classical) Gram-Schmidt.
    const shares = done.map((unit) => dot(row, unit));
    done.push(normalized(row.map((value, i) => done.reduce((rest, unit, k) => rest - shares[k]! * unit[i]!, value))));
  }
  return done;
}

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
  const basis = basisMatrix(params);
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
