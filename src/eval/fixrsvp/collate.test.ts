import { describe, expect, test } from "vitest";
import { Recording } from "../../data/recording.ts";
import type { NdArray } from "../../formats/array.ts";
import { collateTrials } from "./collate.ts";
import { imageLetters } from "./fixation-trials.fake.ts";
import { checkSpikeTimes, spikeTimes } from "./spike-times.ts";

function column(shape: number[], values: number[]): NdArray {
  return { dtype: "float64", shape, data: Float64Array.from(values) };
}

/** Trials 4 and 6 with three frames of 10 ms each; the gaze leaves fixation in the second frame of trial 6. */
function recording(psthInds = [0, 1, 2, 0, 1, 2]): Recording {
  return new Recording("fixrsvp", [
    ["trial_inds", column([6], [4, 4, 4, 6, 6, 6])],
    ["psth_inds", column([6], psthInds)],
    ["t_bins", column([6], [0.005, 0.015, 0.025, 1.005, 1.015, 1.025])],
    ["robs", column([6, 2], [0, 1, 2, 0, 1, 0, 1, 0, 5, 5, 0, 2])],
    ["dfs", column([6, 1], [1, 1, 0, 1, 1, 1])],
    ["eyepos", column([6, 2], [0, 0, 0.3, 0.4, 0, 0, 0, 0, 0.9, 0.9, 0, 0])],
  ]);
}

describe("collateTrials()", () => {
  test("fills bins of fixation, and knows where they came from", () => {
    const all = collateTrials(recording());
    expect(all).toMatchObject({ trials: 2, bins: 3, units: 2 });
    expect([...all.trialNumbers]).toEqual([4, 6]);
    expect([...all.robs]).toEqual([0, 1, 2, 0, 1, 0, 1, 0, NaN, NaN, 0, 2]);
    expect([...all.dfs]).toEqual([1, 1, 1, 1, 0, 0, 1, 1, NaN, NaN, 1, 1]);
    expect([...all.fixDur]).toEqual([3, 2]);
    expect([...all.frames]).toEqual([0, 1, 2, 3, 4, 5]);
    expect(imageLetters(all)).toEqual(["...", "..."]);
  });

  test("takes a smaller radius, its border not included", () => {
    expect([...collateTrials(recording(), { fixationRadius: 0.5 }).fixDur]).toEqual([2, 2]);
  });

  test("tells images from flips: the last one not later than the bin", () => {
    const flips = new Map([
      [4, { times: [-0.01, 0.0, 0.015], ids: [9, 2, 3] }],
      [6, { times: [1, 1.02], ids: [2, 4] }],
    ]);
    expect(imageLetters(collateTrials(recording(), { flips }))).toEqual(["bcc", "bbd"]);
  });

  test("leaves trials without a sequence empty", () => {
    const flips = new Map([
      [4, { times: [0, 0.01], ids: [3, 4] }],
      [6, { times: [0, 0.01], ids: [2, 2] }],
    ]);
    const all = collateTrials(recording(), { flips });
    expect([...all.fixDur]).toEqual([0, 0]);
    expect(all.robs.every(Number.isNaN)).toBe(true);
    expect([...collateTrials(recording(), { flips: new Map() }).fixDur]).toEqual([0, 0]);
  });

  test("refuses two frames in one bin", () => {
    expect(() => collateTrials(recording([0, 0, 2, 0, 1, 2]))).toThrow("frames 0 and 1 are bin 0 of trial 4");
  });
});

describe("spikeTimes()", () => {
  const bins = { centres: recording().numbers("t_bins"), duration: 0.01 };
  const cids = [30, 10];
  const all = collateTrials(recording());
  const spikes = {
    times: Float64Array.of(0.004, 0.011, 0.012, 0.021, 0.5, 1.001, 1.013, 1.021, 1.022),
    clusters: [10, 30, 30, 30, 30, 30, 10, 10, 10],
  };

  test("gives the spikes inside bins of fixation, by trial and unit", () => {
    const found = spikeTimes(all, spikes, bins, cids);
    expect(found.map((trains) => trains.map((train) => [...train]))).toEqual([
      [[0.011, 0.012, 0.021], [0.004]],
      [[1.001], [1.021, 1.022]],
    ]);
    expect(() => checkSpikeTimes(all, found, bins)).not.toThrow();
  });

  test("checkSpikeTimes() finds missing spikes and those outside", () => {
    const found = spikeTimes(all, spikes, bins, cids);
    const missing = [[found[0]![0]!.subarray(1), found[0]![1]!], found[1]!];
    expect(() => checkSpikeTimes(all, missing, bins)).toThrow(
      "trial 4, unit 0 of robs: bin 1 has 1 spikes, robs says 2",
    );
    const outside = [found[0]!, [Float64Array.of(1.001, 1.013), found[1]![1]!]];
    expect(() => checkSpikeTimes(all, outside, bins)).toThrow("trial 6, unit 0 of robs: 1 of its spikes are outside");
  });
});
