import { describe, expect, test } from "vitest";
import { drawUnits, type PlantedUnit } from "./neurons.ts";
import { Random } from "./random.ts";
import { largestCount, poissonCounts, refractoryCounts, refractoryTrain } from "./spikes.ts";

const RATE_HZ = 240;
const STEP_MS = 1000 / (8 * RATE_HZ);
const [drawn] = drawUnits(new Random(1), { units: 1, rfSpreadDeg: 0.1 }) as [PlantedUnit];
const unit: PlantedUnit = { ...drawn, refractory_ms: 1.5, recovery_ms: 1.5 };
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);

/** Expected counts that jump between silence and a high rate: the hardest case for the expectation. */
const jumping = (frames: number) => Float32Array.from({ length: frames }, (_, t) => (t % 24 < 8 ? 0.8 : 0.01));

describe("refractoryTrain()", () => {
  const spikes = refractoryTrain(new Random(2), unit, new Float32Array(240_000).fill(0.4), RATE_HZ);
  const intervals = spikes.slice(1).map((step, i) => (step - spikes[i]!) * STEP_MS);

  test("leaves no interval inside the absolute period and few in the recovery", () => {
    expect(Math.min(...intervals)).toBeGreaterThan(unit.refractory_ms);
    const within = (from: number, to: number) => intervals.filter((ms) => ms > from && ms <= to).length;
    // A Poisson train has ever fewer intervals with their length; here the shortest are rare.
    expect(within(1.5, 2.6)).toBeLessThan(0.7 * within(4, 5.1));
  });

  test("fires at the expected rate", () => {
    // Counts of such a train scatter less than Poisson counts.
    expect(Math.abs(spikes.length - 96_000)).toBeLessThan(4 * Math.sqrt(96_000));
  });

  test("is a Poisson train without a refractory period", () => {
    const free = refractoryTrain(
      new Random(3),
      { ...unit, refractory_ms: 0, recovery_ms: 0 },
      jumping(48_000),
      RATE_HZ,
    );
    expect(Math.abs(free.length - sum(jumping(48_000)))).toBeLessThan(4 * Math.sqrt(free.length));
  });
});

describe("refractoryCounts()", () => {
  const trials = 1500;
  const frames = 96;
  const expected = jumping(frames);
  const mean = new Float64Array(frames);
  let squares = 0;
  for (let trial = 0; trial < trials; trial++) {
    const counts = refractoryCounts(new Random(trial), [unit], expected, RATE_HZ);
    counts.forEach((count, t) => {
      mean[t]! += count / trials;
      squares += (count - expected[t]!) ** 2 / trials;
    });
  }

  test("keep the expectation in every frame, right after a jump too", () => {
    mean.forEach((value, t) => {
      expect(Math.abs(value - expected[t]!)).toBeLessThan(4.5 * Math.sqrt(expected[t]! / trials));
    });
  });

  test("scatter less than Poisson counts", () => {
    expect(squares / sum(expected)).toBeLessThan(0.7);
    const poisson = poissonCounts(new Random(5), new Float32Array(20_000).fill(0.8));
    expect(sum(poisson.map((count) => (count - 0.8) ** 2)) / (20_000 * 0.8)).toBeGreaterThan(0.9);
  });

  test("do not depend on the other units", () => {
    const both = Float32Array.from({ length: 2 * frames }, (_, i) => expected[i >> 1]!);
    const pair = refractoryCounts(new Random(7), [unit, { ...unit, refractory_ms: 3 }], both, RATE_HZ);
    expect(pair.filter((_, i) => i % 2 === 0)).toEqual(refractoryCounts(new Random(7), [unit], expected, RATE_HZ));
  });
});

describe("largestCount()", () => {
  test("is what the refractory period leaves room for, and is reached", () => {
    expect(largestCount({ ...unit, refractory_ms: 0 }, RATE_HZ)).toBe(Number.POSITIVE_INFINITY);
    const largest = largestCount(unit, RATE_HZ);
    expect(largest * RATE_HZ).toBeGreaterThan(150);
    expect(largest * RATE_HZ).toBeLessThan(1000 / (unit.refractory_ms + unit.recovery_ms));
    const spikes = refractoryTrain(new Random(8), unit, new Float32Array(24_000).fill(largest), RATE_HZ);
    expect(spikes.length / (24_000 * largest)).toBeCloseTo(1, 1);
  });
});
