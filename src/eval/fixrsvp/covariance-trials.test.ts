import { describe, expect, test } from "vitest";
import { covarianceTrials } from "./covariance-trials.ts";

/** Three trials of 30 frames and four units; unit u fires u spikes a frame. The gaze of trial 2 is elsewhere. */
function samples() {
  const frames = 90;
  return {
    units: 4,
    trialInds: Float64Array.from({ length: frames }, (_, i) => Math.floor(i / 30)),
    psthInds: Float64Array.from({ length: frames }, (_, i) => i % 30),
    robs: Float64Array.from({ length: 4 * frames }, (_, i) => i % 4),
    eyepos: Float64Array.from({ length: 2 * frames }, (_, i) => (i < 120 ? 0.1 : 3)),
  };
}

describe("covarianceTrials()", () => {
  test("keeps trials with fixation and units with spikes", () => {
    const { trials } = covarianceTrials(samples(), { validTimeBins: 25, minTotalSpikes: 49 });
    expect(trials).toMatchObject({ trials: 2, bins: 25, units: 3, totals: { trials: 3, units: 4 } });
    expect([...trials!.neurons]).toEqual([1, 2, 3]);
    expect([...trials!.robs.subarray(0, 6)]).toEqual([1, 2, 3, 1, 2, 3]);
    expect(trials!.valid.every((valid) => valid === 1)).toBe(true);
  });

  test("centres fixation on the median gaze when asked to", () => {
    const { eyepos, ...rest } = samples();
    const shifted = { ...rest, eyepos: eyepos.map((value) => value + 5) };
    expect(covarianceTrials(shifted).trials).toBeNull();
    expect(covarianceTrials(shifted, { center: "median_valid", minTotalSpikes: 1 }).trials?.trials).toBe(2);
  });

  test("leaves untracked frames out when asked to", () => {
    const given = { ...samples(), dpiValid: Float64Array.from({ length: 90 }, (_, i) => Number(i !== 3)) };
    const strict = covarianceTrials(given, { requireDpiValid: true, minTotalSpikes: 1 });
    expect([...strict.trials!.valid.subarray(0, 5)]).toEqual([1, 1, 1, 0, 1]);
    expect(strict.trials!.robs[9]).toBeNaN();
  });

  test("says why there is nothing", () => {
    expect(covarianceTrials(samples(), { minFixDur: 30 }).reason).toBe(
      "0 of 3 trials have more than 30 bins of fixation, 2 are needed",
    );
    expect(covarianceTrials(samples(), { minTotalSpikes: 100 }).reason).toBe(
      "2 of 4 units have more than 100 spikes, 3 are needed",
    );
  });
});
