import { expect, test } from "vitest";
import { Recording } from "./recording.ts";
import { framesAtTimes } from "./times.ts";

test("framesAtTimes() finds frames trial by trial, ends included, and nothing in between", () => {
  const trials = Float64Array.of(8, 8, 8, 3, 3, 5);
  const centres = Float64Array.of(20, 21, 22, 10, 11, 30);
  const recording = new Recording("gaborium", [
    ["t_bins", { dtype: "float64", shape: [6], data: centres }],
    ["trial_inds", { dtype: "float64", shape: [6], data: trials }],
  ]);
  // 9.5 is the open start of the first frame, 22.5 the closed end of the last; frame 5 is alone in its trial.
  const { recordingOf, frameOf } = framesAtTimes([recording], [22.5, 9.5, 10.5, 10.6, 15, 30, 20]);
  expect([...frameOf]).toEqual([3, 4, 2, 0]);
  expect([...recordingOf]).toEqual([0, 0, 0, 0]);
});
