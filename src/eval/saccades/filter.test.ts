import { describe, expect, test } from "vitest";
import { keptSaccades } from "./filter.ts";
import { mainSequence } from "./main-sequence.ts";
import type { Saccade } from "./saccade.ts";

/** A horizontal saccade of one degree, 30 ms long. */
function saccade(start_time: number, A: number, amplitude = 1): Saccade {
  return { start_time, end_time: start_time + 0.03, A, start_x: 0, start_y: 0, end_x: amplitude, end_y: 0 };
}

describe("keptSaccades()", () => {
  test("leaves out what starts within 60 ms of the one before, kept or not", () => {
    const list = [1, 1.05, 1.1, 1.2].map((time) => saccade(time, 100));
    expect(keptSaccades(list)).toEqual([0, 3]);
  });

  test("leaves out what is far from the main sequence", () => {
    const list = [90, 100, 110, 105, 95, 300].map((A, i) => saccade(1 + i, A));
    expect(keptSaccades(list)).toEqual([0, 1, 2, 3, 4]);
  });

  test("keeps saccades that are all alike, which the reference drops", () => {
    const list = [100, 100, 100].map((A, i) => saccade(1 + i, A));
    expect(keptSaccades(list)).toEqual([0, 1, 2]);
    expect(keptSaccades(list, { compat: "reference" })).toEqual([]);
  });

  test("keeps nothing of nothing", () => {
    expect(keptSaccades([])).toEqual([]);
  });
});

describe("mainSequence()", () => {
  test("recovers a power law", () => {
    const list = [0.5, 1, 2, 4, 8].map((amplitude, i) => saccade(i, 120 * amplitude ** 0.6, amplitude));
    const found = mainSequence(list);
    expect(found).toMatchObject({ saccades: 5, amplitude: 2 });
    expect(found.exponent).toBeCloseTo(0.6, 10);
    expect(found.scale).toBeCloseTo(120, 8);
    expect(found.correlation).toBeCloseTo(1, 10);
    expect(found.duration).toBeCloseTo(30, 8);
  });

  test("has no slope for saccades of one size, and no numbers for none", () => {
    const alike = mainSequence([saccade(1, 100), saccade(2, 110)]);
    expect([alike.exponent, alike.correlation]).toEqual([NaN, NaN]);
    expect(alike.peakSpeed).toBe(105);
    expect(mainSequence([]).amplitude).toBeNaN();
  });
});
