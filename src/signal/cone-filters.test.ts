import { describe, expect, test } from "vitest";
import { type ConeParams, coneFilters, logGamma } from "./cone-filters.ts";

const plain: ConeParams = {
  alpha: 1,
  beta: 8e-5,
  gamma: 0.5,
  tau_y_ms: 5,
  tau_z_ms: 60,
  n_y: 5,
  n_z: 2,
  filter_length: 400,
  sampling_rate: 1000,
};
const sum = (weights: Float64Array) => weights.reduce((total, weight) => total + weight, 0);

describe("coneFilters()", () => {
  test("gives filters that sum to 1 and peak after stages times time constant", () => {
    const { fast, slow } = coneFilters({ ...plain, gamma: 0 });
    expect(sum(fast)).toBeCloseTo(1, 6);
    expect(fast.indexOf(Math.max(...fast))).toBe(25);
    expect(slow.indexOf(Math.max(...slow))).toBe(120);
    expect(fast[0]).toBe(0);
  });

  test("mixes the fast filter into the slow one, by a share clamped to [0, 1]", () => {
    const [none, half, all, more] = [0, 0.5, 1, 3].map((gamma) => coneFilters({ ...plain, gamma }));
    expect(all!.slow).toEqual(all!.fast);
    expect(more!.slow).toEqual(all!.fast);
    expect(half!.slow[30]).toBeCloseTo((none!.slow[30]! + all!.slow[30]!) / 2, 12);
  });

  test("converts time constants by the sampling rate", () => {
    const { fast } = coneFilters({ ...plain, sampling_rate: 200 });
    expect(fast.indexOf(Math.max(...fast))).toBe(5);
  });

  test("lets parameters act from their smallest values on", () => {
    const smallest = { tau_y_ms: 0.1, tau_z_ms: 0.1, n_y: 0.5, n_z: 0.1 };
    const below = { tau_y_ms: -4, tau_z_ms: 0, n_y: -1, n_z: 0 };
    expect(coneFilters({ ...plain, ...below })).toEqual(coneFilters({ ...plain, ...smallest }));
  });

  test("stays finite with hundreds of stages", () => {
    const { fast } = coneFilters({ ...plain, n_y: 300, tau_y_ms: 0.5, filter_length: 600 });
    expect(sum(fast)).toBeCloseTo(1, 6);
  });
});

describe("logGamma()", () => {
  test.each([
    [0.6, 1.4891922488128171],
    [1.1, 0.9513507698668732],
    [1.5, Math.sqrt(Math.PI) / 2],
    [3, 2],
    [11, 3628800],
  ])("is the logarithm of the gamma function at %f", (x, gamma) => {
    expect(logGamma(x)).toBeCloseTo(Math.log(gamma), 12);
  });
});
