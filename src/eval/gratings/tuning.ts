/**
 * @file Tuning for spatial frequency and orientation by correlating responses with flashed gratings (evaluation specification,
 * section 12).
 */
import { UserError } from "../../errors.ts";
import { argmax, variance } from "../maps/map-statistics.ts";
import type { Movie } from "../maps/movie.ts";
import { forwardCorrelation } from "../maps/reverse-correlation.ts";
import { subpixelArgmax } from "../maps/subpixel.ts";

/** Responses to gratings, frame by frame of a recording. */
export interface GratingResponses {
  /** Spatial frequency in cycles per degree and orientation in degrees, [frames]; NaN in frames without a grating. */
  readonly sf: ArrayLike<number>;
  readonly ori: ArrayLike<number>;
  /** Spikes, or predicted spikes, [frames, units]. */
  readonly responses: ArrayLike<number>;
  readonly units: number;
  /** Validity of responses, [frames, units] or [frames]; all valid when absent. */
  readonly dfs?: ArrayLike<number> | undefined;
  /** Frames of gratings that count; all when absent. */
  readonly frames?: Int32Array | undefined;
  /** Number of lags, from 0 on. */
  readonly lags: number;
  /** Seconds per frame. */
  readonly dt: number;
}

/** Mean response after every grating. */
export interface GratingMaps {
  /** Values that occurred, in ascending order. */
  readonly sfs: Float64Array;
  readonly oris: Float64Array;
  readonly units: number;
  readonly lags: number;
  readonly dt: number;
  /** Spikes per second, [units, lags, sfs, oris]; NaN for a pair that was not shown, or not with a valid response. */
  readonly rates: Float64Array;
}

/**
 * Mean response at every lag after a frame of each spatial frequency and orientation (subspace reverse correlation, Ringach, Sapiro
 * & Shapley 1997, Vision Research 37, 2455–2464).
 *
 * @throws UserError when there is no grating, or arrays differ in frames
 */
export function gratingMaps({ sf, ori, lags, dt, units, ...input }: GratingResponses): GratingMaps {
  if (sf.length !== ori.length) {
    throw new UserError(`Cannot compute tuning: ${sf.length} spatial frequencies and ${ori.length} orientations`);
  }
  const isShown = Array.from(sf, (value, t) => Number.isFinite(value) && Number.isFinite(ori[t]));
  const sfs = distinct(sf, isShown);
  const oris = distinct(ori, isShown);
  if (sfs.length === 0) throw new UserError("Cannot compute tuning: no frame shows a grating");
  const cells = sfs.length * oris.length;
  const onehot = new Uint8Array(sf.length * cells);
  for (const [t, shown] of isShown.entries()) {
    if (shown) onehot[t * cells + sfs.indexOf(sf[t]!) * oris.length + oris.indexOf(ori[t]!)] = 1;
  }
  const shape = [sfs.length, oris.length];
  const movie: Movie = { values: onehot, frames: sf.length, shape, pixelnorm: false, mean: 0, std: 1 };
  const lagList = Array.from({ length: lags }, (_, lag) => lag);
  const { values } = forwardCorrelation({ ...input, movie, units, lags: lagList });
  return { sfs, oris, units, lags, dt, rates: values.map((count) => count / dt) };
}

function distinct(values: ArrayLike<number>, isShown: readonly boolean[]): Float64Array {
  return Float64Array.from(new Set(Array.from(values).filter((_, t) => isShown[t]))).sort();
}

/** Where a unit responds best, and its tuning there; NaN where a number is not defined. */
export interface Tuning {
  /** Lag, whole and in milliseconds between frames, at which responses differ most between gratings. */
  readonly peakLagIndex: number;
  readonly peakLag: number;
  /** Positions in the lists of values, whole, and values between them. */
  readonly peakSfIndex: number;
  readonly peakSf: number;
  readonly peakOriIndex: number;
  readonly peakOri: number;
  /** Spikes per second along spatial frequency, [sfs], and orientation, [oris], through the largest response. */
  readonly sfTuning: Float64Array;
  readonly oriTuning: Float64Array;
  /** Standard deviation of each curve over its mean. */
  readonly sfSnr: number;
  readonly oriSnr: number;
  /** Direction of `Σ r e^{2iθ}` halved, degrees in [0, 180): a preferred orientation that uses the whole curve. */
  readonly vectorOri: number;
  /**
   * `1 − |Σ r e^{2iθ}| / Σ r` over orientations θ: 0 for a unit that responds to one orientation, 1 for one that responds to all
   * alike (Ringach, Shapley & Hawken 2002, Journal of Neuroscience 22, 5639–5651). NaN if a shown orientation is missing.
   */
  readonly circularVariance: number;
}

/** Below this standard deviation over gratings, in spikes per second, a unit does not respond. */
const FLAT = 1e-9;

/**
 * Tuning of one unit at the lag of its largest variation over gratings.
 *
 * Peaks are placed between values by a parabola, then linearly between the neighbouring values; orientation is not treated as
 * circular there, but it is by `vectorOri`.
 *
 * @returns null when the unit responds to all gratings alike, a silent one for example
 */
export function unitTuning(maps: GratingMaps, unit: number): Tuning | null {
  const { sfs, oris, lags, dt } = maps;
  const spread = Float64Array.from({ length: lags }, (_, lag) => Math.sqrt(variance(mapOf(maps, unit, lag), 0)));
  const { index } = subpixelArgmax(spread);
  const peakLagIndex = roundHalfEven(index);
  if (!(spread[peakLagIndex]! >= FLAT)) return null;
  const map = mapOf(maps, unit, peakLagIndex);
  const top = argmax(map);
  const [row, column] = [Math.floor(top / oris.length), top % oris.length];
  const sfTuning = map.filter((_, i) => i % oris.length === column);
  const oriTuning = map.slice(row * oris.length, (row + 1) * oris.length);
  const sfPeak = subpixelArgmax(sfTuning).index;
  const oriPeak = subpixelArgmax(oriTuning).index;
  return {
    peakLagIndex,
    peakLag: index * dt * 1000,
    peakSfIndex: roundHalfEven(sfPeak),
    peakSf: valueAt(sfs, sfPeak),
    peakOriIndex: roundHalfEven(oriPeak),
    peakOri: valueAt(oris, oriPeak),
    sfTuning,
    oriTuning,
    sfSnr: relativeSpread(sfTuning),
    oriSnr: relativeSpread(oriTuning),
    ...orientationVector(oris, oriTuning),
  };
}

function mapOf({ rates, sfs, oris, lags }: GratingMaps, unit: number, lag: number): Float64Array {
  const cells = sfs.length * oris.length;
  const start = (unit * lags + lag) * cells;
  return rates.subarray(start, start + cells);
}

function relativeSpread(curve: Float64Array): number {
  const shown = curve.filter((rate) => !Number.isNaN(rate));
  return Math.sqrt(variance(shown, 0)) / (shown.reduce((sum, rate) => sum + rate, 0) / shown.length);
}

function orientationVector(oris: Float64Array, curve: Float64Array): Pick<Tuning, "vectorOri" | "circularVariance"> {
  let [x, y, total] = [0, 0, 0];
  for (const [i, rate] of curve.entries()) {
    const angle = (2 * oris[i]! * Math.PI) / 180;
    x += rate * Math.cos(angle);
    y += rate * Math.sin(angle);
    total += rate;
  }
  const degrees = ((Math.atan2(y, x) * 180) / Math.PI / 2 + 180) % 180;
  return { vectorOri: degrees, circularVariance: 1 - Math.hypot(x, y) / total };
}

/** The value between two entries of a list, linear. */
function valueAt(list: Float64Array, index: number): number {
  const low = Math.floor(index);
  const part = index - low;
  return part === 0 ? list[low]! : list[low]! * (1 - part) + list[low + 1]! * part;
}

function roundHalfEven(value: number): number {
  const nearest = Math.round(value);
  return Math.abs(value - Math.trunc(value)) === 0.5 ? 2 * Math.round(value / 2) : nearest;
}
