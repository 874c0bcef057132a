/**
 * @file z-maps: whitened spike-triggered averages and energies in units of their standard error, and what they say about a
 * unit (evaluation specification, sections 11.3 and 11.4).
 */
import { UserError } from "../../errors.ts";
import { elementCount } from "../../formats/array.ts";
import { argmax, variance } from "./map-statistics.ts";
import type { Movie } from "./movie.ts";
import { subpixelArgmax } from "./subpixel.ts";
import { triggeredSums } from "./triggered-sums.ts";
import { type Whitening, whitener } from "./whitening.ts";
import { finished, type Work } from "./work.ts";

/** Responses to the frames of a movie. */
export interface ZMapInput {
  readonly movie: Movie;
  readonly whitening: Whitening;
  /** Frame of every sample, [samples]; samples need not be neighbours. */
  readonly frameOf: Int32Array;
  /** Spikes of every sample, [samples, units]. */
  readonly robs: ArrayLike<number>;
  /** Predicted spikes, [samples, units]; without them there are maps of the data only. */
  readonly rates?: ArrayLike<number> | undefined;
  /** Validity, [samples, units]. What lies under 0 does not matter. */
  readonly dfs: ArrayLike<number>;
  readonly units: number;
  /** Frames from stimulus to response, in order; the first is taken as noise. */
  readonly lags: readonly number[];
  readonly device?: string | undefined;
}

/** Maps of every unit. */
export interface ZMaps {
  /** z of the average and of the energy, [units, lags, pixels]; NaN for a unit without spikes. */
  readonly sta: Float32Array;
  readonly ste: Float32Array;
  /** Spikes, or predicted spikes, that maps are made of, [units]. */
  readonly spikes: Float64Array;
}

export interface ZMapResult {
  readonly units: number;
  readonly lags: readonly number[];
  /** Shape of a map, [height, width] for example. */
  readonly shape: readonly number[];
  /** Samples that were used: those whose lags all lie in the movie. */
  readonly samples: number;
  readonly data: ZMaps;
  /** Null without predictions. */
  readonly model: ZMaps | null;
}

/**
 * With weights w = spikes × validity, W the whitened frame at a lag and e the energy that a whitened pixel has on average:
 * `STA = Σ w W / Σ w`, `STE = Σ w W² / Σ w`, `N = (Σ w)² / Σ w²`, `Z_STA = STA √N` and `Z_STE = (STE / e − 1) √(N / 2)`. N is the
 * effective number of spikes (Kish 1965, Survey Sampling); both are standard normal for a unit that ignores a Gaussian stimulus.
 *
 * @throws UserError when responses and samples differ in number, lags are missing, or no sample has all its lags in the movie
 */
export function zMaps(input: ZMapInput): ZMapResult {
  return finished(zMapsWork(input));
}

/** {@link zMaps} in portions. */
export function* zMapsWork(input: ZMapInput): Work<ZMapResult> {
  const { movie, whitening, units, lags, robs, rates, device } = input;
  const used = usableSamples(input);
  const responses = rates === undefined ? [robs] : [robs, rates];
  const columns = units * responses.length;
  const weights = new Float32Array(movie.frames * columns);
  const spikes = new Float64Array(columns);
  const squares = new Float64Array(columns);
  for (const i of used) {
    for (const [r, values] of responses.entries()) {
      for (let u = 0; u < units; u++) {
        const validity = input.dfs[i * units + u]!;
        if (validity === 0) continue;
        const weight = values[i * units + u]! * validity;
        const column = r * units + u;
        weights[input.frameOf[i]! * columns + column]! += weight;
        spikes[column]! += weight;
        squares[column]! += weight * weight;
      }
    }
  }
  const frames = shownFrames(input, used);
  const { apply, dispose } = whitener(whitening, device);
  try {
    const sums = yield* triggeredSums({
      movie,
      weights,
      columns,
      lags,
      frames,
      powers: [1, 2],
      prepare: apply,
      device,
    });
    const [first, second] = sums as [Float64Array, Float64Array];
    const mapsOf = (start: number) =>
      standardised({ first, second, spikes, squares }, whitening.energy, start, start + units);
    return {
      units,
      lags,
      shape: movie.shape,
      samples: used.length,
      data: mapsOf(0),
      model: rates === undefined ? null : mapsOf(units),
    };
  } finally {
    dispose();
  }
}

/** Samples whose lags all lie in the movie. */
function usableSamples({ movie, frameOf, robs, rates, dfs, units, lags }: ZMapInput): Int32Array {
  const cells = frameOf.length * units;
  for (const [name, { length }] of Object.entries({ robs, dfs, rates: rates ?? robs })) {
    if (length === cells) continue;
    throw new UserError(
      `Cannot map ${frameOf.length} samples of ${units} units: ${name} has ${length} values, expected ${cells}`,
    );
  }
  if (lags.length === 0) throw new UserError("Cannot map responses: the list of lags is empty");
  const first = Math.min(...lags);
  const last = Math.max(...lags);
  const used = Int32Array.from(frameOf.keys()).filter(
    (i) => frameOf[i]! - last >= 0 && frameOf[i]! - first < movie.frames,
  );
  if (used.length > 0) return used;
  throw new UserError(
    `Cannot map responses at lags ${first} to ${last}: none of ${frameOf.length} samples has them all in a movie of ` +
      `${movie.frames} frames`,
  );
}

/** Frames that were shown at one of the lags before a sample, in order. */
function shownFrames({ movie, frameOf, lags }: ZMapInput, used: Int32Array): Int32Array {
  const isShown = new Uint8Array(movie.frames);
  for (const i of used) for (const lag of lags) isShown[frameOf[i]! - lag] = 1;
  return Int32Array.from(isShown.keys()).filter((frame) => isShown[frame] === 1);
}

interface MapSums {
  /** Weighted sums of whitened pixels and of their squares, [columns, lags, pixels]. */
  readonly first: Float64Array;
  readonly second: Float64Array;
  /** Sums of weights and of squared weights, [columns]. */
  readonly spikes: Float64Array;
  readonly squares: Float64Array;
}

/** Maps of the columns from `start` up to `end`. */
function standardised(
  { first, second, spikes, squares }: MapSums,
  energy: Float64Array,
  start: number,
  end: number,
): ZMaps {
  const perColumn = first.length / spikes.length;
  const sta = new Float32Array((end - start) * perColumn);
  const ste = new Float32Array(sta.length);
  for (let column = start; column < end; column++) {
    const total = spikes[column]!;
    const effective = total ** 2 / squares[column]!;
    const from = column * perColumn;
    const to = from - start * perColumn;
    for (let i = 0; i < perColumn; i++) {
      sta[to + i] = (first[from + i]! / total) * Math.sqrt(effective);
      ste[to + i] = (second[from + i]! / total / energy[i % energy.length]! - 1) * Math.sqrt(effective / 2);
    }
  }
  return { sta, ste, spikes: spikes.slice(start, end) };
}

/** What the maps of one unit say; NaN where there are no spikes. */
export interface MapSummary {
  /** Largest |z| of the average at the peak lag, over the standard deviation of pixels at the first lag. */
  readonly snrSta: number;
  /** The same for the energy. */
  readonly snrSte: number;
  /** (snrSte − snrSta) / (snrSte + snrSta): positive for units that respond to contrast of either sign. */
  readonly modulationIndex: number;
  /** Spatial variance of the energy map at every lag, [lags]. */
  readonly profile: Float64Array;
  /** Position of the profile's maximum between lags, in the list of lags. */
  readonly peakBetweenLags: number;
}

/** Position of the lag at which energy varies most over space, [units]; −1 for a unit without spikes. */
export function zPeakLags(result: ZMapResult): Int32Array {
  return Int32Array.from({ length: result.units }, (_, u) => argmax(varianceProfile(result, result.data.ste, u)));
}

/**
 * Summary of one unit's maps.
 *
 * @param maps of the data, or of the model
 * @param peak position of the peak lag, by the data for both; −1 for none
 */
export function summarizeMaps(result: ZMapResult, maps: ZMaps, unit: number, peak: number): MapSummary {
  const profile = varianceProfile(result, maps.ste, unit);
  const snr = (values: Float32Array) => {
    if (peak < 0) return Number.NaN;
    const largest = lagMap(result, values, unit, peak).reduce((max, z) => Math.max(max, Math.abs(z)), 0);
    return largest / Math.sqrt(variance(lagMap(result, values, unit, 0), 1));
  };
  const snrSta = snr(maps.sta);
  const snrSte = snr(maps.ste);
  return {
    snrSta,
    snrSte,
    modulationIndex: (snrSte - snrSta) / (snrSte + snrSta),
    profile,
    peakBetweenLags: subpixelArgmax(profile).index,
  };
}

/** A view on the map of one unit at one position in the list of lags, [pixels]. */
export function lagMap({ lags, shape }: ZMapResult, values: Float32Array, unit: number, lag: number): Float32Array {
  const pixels = elementCount(shape);
  const start = (unit * lags.length + lag) * pixels;
  return values.subarray(start, start + pixels);
}

function varianceProfile(result: ZMapResult, values: Float32Array, unit: number): Float64Array {
  return Float64Array.from(result.lags, (_, lag) => variance(lagMap(result, values, unit, lag), 1));
}
