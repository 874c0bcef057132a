/**
 * @file The main sequence: how fast saccades of a size are.
 */
import { median } from "../statistics/quantiles.ts";
import { type Saccade, saccadeAmplitude } from "./saccade.ts";

/** A list of saccades in numbers. */
export interface MainSequence {
  saccades: number;
  /** Medians: degrees, degrees per second, milliseconds. */
  amplitude: number;
  peakSpeed: number;
  duration: number;
  /**
   * Peak speed is `scale` · amplitude^`exponent`, fitted on logarithms, and how well the two correlate there. NaN when
   * amplitudes do not differ.
   */
  scale: number;
  exponent: number;
  correlation: number;
  /** Of every saccade, for figures. */
  amplitudes: Float64Array;
  peakSpeeds: Float64Array;
}

/**
 * The main sequence of saccades (Bahill, Clark & Stark 1975, Mathematical Biosciences 24: 191–204) as a power law, by least
 * squares on logarithms.
 */
export function mainSequence(saccades: readonly Saccade[]): MainSequence {
  const amplitudes = Float64Array.from(saccades, saccadeAmplitude);
  const peakSpeeds = Float64Array.from(saccades, ({ A }) => A);
  const fitted = [...saccades.keys()].filter((i) => amplitudes[i]! > 0 && peakSpeeds[i]! > 0);
  const x = fitted.map((i) => Math.log(amplitudes[i]!));
  const y = fitted.map((i) => Math.log(peakSpeeds[i]!));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, xy, yy] = [0, 0, 0];
  for (const [i, value] of x.entries()) {
    xx += (value - meanX) ** 2;
    xy += (value - meanX) * (y[i]! - meanY);
    yy += (y[i]! - meanY) ** 2;
  }
  const exponent = xx > 0 ? xy / xx : Number.NaN;
  return {
    saccades: saccades.length,
    amplitude: median(amplitudes),
    peakSpeed: median(peakSpeeds),
    duration: 1000 * median(saccades.map(({ start_time, end_time }) => end_time - start_time)),
    scale: Math.exp(meanY - exponent * meanX),
    exponent,
    correlation: xy / Math.sqrt(xx * yy),
    amplitudes,
    peakSpeeds,
  };
}
