import { expect, test } from "vitest";
import { Recording } from "../../data/recording.ts";
import { SampleSet } from "../../data/samples.ts";
import { averageRepeats } from "./repeats.ts";

test("averageRepeats() averages samples of the same frame, weighted by validity", () => {
  const rows = 6;
  const column = (data: Float32Array, width: number) => ({ dtype: "float32" as const, shape: [rows, width], data });
  const recording = new Recording("fixrsvp", [
    ["psth_inds", { dtype: "float64", shape: [rows], data: Float64Array.of(0, 1, 2, 0, 1, 2) }],
    ["robs", column(new Float32Array(rows * 2), 2)],
    ["dfs", column(new Float32Array(rows), 1)],
  ]);
  // The first frame of each trial is no sample.
  const frameOf = Int32Array.of(1, 2, 4, 5);
  const parts = {
    session: "A_1",
    recordings: [recording],
    recordingOf: new Int32Array(4),
    keysLags: { robs: 0, dfs: 0 },
  };
  const set = new SampleSet({ ...parts, frameOf, pixelnorm: false });
  const means = averageRepeats(
    set,
    {
      session: "A_1",
      samples: 4,
      units: 2,
      robs: Float32Array.of(1, 0, 2, 0, 3, 1, 9, 1),
      rates: Float32Array.of(0, 0, 1, 0, 1, 0, 2, 1),
      dfs: Float32Array.of(1, 1, 1, 1, 1, 1, 0, 1),
      trueRates: null,
    },
    0.01,
  );
  expect(means).toMatchObject({ units: 2, frames: 3, repeats: 2, frameSeconds: 0.01 });
  // Unit 0 is invalid in the second repeat of frame 2.
  expect([...means.course(0).observed]).toEqual([Number.NaN, 2, 2]);
  expect([...means.course(0).predicted]).toEqual([Number.NaN, 0.5, 1]);
  expect([...means.course(1).observed]).toEqual([Number.NaN, 0.5, 0.5]);
  expect(means.course(1).truth).toBeUndefined();
});
