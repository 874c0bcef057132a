import { describe, expect, test } from "vitest";
import type { DatafilterOp } from "../config/ops.ts";
import { DATAFILTERS, datafilterMask, validHistory } from "./datafilters.ts";
import { MersenneTwister } from "./random.ts";

/** Two units; the first misses `percent` of its spikes in each frame. */
function inputs(percent: number[]) {
  return {
    frames: percent.length,
    units: 2,
    trialInds: () => new Float64Array(percent.length),
    dpiValid: () => new Float64Array(percent.length).fill(1),
    missingPct: (unit: number) => (unit === 0 ? Float64Array.from(percent) : undefined),
  };
}

const missing = (threshold: number): DatafilterOp[] => [{ name: "missing_pct", params: { threshold } }];

describe("validHistory()", () => {
  test("passes exactly the frames whose history is tracked and in their trial", () => {
    const random = new MersenneTwister(4);
    const trials = Float64Array.from({ length: 400 }, (_, t) => Math.floor(t / 23));
    const valid = Float64Array.from({ length: 400 }, () => (random.next() % 12 === 0 ? 0 : 1));
    const needed = 5;
    const expected = trials.map((trial, t) => {
      const history = Array.from({ length: needed }, (_, lag) => t - lag);
      const tracked = history.every((frame) => frame >= 0 && valid[frame]! > 0);
      return tracked && trials[t - needed] === trial ? 1 : 0;
    });
    expect([...validHistory(trials, valid, needed)]).toEqual([...expected]);
  });

  test("treats 0 lags as 1", () => {
    const trials = Float64Array.of(0, 0, 0);
    expect(validHistory(trials, Float64Array.of(1, 1, 1), 0)).toEqual(Uint8Array.of(0, 1, 1));
  });
});

describe("datafilterMask()", () => {
  test("masks frames with missing spikes, but no multi-unit", () => {
    expect([...datafilterMask(missing(45), inputs([0, 50, 10, 45, 0])).data]).toEqual([1, 1, 0, 1, 1, 1, 0, 1, 1, 1]);
    expect([...datafilterMask(missing(45), inputs([50, 50, 10, 45, 0])).data]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  test("takes the mean of the two central values as the median of an even number", () => {
    // Median (40 + 50) / 2 reaches 45 but not 46.
    expect([...datafilterMask(missing(45), inputs([0, 40, 50, 90])).data]).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect([...datafilterMask(missing(46), inputs([0, 40, 50, 90])).data]).toEqual([1, 1, 1, 1, 0, 1, 0, 1]);
  });

  test("masks frames in which the percentage is not a number", () => {
    expect([...datafilterMask(missing(45), inputs([90, 90, Number.NaN])).data]).toEqual([0, 1, 0, 1, 0, 1]);
  });

  test("is all ones in one column without filters", () => {
    expect(datafilterMask([], inputs([0, 0]))).toEqual({
      dtype: "uint8",
      shape: [2, 1],
      data: Uint8Array.of(1, 1),
    });
  });

  test("suggests the closest name for an unknown filter", () => {
    const op = { name: "valid_nlag", params: {} } as unknown as DatafilterOp;
    expect(() => datafilterMask([op], inputs([0]))).toThrow(
      expect.objectContaining({ message: expect.stringContaining("valid_nlag"), hint: 'Did you mean "valid_nlags"?' }),
    );
  });
});

test("DATAFILTERS lists every filter under its own name with a text", () => {
  for (const [name, entry] of Object.entries(DATAFILTERS)) {
    expect(entry.name).toBe(name);
    expect(entry.doc).toMatch(/\.$/);
    expect(entry.formula).not.toBe("");
  }
});
