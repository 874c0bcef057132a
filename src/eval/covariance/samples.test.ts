import { describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { checkEyeResponses, countingWindows, singleBinSamples, usableBins, validSegments } from "./samples.ts";

const nan = Number.NaN;

/** Trials of 8 bins with 2 units; spikes and gaze count up, so that every cell can be told. */
function responses(trials = 2) {
  const bins = 8;
  const cells = (width: number, step: number) =>
    Float64Array.from({ length: trials * bins * width }, (_, i) => step * i);
  return { trials, bins, units: 2, robs: cells(2, 1), eye: cells(2, 0.1) };
}

describe("validSegments()", () => {
  test("finds a run of six bins, and leaves out shorter ones", () => {
    const usable = [0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0];
    expect(validSegments(usable, { trials: 1, bins: 12, minLength: 6 })).toEqual([{ trial: 0, start: 1, stop: 7 }]);
    expect(validSegments(usable, { trials: 1, bins: 12, minLength: 7 })).toEqual([]);
  });

  test("ends runs with the trial, and takes 36 bins for the shortest", () => {
    const usable = new Uint8Array(72).fill(1);
    expect(validSegments(usable, { trials: 2, bins: 36 })).toEqual([
      { trial: 0, start: 0, stop: 36 },
      { trial: 1, start: 0, stop: 36 },
    ]);
    expect(validSegments(usable.subarray(0, 70), { trials: 2, bins: 35 })).toEqual([]);
  });
});

describe("countingWindows()", () => {
  test("sums spikes after the history, over windows that touch", () => {
    const segments = [{ trial: 1, start: 1, stop: 8 }];
    const windows = countingWindows(responses(), segments, { count: 2, history: 3 });
    expect([...windows.bins]).toEqual([4, 6]);
    // Unit 0 of trial 1 has 16 + 2·bin spikes in a bin.
    expect([...windows.counts]).toEqual([24 + 26, 25 + 27, 28 + 30, 29 + 31]);
    expect(windows.length).toBe(5);
    expect([...windows.trajectories.subarray(0, 4)]).toEqual([1.8, 1.9, 2, 2.1].map((x) => expect.closeTo(x, 12)));
  });

  test("has no windows in segments shorter than one", () => {
    const windows = countingWindows(responses(), [{ trial: 0, start: 0, stop: 4 }], { count: 2, history: 3 });
    expect(windows.bins).toHaveLength(0);
  });
});

describe("usableBins()", () => {
  test("needs every unit, both coordinates, and validity", () => {
    const given = responses(1);
    given.robs[1] = nan;
    given.eye[2 * 2] = Number.POSITIVE_INFINITY;
    const valid = [1, 1, 1, 0, nan, 2, 1, 1];
    expect([...usableBins({ ...given, valid })]).toEqual([0, 1, 0, 0, 0, 1, 1, 1]);
    expect([...singleBinSamples({ ...given, valid }).bins]).toEqual([1, 5, 6, 7]);
  });
});

describe("checkEyeResponses()", () => {
  test("says which array has the wrong size", () => {
    const given = responses();
    expect(() => checkEyeResponses(given)).not.toThrow();
    expect(() => checkEyeResponses({ ...given, units: 3 })).toThrow("robs has 32 values, [2, 8, 3] takes 48");
    expect(() => checkEyeResponses({ ...given, eye: given.eye.subarray(2) })).toThrow("[2, 8, 2] takes 32");
    expect(() => checkEyeResponses({ ...given, valid: [1] })).toThrow(UserError);
  });
});
