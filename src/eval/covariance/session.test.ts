import { beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { setNumThreads } from "../../torch/index.ts";
import { upperTriangle } from "./correlation-matrix.ts";
import { fakePopulation } from "./eye-population.fake.ts";
import { diagonal } from "./matrix.ts";
import { type EyeCovariance, eyeCovariance } from "./session.ts";

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

describe("eyeCovariance()", () => {
  const population = fakePopulation({ trials: 120, bins: 40, units: 4, gazeDeg: 0.15 });
  let session: EyeCovariance;
  beforeAll(() => {
    setNumThreads(1);
    session = eyeCovariance(population, { threshold: 0.06, shuffles: 19, windows: [1, 2] });
  });

  test("counts spikes in windows with a history of 10 ms, or as long as the window", () => {
    expect(session.windows.map(({ windowBins, historyBins }) => [windowBins, historyBins])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(session.windows.map(({ samples }) => samples)).toEqual([120 * 39, 120 * 19]);
    const fast = eyeCovariance(population, { binSeconds: 1 / 300, windows: [1], shuffles: 0 });
    expect(fast.windows[0]).toMatchObject({ historyBins: 3 });
  });

  test("gives rates in spikes per second, and includes units that fire and repeat", () => {
    const spikes = population.robs.filter((_, i) => i % 4 === 0);
    expect(session.rateHz[0]).toBeCloseTo(mean(spikes) * 120, 9);
    expect([...session.included]).toEqual([1, 1, 1, 1]);
    expect(session.reliability.every((r) => r > 0.5 && r <= 1)).toBe(true);
    const strict = eyeCovariance(population, { minRateHz: 1000, windows: [], shuffles: 0 });
    expect([...strict.included]).toEqual([0, 0, 0, 0]);
  });

  test("corrects Fano factors and noise correlations for eye movements", () => {
    const [window] = session.windows;
    expect(mean(window!.fanoUncorrected)).toBeGreaterThan(mean(window!.fano) + 0.05);
    expect(Math.abs(mean(window!.fano) - 1)).toBeLessThan(0.05);
    const size = (matrix: Float64Array) => mean(upperTriangle(matrix, 4).map(Math.abs));
    expect(size(window!.noiseCorrelation)).toBeLessThan(size(window!.noiseCorrelationUncorrected));
    const variance = diagonal(window!.total, 4);
    window!.noise.forEach((value, i) => {
      expect(value).toBeCloseTo(window!.total[i]! - window!.rate[i]!, 12);
    });
    expect(variance.every((value) => value > 0)).toBe(true);
  });

  test("finds less to correct with shuffled eye positions, and gives p from them", () => {
    const [window] = session.windows;
    const { shuffled, oneMinusAlpha } = window!;
    expect(shuffled).toMatchObject({ shuffles: 19 });
    expect(shuffled!.oneMinusAlpha).toHaveLength(19 * 4);
    expect(mean(shuffled!.oneMinusAlpha)).toBeLessThan(mean(oneMinusAlpha) / 2);
    oneMinusAlpha.forEach((share, unit) => {
      const asLarge = shuffled!.oneMinusAlpha.filter((value, i) => i % 4 === unit && value >= share).length;
      expect(shuffled!.p[unit]).toBeCloseTo((asLarge + 1) / 20, 12);
    });
    expect(shuffled!.p[oneMinusAlpha.indexOf(Math.max(...oneMinusAlpha))]).toBeCloseTo(0.05, 12);
    expect(shuffled!.noiseCorrelation.every(Number.isFinite)).toBe(true);
  });

  test("takes the model's rates apart as well, and agrees with the planted share", () => {
    const { variance, windows } = session.model!;
    population.eyeShare.forEach((share, unit) => {
      expect(Math.abs(variance.oneMinusAlpha[unit]! - share)).toBeLessThan(0.02);
    });
    expect(mean(windows[0]!.oneMinusAlpha)).toBeCloseTo(mean(population.eyeShare), 1);
    expect(windows[0]!.shuffled).toBeUndefined();
    expect(eyeCovariance({ ...population, rates: undefined }, { windows: [], shuffles: 0 }).model).toBeUndefined();
  });

  test("is reproducible, by its seed", () => {
    const again = eyeCovariance(population, { threshold: 0.06, shuffles: 3, windows: [2], seed: 4 });
    const same = eyeCovariance(population, { threshold: 0.06, shuffles: 3, windows: [2], seed: 4 });
    expect(again).toEqual(same);
    const other = eyeCovariance(population, { threshold: 0.06, shuffles: 3, windows: [2], seed: 5 });
    expect(other.windows[0]!.shuffled).not.toEqual(again.windows[0]!.shuffled);
    expect(other.windows[0]!.rate).toEqual(again.windows[0]!.rate);
  });

  test("is NaN with a reason for too few windows, segments that are too short, or nothing usable", () => {
    const few = eyeCovariance(fakePopulation({ trials: 12, bins: 40, units: 2 }), { minWindows: 1000, windows: [1] });
    expect(few.windows[0]!.reason).toBe("468 windows in usable stretches of trials: 1000 needed");
    for (const key of ["rate", "fano", "fanoUncorrected", "noiseCorrelationUncorrected", "oneMinusAlpha"] as const) {
      expect(few.windows[0]![key].every(Number.isNaN)).toBe(true);
    }
    const short = eyeCovariance(fakePopulation({ trials: 30, bins: 20, units: 2 }), { windows: [1] });
    expect(short.windows[0]!.reason).toMatch("0 windows");

    const dead = fakePopulation({ trials: 12, bins: 40, units: 2 });
    for (let i = 1; i < dead.robs.length; i += 2) dead.robs[i] = Number.NaN;
    const unusable = eyeCovariance(dead, { windows: [1] });
    expect(unusable.reason).toMatch("unit 1 is NaN in every bin");
    expect(unusable.rateHz.every(Number.isNaN) && unusable.reliability.every(Number.isNaN)).toBe(true);
    expect(eyeCovariance({ ...dead, valid: new Uint8Array(480) }, { windows: [] }).reason).toMatch("unit 1 is NaN");
    const closed = fakePopulation({ trials: 12, bins: 40, units: 2 });
    expect(eyeCovariance({ ...closed, valid: new Uint8Array(480) }, { windows: [] }).reason).toMatch(
      "no bin of any trial",
    );
  });

  test("does not throw for eye positions on a line", () => {
    const eye = population.eye.map((value, i) => (i % 2 === 0 ? value : 0));
    const line = eyeCovariance({ ...population, eye }, { windows: [1], shuffles: 2 });
    expect(line.windows[0]!.reason).toMatch("lie on a line");
    expect(line.windows[0]!.oneMinusAlpha.every(Number.isNaN)).toBe(true);
    expect(line.windows[0]!.shuffled!.p.every(Number.isNaN)).toBe(true);
    expect(line.windows[0]!.fanoUncorrected.every(Number.isFinite)).toBe(true);
  });

  test("refuses options out of range and rates of another size", () => {
    expect(() => eyeCovariance(population, { binSeconds: 0 })).toThrow("binSeconds is 0");
    expect(() => eyeCovariance(population, { windows: [1.5] })).toThrow("windows of 1.5 bins");
    expect(() => eyeCovariance(population, { shuffles: -1 })).toThrow("shuffles is -1");
    expect(() => eyeCovariance({ ...population, rates: new Float64Array(3) })).toThrow(UserError);
  });
});
