import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openSafetensors } from "../formats/safetensors.ts";
import { tensorStats } from "../torch/index.ts";
import { bitsPerSpike, jointBitsPerSpike, pooledBitsPerSpike } from "./bps.ts";

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

  test("against other null rates differs by what those score themselves", () => {
    const nullRates = Float64Array.from({ length: UNITS }, (_, u) => 0.2 + u / 10);
    const constant = Float32Array.from({ length: drawn.robs.length }, (_, i) => nullRates[i % UNITS]!);
    const [own, ofNull] = [bitsPerSpike(drawn), bitsPerSpike({ ...drawn, rates: constant })];
    expect(Array.from(bitsPerSpike(drawn, { nullRates }))).toEqual(close(own.map((score, u) => score - ofNull[u]!)));
    expect(bitsPerSpike({ ...drawn, robs: drawn.robs.map(() => 0) }, { nullRates })[0]).toBeNaN();
  });

  test("gives the reference's numbers for units without spikes on request", () => {
    const silent = { rates: Float32Array.of(0.25, 0.5), robs: Float32Array.of(0, 0), units: 1 };
    expect(bitsPerSpike(silent)[0]).toBeNaN();
    expect(bitsPerSpike(silent, { compat: "reference" })[0]).toBeCloseTo(0.25 / Math.LN2, 6);
    const poisoned = { ...silent, robs: Float32Array.of(1, Number.NaN), dfs: Float32Array.of(1, 0) };
    expect(bitsPerSpike(poisoned, { compat: "reference" })[0]).toBeNaN();
    expect(bitsPerSpike(poisoned, { compat: "reference-rescaled" })[0]).not.toBeNaN();
  });
});

const UNITS = 3;
const drawn = (() => {
  const rates = Float32Array.from({ length: 300 }, (_, i) => 0.1 + (i % 11) / 10);
  const robs = rates.map((rate, i) => Math.floor(rate + ((i * 0.618) % 1)));
  return { rates, robs, dfs: rates.map((_, i) => Number(i % 7 > 0)), units: UNITS };
})();

describe("pooledBitsPerSpike()", () => {
  test("is the mean of the units' scores, weighted by their spikes", () => {
    const scores = bitsPerSpike(drawn);
    const spikes = scores.map((_, u) =>
      drawn.robs.reduce((sum, n, i) => sum + (i % UNITS === u ? n * drawn.dfs[i]! : 0), 0),
    );
    const weighted = scores.reduce((sum, score, u) => sum + score * spikes[u]!, 0) / spikes.reduce((a, b) => a + b);
    expect(pooledBitsPerSpike(drawn)).toBeCloseTo(weighted, 10);
  });

  test("counts what a model predicts for silent units against it", () => {
    const rates = Float64Array.of(1, 0.25, 1, 0.25);
    const robs = Float64Array.of(1, 0, 1, 0);
    expect(pooledBitsPerSpike({ rates, robs, units: 2 })).toBeCloseTo(-0.25 / Math.LN2, 8);
    expect(pooledBitsPerSpike({ rates, robs: robs.map(() => 0), units: 2 })).toBeNaN();
  });
});

test("jointBitsPerSpike() is the score of all parts' samples together, under their masks unless asked otherwise", () => {
  const part = (start: number, end: number) => {
    const rows = (values: Float32Array) => values.subarray(start * UNITS, end * UNITS);
    return { rates: rows(drawn.rates), robs: rows(drawn.robs), dfs: rows(drawn.dfs), units: UNITS };
  };
  const parts = [part(40, 100), part(0, 40)];
  expect(Array.from(jointBitsPerSpike(parts))).toEqual(close(bitsPerSpike(drawn)));
  const unmasked = bitsPerSpike({ ...drawn, dfs: undefined });
  expect(Array.from(jointBitsPerSpike(parts, { compat: "reference" }))).toEqual(close(unmasked));
});
