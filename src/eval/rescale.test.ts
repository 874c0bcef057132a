import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../data/random.ts";
import { bitsPerSpike } from "./bps.ts";
import { applyRescaling, fitRescaling, type RescaleMode, rescalePredictions } from "./rescale.ts";
import { affineMl } from "./rescale-affine.ts";

/** Poisson counts of the rates `gain * rate + offset`, by multiplying uniforms. */
function drawn(gain: readonly number[], offset: readonly number[], samples = 4000) {
  const units = gain.length;
  const random = new MersenneTwister(5);
  const rates = Float64Array.from({ length: samples * units }, () => random.uniform() ** 2 * 2);
  const robs = rates.map((rate, i) => {
    const limit = Math.exp(-(gain[i % units]! * rate + offset[i % units]!));
    let [count, product] = [0, random.uniform()];
    while (product > limit) {
      count += 1;
      product *= random.uniform();
    }
    return count;
  });
  return { rates, robs, units };
}

describe("fitRescaling()", () => {
  test("finds the gain and offset that spikes were drawn with", () => {
    const { gain, offset } = fitRescaling(drawn([0.5, 2], [0.3, 0.1]), "affine");
    expect(Array.from(gain)).toEqual([expect.closeTo(0.5, 1), expect.closeTo(2, 1)]);
    expect(Array.from(offset)).toEqual([expect.closeTo(0.3, 1), expect.closeTo(0.1, 1)]);
  });

  test("with a gain alone makes the weighted means alike", () => {
    const samples = drawn([0.5, 2], [0.3, 0.1], 50);
    const dfs = samples.robs.map((_, i) => (i % 5) / 2);
    const { gain, offset } = fitRescaling({ ...samples, dfs });
    const sum = (values: Float64Array, unit: number) =>
      values.reduce((total, value, i) => total + (i % 2 === unit ? value * dfs[i]! : 0), 0);
    expect(gain[1]).toBeCloseTo(sum(samples.robs, 1) / sum(samples.rates, 1), 12);
    expect(Array.from(offset)).toEqual([0, 0]);
  });

  test("fits one gain and offset to all units in the global modes", () => {
    const samples = drawn([0.7, 0.7], [0.2, 0.2]);
    const { gain, offset } = fitRescaling(samples, "globalaffine");
    expect([gain[0], offset[0]]).toEqual([gain[1], offset[1]]);
    const asOneUnit = fitRescaling({ ...samples, units: 1 }, "affine");
    expect(gain[0]).toBeCloseTo(asOneUnit.gain[0]!, 8);
  });

  test("uses a mask of one column for all units, and nothing under it", () => {
    const rates = Float64Array.of(1, 1, Number.NaN, 1);
    const robs = Float64Array.of(2, 3, 1, Number.NaN);
    expect(Array.from(fitRescaling({ rates, robs, dfs: Float64Array.of(1, 0), units: 2 }).gain)).toEqual([2, 3]);
  });

  test.each<RescaleMode>(["gain", "affine"])("is not defined without samples or with NaN: %s", (mode) => {
    const samples = { rates: Float64Array.of(1, 1, 2, Number.NaN), robs: Float64Array.of(1, 1, 1, 1), units: 2 };
    const dfs = Float64Array.of(0, 1, 0, 1);
    expect(Array.from(fitRescaling({ ...samples, dfs }, mode).gain)).toEqual([Number.NaN, Number.NaN]);
  });
});

describe("affineMl()", () => {
  const ones = (n: number) => new Float64Array(n).fill(1);

  test("does not let the offset become negative", () => {
    // Counts that grow faster than the rates ask for a negative offset.
    const rates = Float64Array.of(1, 2, 3, 4);
    const counts = Float64Array.of(0, 0, 1, 7);
    expect(affineMl({ rates, counts, weights: ones(4) })).toEqual({ gain: expect.closeTo(0.8, 9), offset: 0 });
  });

  test("does not let the gain become negative", () => {
    const rates = Float64Array.of(1, 2, 3, 4);
    const counts = Float64Array.of(7, 1, 0, 0);
    expect(affineMl({ rates, counts, weights: ones(4) })).toEqual({ gain: 0, offset: expect.closeTo(2, 9) });
  });

  test("is at the top of the likelihood", () => {
    const { rates, robs: counts } = drawn([0.5], [0.3], 500);
    const best = affineMl({ rates, counts, weights: ones(500) });
    const at = (gain: number, offset: number) =>
      rates.reduce((sum, r, i) => sum + counts[i]! * Math.log(gain * r + offset) - gain * r - offset, 0);
    for (const step of [-1e-3, 1e-3]) {
      expect(at(best.gain, best.offset)).toBeGreaterThan(at(best.gain + step, best.offset));
      expect(at(best.gain, best.offset)).toBeGreaterThan(at(best.gain, best.offset + step));
    }
  });

  test("copes with rates that do not vary, are zero, or come without spikes", () => {
    const counts = Float64Array.of(1, 3);
    const constant = affineMl({ rates: Float64Array.of(0.5, 0.5), counts, weights: ones(2) });
    expect(constant.gain * 0.5 + constant.offset).toBeCloseTo(2, 6);
    expect(affineMl({ rates: new Float64Array(2), counts, weights: ones(2) })).toEqual({ gain: 0, offset: 2 });
    expect(affineMl({ rates: ones(2), counts: new Float64Array(2), weights: ones(2) })).toEqual({ gain: 0, offset: 0 });
  });
});

describe("rescalePredictions()", () => {
  test("never lowers the score of the samples it was fitted to, and an offset helps further", () => {
    const samples = drawn([0.5, 2], [0.3, 0.1], 300);
    const [raw, gain, affine] = [samples.rates, rescalePredictions(samples), rescalePredictions(samples, "affine")].map(
      (rates) => bitsPerSpike({ ...samples, rates }),
    );
    for (const unit of [0, 1]) {
      expect(gain![unit]).toBeGreaterThan(raw![unit]!);
      expect(affine![unit]).toBeGreaterThan(gain![unit]!);
    }
  });

  test("keeps the type of the rates and is what applying the fit gives", () => {
    const samples = { rates: Float32Array.of(1, 2, 3), robs: Float32Array.of(2, 2, 2), units: 1 };
    expect(rescalePredictions(samples)).toEqual(Float32Array.of(1, 2, 3));
    expect(applyRescaling(samples, fitRescaling(samples))).toBeInstanceOf(Float32Array);
  });

  test("as the reference does: masked predictions 0, the offset a constant", () => {
    const samples = { rates: Float64Array.of(1, 5, 3), robs: Float64Array.of(4, 1, 4), units: 1 };
    const dfs = Float64Array.of(1, 0, 1);
    const rates = rescalePredictions({ ...samples, dfs }, "affine", { compat: "reference" });
    expect(Array.from(rates)).toEqual([expect.closeTo(2, 9), expect.closeTo(1e-12, 14), expect.closeTo(6, 9)]);
  });
});
