import { describe, expect, test } from "vitest";
import { countSpikes, spikesByUnit } from "./count-spikes.ts";
import { clockFromTimes, firstFrameFrom, frameAt, regularClock } from "./frame-clock.ts";

const options = { at: "start", rateHz: 10, label: '"t.npy"' } as const;

describe("frameAt()", () => {
  test("counts the start of a frame in and its end out", () => {
    const clock = regularClock(3, 10);
    expect([-1e-9, 0, 0.0999, 0.1, 0.2, 0.2999].map((time) => frameAt(clock, time))).toEqual([-1, 0, 0, 1, 2, 2]);
    expect(frameAt(clock, clock.ends[2]!)).toBe(-1);
  });

  test("finds nothing in the gap between trials", () => {
    const clock = clockFromTimes(Float64Array.of(1, 1.1, 1.2, 2, 2.1), options);
    expect([1.15, 1.25, 1.31, 1.99, 2, 2.19, 2.21].map((time) => frameAt(clock, time))).toEqual([
      1, 2, -1, -1, 3, 4, -1,
    ]);
  });
});

describe("clockFromTimes()", () => {
  test("takes starts or middles, and lets neighbouring frames meet", () => {
    const starts = clockFromTimes(Float64Array.of(0, 0.102, 0.2), options);
    expect([...starts.starts]).toEqual([0, 0.102, 0.2]);
    expect([...starts.ends].slice(0, 2)).toEqual([0.102, 0.2]);
    expect(starts.centres[0]).toBeCloseTo(0.051, 12);
    const centres = clockFromTimes(Float64Array.of(0.05, 0.15, 0.25), { ...options, at: "centre" });
    expect([...centres.starts].map((time) => Number(time.toFixed(9)))).toEqual([0, 0.1, 0.2]);
    expect([...centres.centres]).toEqual([0.05, 0.15, 0.25]);
  });

  test("takes the rate from the times when it is not given", () => {
    const clock = clockFromTimes(Float64Array.of(0, 0.25, 0.5, 9, 9.25), { ...options, rateHz: undefined });
    expect(clock.rateHz).toBe(4);
  });

  test("refuses times that stand still, are no numbers, or too few to tell a rate", () => {
    expect(() => clockFromTimes(Float64Array.of(1, 1), options)).toThrow("time stands still in frame 1");
    expect(() => clockFromTimes(Float64Array.of(0, Number.NaN), options)).toThrow(
      '"t.npy": the time of frame 1 is NaN',
    );
    expect(() => clockFromTimes(Float64Array.of(0), { ...options, rateHz: undefined })).toThrow("it has 1 frames");
  });
});

test("firstFrameFrom() finds the first frame whose middle is not before a time", () => {
  const clock = regularClock(3, 10);
  expect([0, 0.05, 0.06, 0.3].map((time) => firstFrameFrom(clock, time))).toEqual([0, 0, 1, 3]);
});

describe("countSpikes()", () => {
  const clock = regularClock(2, 10);

  test("counts each unit's spikes, in any order, and tells how many lie outside", () => {
    const times = [Float64Array.of(0.15, 0.01, 0.1), new Float64Array(), Float64Array.of(0.05, 0.7)];
    const { array, totals, warnings } = countSpikes({ times, label: "x" }, clock);
    expect([array.shape, [...array.data]]).toEqual([
      [2, 3],
      [1, 0, 1, 2, 0, 0],
    ]);
    expect(totals).toEqual([3, 0, 1]);
    expect(warnings).toEqual(["1 of 5 spikes in x lie outside the frames."]);
  });

  test("refuses filled-up vectors, no units and no spikes", () => {
    const count =
      (...times: Float64Array[]) =>
      () =>
        countSpikes({ times, label: "x" }, clock);
    expect(count(Float64Array.of(0.1, Number.NaN))).toThrow("spike 1 of unit 0 (counted from 0) is at NaN");
    expect(count()).toThrow("it holds no units");
    expect(count(new Float64Array())).toThrow("there are none");
  });
});

test("spikesByUnit() sorts by id and refuses ids that are no whole numbers", () => {
  const { ids, times } = spikesByUnit(Float64Array.of(1, 2, 3), Float64Array.of(9, 2, 9), "x");
  expect([ids, times.map((train) => [...train])]).toEqual([
    [2, 9],
    [[2], [1, 3]],
  ]);
  expect(() => spikesByUnit(Float64Array.of(1), Float64Array.of(0.5), "x")).toThrow(
    "the unit of spike 0 (counted from 0) is 0.5",
  );
});
