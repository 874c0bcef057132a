/**
 * @file Speed of the eye, smoothed, and where it can be trusted (evaluation specification, section 9.5, steps 1 to 5).
 */
import { median } from "../statistics/quantiles.ts";

/** An eye trace; arrays are [samples]. */
export interface EyeTrace {
  /** Seconds, ascending. */
  times: Float64Array;
  /** Degrees, right and up. */
  x: Float64Array;
  y: Float64Array;
  /** Whether tracking is valid, above 0. */
  valid: ArrayLike<number>;
}

/** Where the eye is in degrees, from the rows (`dpi_i`) and columns (`dpi_j`) of the screen that it looks at. */
export function pixelsToDegrees(
  rows: ArrayLike<number>,
  columns: ArrayLike<number>,
  { pixPerDeg, centerPix }: { pixPerDeg: number; centerPix: readonly [x: number, y: number] },
): { x: Float64Array; y: Float64Array } {
  return {
    x: Float64Array.from(columns, (column) => (column - centerPix[0]) / pixPerDeg),
    y: Float64Array.from(rows, (row) => -(row - centerPix[1]) / pixPerDeg),
  };
}

/** Faster than any eye, degrees per second. */
const IMPOSSIBLE_SPEED = 5000;
/** Distrust reaches this far around invalid samples, seconds. */
const INVALID_MARGIN_S = 0.1;
/** A step of more sample intervals than this ends an epoch. */
const LONGEST_STEP = 2.5;
/** Shorter epochs do not count, seconds. */
const SHORTEST_EPOCH_S = 0.5;
/** Of the threshold for saccades: median absolute deviations above the median. */
const THRESHOLD_MADS = 21;
const SAVITZKY_GOLAY = { half: 5, order: 3 };
const GAUSSIAN = { sigma: 2, radius: 8 };

/** What the detector looks at. */
export interface EyeSpeed {
  /** Samples per second. */
  rate: number;
  /** Degrees per second, smoothed, [samples]. */
  speed: Float64Array;
  /** 1 where the trace cannot be trusted, [samples]. */
  invalid: Uint8Array;
  /** Saccades are faster than this, degrees per second; NaN when no epoch is long enough. */
  threshold: number;
}

/** Smoothed speed of an eye trace of at least 11 samples. */
export function eyeSpeed(trace: EyeTrace): EyeSpeed {
  const { times } = trace;
  const samples = times.length;
  const rate = 1 / median(times.subarray(1).map((time, i) => time - times[i]!));
  const invalid = dilate(distrusted(trace), Math.floor(INVALID_MARGIN_S * rate));
  const x = savitzkyGolay(withoutGaps(trace.x));
  const y = savitzkyGolay(withoutGaps(trace.y));
  const raw = new Float64Array(samples);
  for (let i = 0; i + 1 < samples; i++) {
    raw[i] = Math.hypot(x[i + 1]! - x[i]!, y[i + 1]! - y[i]!) / (times[i + 1]! - times[i]!);
  }
  const speed = gaussianSmoothed(raw);
  const trusted = validEpochs(times, invalid, rate).flatMap(([start, end]) => [...speed.subarray(start, end)]);
  const middle = median(trusted);
  return {
    rate,
    speed,
    invalid,
    threshold: middle + THRESHOLD_MADS * median(trusted.map((v) => Math.abs(v - middle))),
  };
}

/** 1 where tracking is invalid or the eye would be faster than an eye. */
function distrusted({ times, x, y, valid }: EyeTrace): Uint8Array {
  return Uint8Array.from(times, (time, i) => {
    const isLast = i + 1 === times.length;
    const speed = isLast ? 0 : Math.hypot(x[i + 1]! - x[i]!, y[i + 1]! - y[i]!) / (times[i + 1]! - time);
    return Number(!(valid[i]! > 0 && speed < IMPOSSIBLE_SPEED));
  });
}

function dilate(mask: Uint8Array, by: number): Uint8Array {
  const out = new Uint8Array(mask.length);
  for (const [i, value] of mask.entries()) if (value) out.fill(1, Math.max(0, i - by), i + by + 1);
  return out;
}

/** Unknown positions take the one before, so that smoothing does not spread them. */
function withoutGaps(positions: Float64Array): Float64Array {
  let last = positions.find((value) => Number.isFinite(value)) ?? 0;
  return positions.map((value) => {
    if (Number.isFinite(value)) last = value;
    return last;
  });
}

/** Stretches of trusted samples without a gap in time, half-open. */
function validEpochs(times: Float64Array, invalid: Uint8Array, rate: number): [start: number, end: number][] {
  const epochs: [number, number][] = [];
  const longest = LONGEST_STEP / rate;
  let start: number | undefined;
  for (const [i, time] of times.entries()) {
    if (!invalid[i]) start ??= i;
    const isEnd = i + 1 === times.length || times[i + 1]! - time > longest;
    if (start === undefined || !(invalid[i] || isEnd)) continue;
    if (i - start > SHORTEST_EPOCH_S * rate) epochs.push([start, i]);
    start = undefined;
  }
  return epochs;
}

/** Savitzky & Golay (1964): the value of a cubic fitted to 11 samples; at the ends that of the first and last cubic. */
function savitzkyGolay(values: Float64Array): Float64Array {
  const { half, order } = SAVITZKY_GOLAY;
  const width = 2 * half + 1;
  const weights = Array.from({ length: width }, (_, at) => polynomialWeights(half, order, at - half));
  return values.map((_, i) => {
    const centre = Math.min(Math.max(i, half), values.length - 1 - half);
    const own = weights[i - centre + half]!;
    let sum = 0;
    for (let k = 0; k < width; k++) sum += own[k]! * values[centre - half + k]!;
    return sum;
  });
}

/** What each of the samples at −half … half contributes to the value at `at` of a polynomial fitted to them. */
function polynomialWeights(half: number, order: number, at: number): Float64Array {
  const points = Array.from({ length: 2 * half + 1 }, (_, i) => i - half);
  const weights = new Float64Array(points.length);
  // Polynomials that are orthogonal on the points, by their three-term recurrence.
  let [before, beforeAt] = [points.map(() => 0), 0];
  let [current, currentAt] = [points.map(() => 1), 1];
  let normBefore = 1;
  for (let degree = 0; degree <= order; degree++) {
    const norm = current.reduce((sum, value) => sum + value * value, 0);
    current.forEach((value, i) => {
      weights[i]! += (currentAt * value) / norm;
    });
    const ratio = degree === 0 ? 0 : norm / normBefore;
    const next = points.map((point, i) => point * current[i]! - ratio * before[i]!);
    const nextAt = at * currentAt - ratio * beforeAt;
    [before, beforeAt, current, currentAt, normBefore] = [current, currentAt, next, nextAt, norm];
  }
  return weights;
}

/** The signal goes on mirrored beyond its ends. */
function gaussianSmoothed(values: Float64Array): Float64Array {
  const { sigma, radius } = GAUSSIAN;
  const kernel = Float64Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-(((i - radius) / sigma) ** 2) / 2));
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  const last = values.length - 1;
  return values.map((_, i) => {
    let sum = 0;
    for (let k = -radius; k <= radius; k++) {
      const at = i + k;
      const mirrored = at < 0 ? -at - 1 : at > last ? 2 * last + 1 - at : at;
      sum += kernel[k + radius]! * values[mirrored]!;
    }
    return sum / total;
  });
}
