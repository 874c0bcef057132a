import { describe, expect, test } from "vitest";
import { drawUnits } from "./neurons.ts";
import { Random } from "./random.ts";
import { SharedGain, withSharedGain } from "./shared-gain.ts";

const RATE_HZ = 240;
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

describe("SharedGain", () => {
  test("is normal of unit variance and forgets over three seconds, pauses included", () => {
    const pairs = Array.from({ length: 4000 }, (_, i) => {
      const gain = new SharedGain(new Random(i), RATE_HZ);
      const first = gain.during(5, 1)[0]!;
      return [first, gain.during(5 + 3, 1)[0]!] as const;
    });
    expect(Math.abs(mean(pairs.map(([a]) => a)))).toBeLessThan(0.07);
    expect(mean(pairs.map(([a]) => a * a))).toBeCloseTo(1, 1);
    expect(mean(pairs.map(([, b]) => b * b))).toBeCloseTo(1, 1);
    expect(mean(pairs.map(([a, b]) => a * b))).toBeCloseTo(Math.exp(-1), 1);
  });

  test("moves slowly within a trial", () => {
    const latent = new SharedGain(new Random(1), RATE_HZ).during(0, 2400);
    const steps = latent.slice(1).map((value, t) => (value - latent[t]!) ** 2);
    expect(mean(steps)).toBeCloseTo(2 / (3 * RATE_HZ), 3);
  });
});

describe("withSharedGain()", () => {
  const units = drawUnits(new Random(2), { units: 2, rfSpreadDeg: 0.1, gainFluctuations: 0.3 });

  test("leaves the mean over the latent at the driven counts", () => {
    const random = new Random(3);
    const latent = Float32Array.from({ length: 40_000 }, () => random.normal());
    const full = withSharedGain(units, new Float32Array(80_000).fill(0.1), latent, [9, 9]);
    for (const n of [0, 1]) expect(mean(full.filter((_, i) => i % 2 === n))).toBeCloseTo(0.1, 2);
    const ratio = full.map((count) => Math.log(count / 0.1));
    for (const n of [0, 1]) {
      const deviation = units[n]!.gain_fluctuation;
      const own = ratio.filter((_, i) => i % 2 === n);
      expect(mean(own)).toBeCloseTo(-(deviation ** 2) / 2, 2);
      expect(mean(own.map((value) => (value + deviation ** 2 / 2) ** 2))).toBeCloseTo(deviation ** 2, 2);
    }
  });

  test("never exceeds the largest counts", () => {
    const full = withSharedGain(units, Float32Array.of(0.5, 0.5), Float32Array.of(4), [0.6, 9]);
    expect(full[0]).toBeCloseTo(0.6, 6);
    expect(full[1]).toBeGreaterThan(0.6);
  });
});
