import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openSafetensors } from "../formats/safetensors.ts";
import { tensorStats } from "../torch/index.ts";
import { bitsPerSpike } from "./bps.ts";

const golden = openSafetensors(join(import.meta.dirname, "../../test/fixtures/training/bps.safetensors"));
const floats = (name: string) => golden.tensor(name).read().data as Float32Array;

/** A golden case's inputs, and its scores as the reference gives them. */
function goldenCase(index: number) {
  const dfs = golden.tensors.has(`c${index}.dfs`) ? floats(`c${index}.dfs`) : undefined;
  const expected = floats(`c${index}.bps`);
  const samples = { rates: floats(`c${index}.r_pred`), robs: floats(`c${index}.r_obs`), dfs, units: expected.length };
  return { samples, expected };
}

const close = (values: ArrayLike<number>) =>
  Array.from(values, (value) => (Number.isNaN(value) ? Number.NaN : expect.closeTo(value, 5)));

describe("bitsPerSpike()", () => {
  test.each([
    ["without a mask", 0],
    ["with a mask per unit", 1],
    ["with a mask of one column", 2],
    ["with a mask per sample", 3],
    ["of one unit", 5],
    ["when a rate is 0 where a spike occurred", 7],
    ["of the null model", 8],
  ])("agrees with the reference %s", (_, index) => {
    const { samples, expected } = goldenCase(index);
    expect(Array.from(bitsPerSpike(samples))).toEqual(close(expected));
  });

  test("marks units without valid spikes, where the reference gives numbers", () => {
    const { samples, expected } = goldenCase(4);
    const scores = Array.from(bitsPerSpike(samples));
    expect(scores.slice(0, 2)).toEqual([Number.NaN, Number.NaN]);
    expect(scores.slice(2)).toEqual(close(expected.subarray(2)));
  });

  test("ignores NaN under a mask of 0, which poisons a unit of the reference", () => {
    const { samples, expected } = goldenCase(6);
    const poisoned = expected.findIndex((score) => Number.isNaN(score));
    const scores = bitsPerSpike(samples);
    expect(scores[poisoned]).not.toBeNaN();
    const clean = samples.robs.map((n) => (Number.isNaN(n) ? 0 : n));
    expect(Array.from(scores)).toEqual(Array.from(bitsPerSpike({ ...samples, robs: clean })));
  });

  test("keeps NaN that counts, and NaN from negative rates", () => {
    const base = { robs: Float32Array.of(1, 1, 0, 1), units: 2 };
    expect(Array.from(bitsPerSpike({ ...base, rates: Float32Array.of(Number.NaN, 1, 1, 1) }), Number.isNaN)).toEqual([
      true,
      false,
    ]);
    expect(bitsPerSpike({ ...base, rates: Float32Array.of(-1, 1, 1, 1) })[0]).toBeNaN();
  });

  test("does not depend on how samples are divided, and leaves no tensors", () => {
    const { live } = tensorStats();
    const samples = 40_000;
    const rates = Float32Array.from({ length: samples }, (_, i) => 0.1 + (i % 7) / 10);
    const robs = rates.map((rate, i) => Number((i * 0.618) % 1 < rate));
    let [spikes, sum] = [0, 0];
    for (let i = 0; i < samples; i++) spikes += robs[i]!;
    const mean = spikes / samples;
    for (let i = 0; i < samples; i++) {
      sum += robs[i]! * (Math.log(rates[i]! + 1e-8) - Math.log(mean + 1e-8)) - rates[i]! + mean;
    }
    expect(bitsPerSpike({ rates, robs, units: 1 })[0]).toBeCloseTo(sum / spikes / Math.LN2, 10);
    expect(tensorStats().live).toBe(live);
  });

  test("is what the example says", () => {
    expect(bitsPerSpike({ rates: Float32Array.of(0.1, 0.9), robs: Float32Array.of(0, 1), units: 1 })[0]).toBeCloseTo(
      0.848,
      3,
    );
  });
});
