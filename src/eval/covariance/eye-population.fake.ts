/**
 * @file A made population whose rates depend on the time in a stimulus and on the eye position, with known truth: the planted
 * data of the covariance tests.
 */

import { Random } from "../../data/synthetic/random.ts";
import type { RepeatedResponses } from "./session.ts";

export interface FakePopulation extends RepeatedResponses {
  rates: Float64Array;
  /** 1 − α of the true rates, [units]. */
  eyeShare: Float64Array;
}

/**
 * Trials of smooth drift around fixation. A unit's rate (spikes per bin) is a mean plus a modulation by time and one by
 * eye position, a plane wave with a period of 0.8 degrees; spikes are Poisson, or the rates themselves.
 */
export function fakePopulation({
  trials = 60,
  bins = 40,
  units = 4,
  gazeDeg = 0.12,
  seed = 1,
}: {
  trials?: number;
  bins?: number;
  units?: number;
  gazeDeg?: number;
  seed?: number;
} = {}): FakePopulation {
  const random = new Random(seed);
  const eye = new Float64Array(trials * bins * 2);
  const robs = new Float64Array(trials * bins * units);
  const rates = new Float64Array(trials * bins * units);
  const phases = Float64Array.from({ length: units }, () => random.uniform(0, 2 * Math.PI));
  const angles = Float64Array.from({ length: units }, () => random.uniform(0, 2 * Math.PI));
  for (let trial = 0; trial < trials; trial++) {
    let [x, y] = [random.normal(0, gazeDeg), random.normal(0, gazeDeg)];
    for (let bin = 0; bin < bins; bin++) {
      const cell = trial * bins + bin;
      x = 0.8 * x + Math.sqrt(1 - 0.8 ** 2) * random.normal(0, gazeDeg);
      y = 0.8 * y + Math.sqrt(1 - 0.8 ** 2) * random.normal(0, gazeDeg);
      eye.set([x, y], cell * 2);
      for (let unit = 0; unit < units; unit++) {
        const place = (Math.cos(angles[unit]!) * x + Math.sin(angles[unit]!) * y) / 0.8;
        const time = Math.sin(bin * 0.7 + phases[unit]!);
        const rate = 2 + 0.9 * time + 1.0 * Math.sin(2 * Math.PI * place + unit + 0.3 * bin);
        rates[cell * units + unit] = rate;
        robs[cell * units + unit] = random.poisson(rate);
      }
    }
  }
  return { trials, bins, units, eye, robs, rates, eyeShare: eyeShareOf(rates, trials, bins, units) };
}

/** Share of the variance within time bins, by its definition. */
function eyeShareOf(rates: Float64Array, trials: number, bins: number, units: number): Float64Array {
  return Float64Array.from({ length: units }, (_, unit) => {
    const perBin = Array.from({ length: bins }, (_, bin) =>
      Array.from({ length: trials }, (_, trial) => rates[(trial * bins + bin) * units + unit]!),
    );
    return mean(perBin.map(variance)) / variance(perBin.flat());
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: readonly number[]): number {
  const centre = mean(values);
  return mean(values.map((value) => (value - centre) ** 2));
}
