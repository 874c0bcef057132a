import { beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { setNumThreads } from "../../torch/index.ts";
import { decomposeCovariance } from "./decompose.ts";
import { fakePopulation } from "./eye-population.fake.ts";
import { diagonal } from "./matrix.ts";
import { countingWindows, type EyeSamples, singleBinSamples } from "./samples.ts";
import { decomposeTrajectories, rateCovarianceByDistance } from "./trajectory.ts";

const population = fakePopulation({ trials: 60, bins: 12, units: 2 });
const segments = Array.from({ length: 60 }, (_, trial) => ({ trial, start: 0, stop: 12 }));
const windows = countingWindows(population, segments, { count: 2, history: 2 });

describe("decomposeTrajectories()", () => {
  beforeAll(() => setNumThreads(1));

  test("of single positions has the covariance of the PSTH that single bins have", () => {
    const single = decomposeCovariance(population);
    const parts = decomposeTrajectories(singleBinSamples(population));
    parts.psth.forEach((value, i) => {
      expect(value).toBeCloseTo(single.psth[i]!, 9);
    });
    expect(parts.closePairs).toBe(single.closePairs);
  });

  test("compares whole paths: fewer pairs are close than by one position", () => {
    const one = decomposeTrajectories(
      { ...windows, length: 1, trajectories: windows.trajectories.filter((_, i) => i % 8 < 2) },
      { threshold: 0.08 },
    );
    const path = decomposeTrajectories(windows, { threshold: 0.08 });
    expect(path.closePairs).toBeGreaterThan(0);
    expect(path.closePairs).toBeLessThan(one.closePairs);
  });

  test("is NaN with a reason without samples, or with all trajectories in one place", () => {
    const none: EyeSamples = {
      units: 2,
      counts: new Float64Array(0),
      bins: new Int32Array(0),
      length: 4,
      trajectories: new Float64Array(0),
    };
    expect(decomposeTrajectories(none)).toMatchObject({
      samples: 0,
      closePairs: 0,
      reason: expect.stringMatching("2 needed"),
    });
    const still = decomposeTrajectories({ ...windows, trajectories: new Float64Array(windows.trajectories.length) });
    expect(still.rate.every(Number.isNaN)).toBe(true);
    expect(still.reason).toMatch("a line or a point");
  });

  test("leaves out samples that are not finite", () => {
    const counts = windows.counts.slice();
    counts[0] = Number.NaN;
    expect(decomposeTrajectories({ ...windows, counts }).samples).toBe(windows.bins.length - 1);
  });

  test("refuses sizes that do not agree", () => {
    expect(() => decomposeTrajectories({ ...windows, units: 3 })).toThrow("counts has");
    expect(() => decomposeTrajectories({ ...windows, length: 5 })).toThrow(UserError);
  });
});

describe("rateCovarianceByDistance()", () => {
  test("falls from the covariance of the rate to that of the PSTH", () => {
    const { rates, ...wide } = fakePopulation({ trials: 250, bins: 10, units: 4, gazeDeg: 0.2 });
    const samples = singleBinSamples({ ...wide, robs: rates });
    const { covariance, pairs, centres } = rateCovarianceByDistance(samples, [0, 0.1, 0.25, 0.4]);
    expect([...centres]).toEqual([0.05, 0.175, 0.325].map((x) => expect.closeTo(x, 12)));
    const variances = [0, 1, 2].map((k) =>
      diagonal(covariance.subarray(16 * k, 16 * (k + 1)), 4).reduce((sum, variance) => sum + variance / 4, 0),
    );
    expect(variances[0]).toBeGreaterThan(variances[1]! + 0.05);
    expect(variances[1]).toBeGreaterThan(variances[2]! + 0.05);
    expect(pairs.every((count) => count > 100)).toBe(true);
  });

  test("puts a pair at an edge into the bin above, and is NaN without pairs", () => {
    const samples: EyeSamples = {
      units: 1,
      counts: Float64Array.of(1, 3),
      bins: Int32Array.of(0, 0),
      length: 1,
      trajectories: Float64Array.of(0, 0, 0.5, 0),
    };
    const result = rateCovarianceByDistance(samples, [0, 0.5, 1], { minTrialsPerBin: 2 });
    expect([...result.pairs]).toEqual([0, 1]);
    expect([...result.covariance]).toEqual([Number.NaN, 3 - 4]);
    expect([...result.meanRate]).toEqual([2]);
    expect(rateCovarianceByDistance(samples, [0, 1]).meanRate[0]).toBeNaN();
  });

  test("refuses edges that do not ascend", () => {
    expect(() => rateCovarianceByDistance(windows, [0, 0.2, 0.1])).toThrow("edges are 0, 0.2, 0.1");
    expect(() => rateCovarianceByDistance(windows, [0])).toThrow(UserError);
  });
});
