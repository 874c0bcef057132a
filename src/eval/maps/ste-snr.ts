/**
 * @file How clearly spike-triggered energies stand out, and at which lag (evaluation specification, section 11.2).
 */
import { argmax, gaussianFilter, median, variance } from "./map-statistics.ts";

/** Maps of several units, [units, lags, height, width]. */
export interface LagMaps {
  readonly values: ArrayLike<number> & { subarray(start: number, end: number): ArrayLike<number> };
  readonly shape: readonly number[];
}

/** Signal to noise of every unit. */
export interface MapSnr {
  /** Largest ratio over lags, [units]; NaN for a unit without spikes. */
  readonly snr: Float64Array;
  /** Position of that lag, [units]; −1 for a unit without spikes. */
  readonly lag: Int32Array;
  /** Ratio at every lag, [units, lags]. */
  readonly perLag: Float64Array;
}

/**
 * Largest smoothed deviation of a map from its median, relative to the typical one at the first lag, at which the stimulus
 * cannot have acted yet: deviations |map − spatial median| are smoothed along lags, rows and columns (σ = 1); noise is their
 * spatial median at the first lag.
 */
export function mapSnr({ values, shape }: LagMaps): MapSnr {
  const [units, lags, height, width] = shape as [number, number, number, number];
  const pixels = height * width;
  const snr = new Float64Array(units);
  const lag = new Int32Array(units);
  const perLag = new Float64Array(units * lags);
  for (let u = 0; u < units; u++) {
    const deviations = new Float64Array(lags * pixels);
    for (let l = 0; l < lags; l++) {
      const map = mapAt({ values, shape }, u, l);
      const middle = median(map);
      for (let i = 0; i < pixels; i++) deviations[l * pixels + i] = Math.abs(map[i]! - middle);
    }
    const smooth = gaussianFilter(deviations, [lags, height, width], 1);
    const noise = median(smooth.subarray(0, pixels));
    const ratios = perLag.subarray(u * lags, (u + 1) * lags);
    for (let l = 0; l < lags; l++) {
      ratios[l] = smooth.subarray(l * pixels, (l + 1) * pixels).reduce((a, b) => Math.max(a, b), 0) / noise;
    }
    lag[u] = argmax(ratios);
    snr[u] = ratios[lag[u]!] ?? Number.NaN;
  }
  return { snr, lag, perLag };
}

/** Position of the lag with the largest spatial standard deviation, [units]; −1 for a unit without spikes. */
export function peakLags(maps: LagMaps): Int32Array {
  const [units, lags] = maps.shape as [number, number];
  return Int32Array.from({ length: units }, (_, u) =>
    argmax(Float64Array.from({ length: lags }, (_, l) => variance(mapAt(maps, u, l), 0))),
  );
}

/** Whole part of the median peak lag over units that have one; NaN when none has. */
export function populationPeakLag(lags: Int32Array): number {
  return Math.trunc(median(lags.filter((lag) => lag >= 0)));
}

function mapAt({ values, shape }: LagMaps, unit: number, lag: number): ArrayLike<number> {
  const pixels = shape.slice(2).reduce((product, n) => product * n, 1);
  const start = (unit * shape[1]! + lag) * pixels;
  return values.subarray(start, start + pixels);
}
