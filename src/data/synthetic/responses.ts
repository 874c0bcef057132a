/**
 * @file From drive to rates: gain, saturation, adaptation, baseline and saccadic modulation.
 *
 * rate(t) = (baseline + evoked(t))·saccadic(t)
 * evoked(t) = saturating(gain·drive(t))/(1 + adaptation·recent(t)/mean_rate), recent the running mean of evoked
 */
import type { Saccade } from "./eye-traces.ts";
import type { PlantedUnit } from "./neurons.ts";
import { largestCount } from "./spikes.ts";

/** Share of the rate that always remains, however deep the saccadic suppression. */
const LEAST_SACCADIC_GAIN = 0.2;

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
 * Expected counts per frame, [frames, units]; strictly positive. Adaptation starts afresh with every trial.
 *
 * @param drive [frames, units] of `unitDrive`
 * @param course [frames] of {@link saccadicCourse}
 */
export function expectedCounts(
  units: readonly PlantedUnit[],
  drive: Float32Array,
  course: Float32Array,
  rateHz: number,
): Float32Array {
  const out = new Float32Array(drive.length);
  units.forEach((unit, n) => {
    const own = columnOf(drive, n, units.length);
    const largest = largestCount(unit, rateHz);
    evokedRates(unit, own, rateHz).forEach((evoked, t) => {
      const saccadic = 1 + unit.saccade_modulation * course[t]!;
      const rate = unit.baseline + evoked;
      out[t * units.length + n] = Math.min(largest, (rate * Math.max(LEAST_SACCADIC_GAIN, saccadic)) / rateHz);
    });
  });
  return out;
}

/** Rates above the baseline, saccadic modulation aside: saturated and adapted, [frames] spikes per second. */
function evokedRates(unit: PlantedUnit, drive: Float32Array, rateHz: number): Float64Array {
  const { gain, max_rate, adaptation, mean_rate } = unit;
  const out = new Float64Array(drive.length);
  const follow = 1 - Math.exp(-1000 / (unit.adaptation_ms * rateHz));
  let recent = 0;
  for (let t = 0; t < drive.length; t++) {
    const evoked = saturating(gain * drive[t]!, max_rate) / (1 + (adaptation * recent) / mean_rate);
    recent += follow * (evoked - recent);
    out[t] = evoked;
  }
  return out;
}

/** One column of [frames, columns]. */
function columnOf(table: Float32Array, column: number, columns: number): Float32Array {
  return Float32Array.from({ length: table.length / columns }, (_, t) => table[t * columns + column]!);
}

/** A rate that follows `rate` while small and approaches `max` when large. */
function saturating(rate: number, max: number): number {
  return rate / (1 + rate / max);
}

/**
 * The units with the gains that give them their planted mean rate over all of the drive (parts of [frames, units]),
 * saccadic modulation aside.
 */
export function withCalibratedGains(
  units: readonly PlantedUnit[],
  drives: readonly Float32Array[],
  rateHz: number,
): PlantedUnit[] {
  return units.map((unit, n) => {
    const own = drives.map((drive) => columnOf(drive, n, units.length));
    const frames = own.reduce((sum, drive) => sum + drive.length, 0);
    const meanRate = (gain: number) => {
      let sum = 0;
      for (const drive of own) for (const rate of evokedRates({ ...unit, gain }, drive, rateHz)) sum += rate;
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
