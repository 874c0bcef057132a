/**
 * @file How much saccades modulate a unit, in the data and in predictions.
 */
import { correlation } from "../correlation.ts";
import type { TriggeredAverages } from "./triggered.ts";

/** After the start of a saccade V1 is suppressed and then rebounds; seconds. */
const EARLY = [0.02, 0.08] as const;
const LATE = [0.08, 0.2] as const;

/** Modulation indices, [units] each: from −1 (silenced) to 1 (silent before); NaN where not defined. */
export interface ModulationIndices {
  /** 20 to 80 ms after the start of saccades. */
  early: Float64Array;
  /** 80 to 200 ms after it. */
  late: Float64Array;
}

/** Saccadic modulation of the units. */
export interface SaccadicModulation {
  observed: ModulationIndices;
  predicted: ModulationIndices;
  /** Pearson correlation of the observed and predicted average over the window, [units]. */
  correlation: Float64Array;
}

/**
 * Modulation of responses by saccades: (r − r₀) / (r + r₀), where r₀ is the mean of the triggered average before the start of
 * saccades and r its mean in a fixed period afterwards. Fixed periods, unlike peak and trough of the average, are not biased
 * by noise. For the time course in V1 see McFarland, Bondy, Saunders, Cumming & Butts (2015, Nature Communications 6: 8110).
 *
 * @param binSeconds duration of a bin
 */
export function saccadicModulation(averages: TriggeredAverages, binSeconds: number): SaccadicModulation {
  const { rbar, rbarhat, units } = averages;
  const indices = (average: Float64Array): ModulationIndices => {
    const before = periodMeans(average, averages, binSeconds, [Number.NEGATIVE_INFINITY, 0]);
    const index = (period: readonly [number, number]) =>
      periodMeans(average, averages, binSeconds, period).map((mean, unit) => {
        return (mean - before[unit]!) / (mean + before[unit]!);
      });
    return { early: index(EARLY), late: index(LATE) };
  };
  const isKnown = rbar.map((mean, cell) => Number(!Number.isNaN(mean) && !Number.isNaN(rbarhat[cell]!)));
  return {
    observed: indices(rbar),
    predicted: indices(rbarhat),
    correlation: correlation({
      rates: Float32Array.from(rbarhat),
      robs: Float32Array.from(rbar),
      dfs: Float32Array.from(isKnown),
      units,
    }),
  };
}

/** Means over the bins whose middle lies in a period, [units]; NaN when a unit has none there. */
function periodMeans(
  average: Float64Array,
  { window, bins, units }: TriggeredAverages,
  binSeconds: number,
  [from, to]: readonly [number, number],
): Float64Array {
  const chosen = Array.from({ length: bins }, (_, bin) => bin).filter((bin) => {
    const middle = (window[0] + bin + 0.5) * binSeconds;
    return middle >= from && middle < to;
  });
  return Float64Array.from({ length: units }, (_, unit) => {
    const values = chosen.map((bin) => average[bin * units + unit]!).filter((value) => !Number.isNaN(value));
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  });
}
