/**
 * @file From crops to drive: what the filters of all units make of a trial.
 *
 * drive(t) = nonlinearity(filtered stimulus)/(σⁿ + contrastⁿ)
 *
 * Filters are separable in space and time, and history starts blank (mean grey) with every trial. This is the slow part
 * of making a population. Every sum runs in a fixed order and in double precision, on one thread, so that the result is
 * the same everywhere.
 */
import { MEAN_GREY } from "./images.ts";
import { type PlantedUnit, spatialEnvelope, spatialFilters, temporalKernel } from "./neurons.ts";

/** How the crops of a movie are laid out. */
export interface MovieLayout {
  /** Pixels per side of a crop, and per degree. */
  size: number;
  ppd: number;
  /** Frames per second. */
  rateHz: number;
}

/** Filters that are summed up in one sweep over the pixels. */
const GROUP = 4;

/** The filters of a population, ready for use: one column per Gabor, then one per normalisation pool. */
export interface FilterBank {
  units: readonly PlantedUnit[];
  pixels: number;
  /** Groups of {@link GROUP} filters, [pixels, GROUP] each; those of contrast, and those of squared contrast. */
  gabors: Float64Array[];
  pools: Float64Array[];
  /** [lags, columns] weight of each column's past, by lag in frames. */
  kernels: Float64Array;
  columns: number;
  /** Columns of each unit; `pool` is -1 without normalisation. */
  places: { first: number; count: number; pool: number }[];
}

/** Filters of all units for crops of one layout. */
export function filterBank(units: readonly PlantedUnit[], { size, ppd, rateHz }: MovieLayout): FilterBank {
  const filters = units.map((unit) => spatialFilters(unit, size, ppd));
  const normalized = units.filter((unit) => unit.semisaturation !== null);
  const gabors = grouped(filters.flat());
  const pools = grouped(normalized.map((unit) => spatialEnvelope(unit, size, ppd)));
  const columns = GROUP * (gabors.length + pools.length);
  const lags = temporalKernel(units[0]!, rateHz).length;
  const kernels = new Float64Array(lags * columns);
  let gabor = 0;
  let pool = GROUP * gabors.length;
  const places = units.map((unit, n) => {
    const kernel = temporalKernel(unit, rateHz);
    const place = { first: gabor, count: filters[n]!.length, pool: unit.semisaturation === null ? -1 : pool++ };
    gabor += place.count;
    for (let lag = 0; lag < lags; lag++) {
      kernels.fill(kernel[lag]!, lag * columns + place.first, lag * columns + place.first + place.count);
      if (place.pool >= 0) kernels[lag * columns + place.pool] = Math.abs(kernel[lag]!);
    }
    return place;
  });
  return { units, pixels: size * size, gabors, pools, kernels, columns, places };
}

/** Filters side by side in groups, the last one filled up with zeros. */
function grouped(filters: readonly Float32Array[]): Float64Array[] {
  return Array.from({ length: Math.ceil(filters.length / GROUP) }, (_, g) => {
    const members = filters.slice(g * GROUP, (g + 1) * GROUP);
    const group = new Float64Array(GROUP * members[0]!.length);
    members.forEach((filter, k) => {
      for (let p = 0; p < filter.length; p++) group[p * GROUP + k] = filter[p]!;
    });
    return group;
  });
}

/**
 * Drive of every unit in every frame of one trial, before gain, baseline and saccadic modulation.
 *
 * @param stim [frames, size, size] grey levels of the trial
 * @returns [frames, units]
 */
export function unitDrive(bank: FilterBank, stim: Uint8Array): Float32Array {
  const { units, columns, places } = bank;
  const frames = stim.length / bank.pixels;
  const distinct = distinctFrames(stim, bank.pixels);
  const projected = projectFrames(bank, stim, distinct.frames);
  const filtered = new Float32Array(columns);
  const sums = new Float64Array(columns);
  const drive = new Float32Array(frames * units.length);
  for (let t = 0; t < frames; t++) {
    filterInTime(bank, projected, distinct.rows, t, sums);
    filtered.set(sums);
    for (let n = 0; n < units.length; n++) {
      const { exponent, semisaturation } = units[n]!;
      const { first, count, pool } = places[n]!;
      // One filter: its positive part. Two in quadrature: the length of the pair, whatever the phase.
      const amplitude =
        count === 1 ? Math.max(0, filtered[first]!) : Math.hypot(filtered[first]!, filtered[first + 1]!);
      const power = amplitude ** exponent;
      drive[t * units.length + n] =
        semisaturation === null ? power : power / (semisaturation ** exponent + Math.sqrt(filtered[pool]!) ** exponent);
    }
  }
  return drive;
}

/**
 * Most frames repeat the one before: the display refreshes, and gaze crosses pixels, less often than we sample.
 *
 * @returns the frames that differ from the one before, and for every frame its place among them
 */
function distinctFrames(stim: Uint8Array, pixels: number): { frames: number[]; rows: Int32Array } {
  const rows = new Int32Array(stim.length / pixels);
  const frames: number[] = [];
  for (let t = 0; t < rows.length; t++) {
    const now = stim.subarray(t * pixels, (t + 1) * pixels);
    if (t === 0 || Buffer.compare(now, stim.subarray((t - 1) * pixels, t * pixels)) !== 0) frames.push(t);
    rows[t] = frames.length - 1;
  }
  return { frames, rows };
}

/**
 * Dot products of the contrast of some frames with the Gabors, and of its square with the pools.
 *
 * @returns [frames listed, columns]
 */
function projectFrames(bank: FilterBank, stim: Uint8Array, frames: readonly number[]): Float32Array {
  const { pixels, gabors, pools, columns } = bank;
  const out = new Float32Array(frames.length * columns);
  const contrast = [new Float64Array(pixels), new Float64Array(pixels)] as const;
  const squared = [new Float64Array(pixels), new Float64Array(pixels)] as const;
  for (let i = 0; i < frames.length; i += 2) {
    // Two frames share every weight that is loaded; a last one is paired with itself.
    const next = Math.min(i + 1, frames.length - 1);
    for (const [k, row] of [i, next].entries()) {
      const start = frames[row]! * pixels;
      for (let p = 0; p < pixels; p++) {
        const value = Math.fround((stim[start + p]! - MEAN_GREY) / MEAN_GREY);
        contrast[k]![p] = value;
        squared[k]![p] = Math.fround(value * value);
      }
    }
    gabors.forEach((group, g) => {
      projectPair(group, ...contrast, out, i * columns + g * GROUP, next * columns + g * GROUP);
    });
    const offset = gabors.length * GROUP;
    pools.forEach((group, g) => {
      projectPair(group, ...squared, out, i * columns + offset + g * GROUP, next * columns + offset + g * GROUP);
    });
  }
  return out;
}

/** Dot products of two images with a group of filters; eight sums at a time keep the processor busy. */
function projectPair(
  group: Float64Array,
  a: Float64Array,
  b: Float64Array,
  out: Float32Array,
  toA: number,
  toB: number,
): void {
  let a0 = 0;
  let a1 = 0;
  let a2 = 0;
  let a3 = 0;
  let b0 = 0;
  let b1 = 0;
  let b2 = 0;
  let b3 = 0;
  for (let p = 0, w = 0; p < a.length; p++, w += GROUP) {
    const x = a[p]!;
    const y = b[p]!;
    const w0 = group[w]!;
    const w1 = group[w + 1]!;
    const w2 = group[w + 2]!;
    const w3 = group[w + 3]!;
    a0 += x * w0;
    a1 += x * w1;
    a2 += x * w2;
    a3 += x * w3;
    b0 += y * w0;
    b1 += y * w1;
    b2 += y * w2;
    b3 += y * w3;
  }
  out[toA] = a0;
  out[toA + 1] = a1;
  out[toA + 2] = a2;
  out[toA + 3] = a3;
  out[toB] = b0;
  out[toB + 1] = b1;
  out[toB + 2] = b2;
  out[toB + 3] = b3;
}

/** Every column filtered causally in time, for one frame of a trial; the past before the trial is blank. */
function filterInTime(
  { kernels, columns }: FilterBank,
  projected: Float32Array,
  rows: Int32Array,
  frame: number,
  sums: Float64Array,
): void {
  sums.fill(0);
  for (let lag = Math.min(frame, kernels.length / columns - 1); lag >= 0; lag--) {
    const from = rows[frame - lag]! * columns;
    const weights = lag * columns;
    for (let k = 0; k < columns; k++) sums[k]! += kernels[weights + k]! * projected[from + k]!;
  }
}
