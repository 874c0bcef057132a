/**
 * @file From expected counts to spikes: Poisson counts, or trains with a refractory period that keep the same
 * expectation.
 */
import type { PlantedUnit } from "./neurons.ts";
import type { Random } from "./random.ts";

/** Steps per frame in which refractory spikes are drawn: about half a millisecond at 240 Hz. */
const STEPS_PER_FRAME = 8;
/** The recovery counts as complete after this many time constants. */
const RECOVERY_SPAN = 5;
/** Largest share of time that a refractory unit may spend in its refractory period. */
const LARGEST_DEAD_SHARE = 0.7;

/** Poisson counts with the given expectations, element by element. */
export function poissonCounts(random: Random, expected: Float32Array): Float32Array {
  return expected.map((mean) => random.poisson(mean));
}

/**
 * Counts of refractory spike trains, [frames, units], whose expectation is `expected` in every frame.
 *
 * @param random each unit draws from a stream below it
 * @param expected [frames, units], at most {@link largestCount}
 */
export function refractoryCounts(
  random: Random,
  units: readonly PlantedUnit[],
  expected: Float32Array,
  rateHz: number,
): Float32Array {
  const counts = new Float32Array(expected.length);
  const own = new Float32Array(expected.length / units.length);
  units.forEach((unit, n) => {
    for (let t = 0; t < own.length; t++) own[t] = expected[t * units.length + n]!;
    for (const step of refractoryTrain(random.stream(n), unit, own, rateHz)) {
      counts[Math.floor(step / STEPS_PER_FRAME) * units.length + n]! += 1;
    }
  });
  return counts;
}

/**
 * Spikes of one unit as steps of 1/8 frame, in order.
 *
 * The chance of a spike is h(t)·w(age), where w rises from 0 to 1 with the time since the last spike. The hazard h is
 * what makes the chance averaged over all possible pasts equal to the expectation: expected(t) = h(t)·E[w(age)]. The
 * distribution of ages that this takes is followed from step to step.
 *
 * @param expected [frames] counts, at most {@link largestCount}
 */
export function refractoryTrain(random: Random, unit: PlantedUnit, expected: Float32Array, rateHz: number): number[] {
  const recovery = recoveryByAge(unit, rateHz);
  const oldest = recovery.length;
  // Chance that the last spike was 1, 2, ... steps ago; all that is longer ago, or never was, is `rested`.
  const ages = new Float64Array(oldest);
  let rested = 1;
  const spikes: number[] = [];
  let age = oldest;
  let survival = 1;
  let limit = random.uniform();
  for (let step = 0; step < expected.length * STEPS_PER_FRAME; step++) {
    const chance = expected[Math.floor(step / STEPS_PER_FRAME)]! / STEPS_PER_FRAME;
    let ready = rested;
    for (let k = 0; k < oldest; k++) ready += ages[k]! * recovery[k]!;
    const hazard = Math.min(1, chance / ready);

    // One number decides how long the unit stays silent: the chance of silence so far falls until it is below it.
    survival *= 1 - hazard * (age < oldest ? recovery[age]! : 1);
    if (survival <= limit) {
      spikes.push(step);
      age = 0;
      survival = 1;
      limit = random.uniform();
    } else if (age < oldest) age++;

    rested = rested * (1 - hazard) + ages[oldest - 1]! * (1 - hazard * recovery[oldest - 1]!);
    for (let k = oldest - 1; k > 0; k--) ages[k] = ages[k - 1]! * (1 - hazard * recovery[k - 1]!);
    ages[0] = hazard * ready;
  }
  return spikes;
}

/** Largest expected count per frame that a unit's refractory period leaves room for; Infinity without one. */
export function largestCount(unit: PlantedUnit, rateHz: number): number {
  if (unit.refractory_ms === 0) return Number.POSITIVE_INFINITY;
  const dead = recoveryByAge(unit, rateHz).reduce((sum, ready) => sum + 1 - ready, 0) + 1;
  return (LARGEST_DEAD_SHARE * STEPS_PER_FRAME) / dead;
}

/** Readiness to fire by age, one step after a spike first: 0 in the absolute period, then rising to 1. */
function recoveryByAge(unit: PlantedUnit, rateHz: number): Float64Array {
  const stepMs = 1000 / (rateHz * STEPS_PER_FRAME);
  const span = unit.refractory_ms + RECOVERY_SPAN * unit.recovery_ms;
  return Float64Array.from({ length: Math.max(1, Math.ceil(span / stepMs)) }, (_, k) => {
    const elapsed = (k + 1) * stepMs - unit.refractory_ms;
    return elapsed <= 0 ? 0 : 1 - Math.exp(-elapsed / unit.recovery_ms);
  });
}
