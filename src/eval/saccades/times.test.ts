import { describe, expect, test } from "vitest";
import { Recording } from "../../data/recording.ts";
import { framesAtTimes } from "../../data/times.ts";
import type { NdArray } from "../../formats/array.ts";
import { eventFrames } from "./times.ts";

const RATE = 100;

/** Trials 5, 2 and 9 with 3, 4 and 1 frames of 10 ms; they start at 0, 1 and 2 s. */
function recording(): Recording {
  const column = (values: number[]): NdArray => {
    return { dtype: "float64", shape: [values.length], data: Float64Array.from(values) };
  };
  return new Recording("backimage", [
    ["trial_inds", column([5, 5, 5, 2, 2, 2, 2, 9])],
    ["t_bins", column([0.5, 1.5, 2.5, 100.5, 101.5, 102.5, 103.5, 200.5].map((bin) => bin / RATE))],
  ]);
}

describe("eventFrames()", () => {
  test("gives frames by trial, and says whose they are", () => {
    const { frames, events } = eventFrames(recording(), [0.005, 0.5, 1.001, 1.035, 0.029]);
    expect([...frames]).toEqual([3, 6, 0, 2]);
    expect([...events]).toEqual([2, 3, 0, 4]);
  });

  test("counts the end of a frame to it, not its start", () => {
    expect([...eventFrames(recording(), [0.02]).frames]).toEqual([1]);
    expect([...eventFrames(recording(), [0]).frames]).toEqual([]);
    expect([...eventFrames(recording(), [1.04]).frames]).toEqual([6]);
  });

  test("finds what framesAtTimes() finds", () => {
    const times = Float64Array.from({ length: 400 }, (_, i) => ((i * 0.618) % 1) * 2.2 - 0.05);
    const expected = framesAtTimes([recording()], times);
    const { frames, events } = eventFrames(recording(), times);
    expect(frames).toEqual(expected.frameOf);
    expect(frames.length).toBeGreaterThan(5);
    for (const [row, event] of events.entries()) {
      const centre = recording().numbers("t_bins")[frames[row]!]!;
      expect(Math.abs(times[event]! - centre)).toBeLessThanOrEqual(0.005 + 1e-9);
    }
  });
});
