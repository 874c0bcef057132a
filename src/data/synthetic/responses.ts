/**
 * @file From crops to spikes: the drive of every planted unit, its true rate, and Poisson counts.
 *
 * drive(t) = nonlinearity(filtered stimulus)/(σⁿ + contrastⁿ)
 * rate(t) = (baseline + saturating(gain·drive(t)))·saccadic(t)
 *
 * Filters are separable in space and time, and history starts blank (mean grey) with every trial.
 */
import type { Saccade } from "./eye-traces.ts";
import { MEAN_GREY } from "./images.ts";
import { type PlantedUnit, spatialEnvelope, spatialFilters, temporalKernel } from "./neurons.ts";
import type { Random } from "./random.ts";

/** Share of the rate that always remains, however deep the saccadic suppression. */
const LEAST_SACCADIC_GAIN = 0.2;

/** How the crops of a movie are laid out. */
export interface MovieLayout {
  /** Pixels per side of a crop, and per degree. */
  size: number;
  ppd: number;
  /** Frames per second. */
  rateHz: number;
}

/**
 * Drive of every unit in every frame of one trial, before gain, baseline and saccadic modulation.
 *
 * @param stim [frames, size, size] grey levels of the trial
 * @returns [frames, units]
 */
export function unitDrive(units: readonly PlantedUnit[], stim: Uint8Array, layout: MovieLayout): Float32Array {
  const frames = stim.length / layout.size ** 2;
  const drive = new Float32Array(frames * units.length);
  const filters = units.map((unit) => spatialFilters(unit, layout.size, layout.ppd));
  const envelopes = units.map((unit) =>
    unit.semisaturation === null ? [] : [spatialEnvelope(unit, layout.size, layout.ppd)],
  );
  const projected = projectFrames(stim, layout.size, filters.flat(), envelopes.flat());
  const columns = filters.flat().length + envelopes.flat().length;

  let filterColumn = 0;
  let contrastColumn = filters.flat().length;
  units.forEach((unit, n) => {
    const kernel = temporalKernel(unit, layout.rateHz);
    const linear = filters[n]!.map(() => filterInTime(projected, columns, filterColumn++, kernel));
    const contrast =
      unit.semisaturation === null ? null : filterInTime(projected, columns, contrastColumn++, kernel.map(Math.abs));
    for (let t = 0; t < frames; t++) {
      // One filter: its positive part. Two in quadrature: the length of the pair, whatever the phase.
      const amplitude = linear.length === 1 ? Math.max(0, linear[0]![t]!) : Math.hypot(linear[0]![t]!, linear[1]![t]!);
      const power = amplitude ** unit.exponent;
      drive[t * units.length + n] =
        contrast === null
          ? power
          : power / (unit.semisaturation! ** unit.exponent + Math.sqrt(contrast[t]!) ** unit.exponent);
    }
  });
  return drive;
}

/**
 * Dot products of every frame's contrast with the filters, and of its squared contrast with the envelopes,
 * [frames, filters + envelopes].
 */
function projectFrames(
  stim: Uint8Array,
  size: number,
  filters: readonly Float32Array[],
  envelopes: readonly Float32Array[],
): Float32Array {
  const pixels = size * size;
  const frames = stim.length / pixels;
  const columns = filters.length + envelopes.length;
  const out = new Float32Array(frames * columns);
  const contrast = new Float32Array(pixels);
  const squared = new Float32Array(pixels);
  for (let t = 0; t < frames; t++) {
    // Most frames repeat the one before: the display refreshes, and gaze crosses pixels, less often than we sample.
    if (t > 0 && sameFrame(stim, t, pixels)) {
      out.copyWithin(t * columns, (t - 1) * columns, t * columns);
      continue;
    }
    for (let p = 0; p < pixels; p++) {
      contrast[p] = (stim[t * pixels + p]! - MEAN_GREY) / MEAN_GREY;
      squared[p] = contrast[p]! * contrast[p]!;
    }
    for (let k = 0; k < columns; k++) {
      const isFilter = k < filters.length;
      const image = isFilter ? contrast : squared;
      const weights = isFilter ? filters[k]! : envelopes[k - filters.length]!;
      let sum = 0;
      for (let p = 0; p < pixels; p++) sum += image[p]! * weights[p]!;
      out[t * columns + k] = sum;
    }
  }
  return out;
}

function sameFrame(stim: Uint8Array, frame: number, pixels: number): boolean {
  const start = frame * pixels;
  for (let p = start; p < start + pixels; p++) if (stim[p] !== stim[p - pixels]) return false;
  return true;
}

/** One column of [frames, columns], filtered causally in time from a blank past. */
function filterInTime(table: Float32Array, columns: number, column: number, kernel: Float32Array): Float32Array {
  const frames = table.length / columns;
  const out = new Float32Array(frames);
  for (let t = 0; t < frames; t++) {
    let sum = 0;
    for (let lag = Math.min(t, kernel.length - 1); lag >= 0; lag--) {
      sum += kernel[lag]! * table[(t - lag) * columns + column]!;
    }
    out[t] = sum;
  }
  return out;
}

/**
 * Time course of saccadic modulation in a trial, [frames]: negative for suppression (about 45 ms after the onset), then
 * positive for the rebound (about 110 ms). Large saccades reach −1 and +0.8; small ones less.
 */
export function saccadicCourse(saccades: readonly Saccade[], frames: number, rateHz: number): Float32Array {
  const course = new Float32Array(frames);
  for (const { onset, from, to } of saccades) {
    const size = 1 - Math.exp(-Math.hypot(to[0] - from[0], to[1] - from[1]) / 0.5);
    for (let t = onset; t < Math.min(frames, onset + 0.25 * rateHz); t++) {
      const ms = ((t - onset) / rateHz) * 1000;
      course[t]! += size * (0.8 * bump(ms, 110, 25) - bump(ms, 45, 16));
    }
  }
  return course;
}

function bump(ms: number, centre: number, width: number): number {
  return Math.exp(-(((ms - centre) / width) ** 2) / 2);
}

/**
 * Expected counts per frame, [frames, units]; strictly positive.
 *
 * @param drive [frames, units] of {@link unitDrive}
 * @param course [frames] of {@link saccadicCourse}
 */
export function expectedCounts(
  units: readonly PlantedUnit[],
  drive: Float32Array,
  course: Float32Array,
  rateHz: number,
): Float32Array {
  return drive.map((value, i) => {
    const unit = units[i % units.length]!;
    const saccadic = 1 + unit.saccade_modulation * course[Math.floor(i / units.length)]!;
    const rate = unit.baseline + saturating(unit.gain * value, unit.max_rate);
    return (rate * Math.max(LEAST_SACCADIC_GAIN, saccadic)) / rateHz;
  });
}

/** A rate that follows `rate` while small and approaches `max` when large. */
function saturating(rate: number, max: number): number {
  return rate / (1 + rate / max);
}

/**
 * The units with the gains that give them their planted mean rate over all of the drive (parts of [frames, units]),
 * saccadic modulation aside.
 */
export function withCalibratedGains(units: readonly PlantedUnit[], drives: readonly Float32Array[]): PlantedUnit[] {
  return units.map((unit, n) => {
    const meanRate = (gain: number) => {
      let sum = 0;
      let frames = 0;
      for (const drive of drives) {
        for (let i = n; i < drive.length; i += units.length) sum += saturating(gain * drive[i]!, unit.max_rate);
        frames += drive.length / units.length;
      }
      return unit.baseline + sum / frames;
    };
    // The mean rate grows with the gain, so halving the bracket (in ratio) closes in on it.
    let low = 1e-3;
    let high = 1e6;
    while (high / low > 1 + 1e-6) {
      const middle = Math.sqrt(low * high);
      if (meanRate(middle) < unit.mean_rate) low = middle;
      else high = middle;
    }
    return { ...unit, gain: Math.sqrt(low * high) };
  });
}

/** Poisson counts with the given expectations, element by element. */
export function poissonCounts(random: Random, expected: Float32Array): Float32Array {
  return expected.map((mean) => random.poisson(mean));
}
