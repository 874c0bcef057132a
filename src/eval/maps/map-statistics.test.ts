import { describe, expect, test } from "vitest";
import { argmax, gaussianFilter, median, variance } from "./map-statistics.ts";
import { mapSnr, peakLags, populationPeakLag } from "./ste-snr.ts";
import { subpixelArgmax, subpixelArgmin } from "./subpixel.ts";

test("median() averages the middle two, and is NaN without values", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("variance() passes over NaN", () => {
  expect(variance([1, Number.NaN, 3], 0)).toBe(1);
  expect(variance([1, Number.NaN, 3], 1)).toBe(2);
  expect(variance([1], 1)).toBeNaN();
});

test("argmax() takes the first of equals and passes over NaN", () => {
  expect(argmax([Number.NaN, 2, 3, 3])).toBe(2);
  expect(argmax([Number.NaN])).toBe(-1);
});

describe("gaussianFilter()", () => {
  test("keeps constants and the sum, and smooths every axis alike", () => {
    expect(Array.from(gaussianFilter([2, 2, 2], [3], 1))).toEqual([2, 2, 2].map((v) => expect.closeTo(v, 12)));
    const dot = new Float64Array(15 * 15);
    dot[7 * 15 + 7] = 1;
    const smooth = gaussianFilter(dot, [15, 15], 1);
    expect(smooth.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    expect(smooth[7 * 15 + 9]).toBeCloseTo(smooth[9 * 15 + 7]!, 15);
    expect(smooth[7 * 15 + 8]! / smooth[7 * 15 + 7]!).toBeCloseTo(Math.exp(-0.5), 12);
  });

  test("mirrors edges, also of axes shorter than the kernel", () => {
    const [first, second] = gaussianFilter([1, 0], [2], 1) as unknown as [number, number];
    expect(first + second).toBeCloseTo(1, 12);
    expect(first).toBeGreaterThan(0.5);
  });
});

describe("subpixelArgmax()", () => {
  test("finds the vertex of a parabola", () => {
    const { index, value } = subpixelArgmax([0, 1, 2, 3].map((x) => 5 - (x - 1.3) ** 2));
    expect(index).toBeCloseTo(1.3, 12);
    expect(value).toBeCloseTo(5, 12);
    expect(subpixelArgmin([0, 1, 2, 3].map((x) => (x - 1.3) ** 2)).index).toBeCloseTo(1.3, 12);
  });

  test("stays on the sample at an end, beside NaN, and passes over NaN", () => {
    expect(subpixelArgmax([3, 2, 1])).toEqual({ index: 0, value: 3 });
    expect(subpixelArgmax([1, 3, Number.NaN])).toEqual({ index: 1, value: 3 });
    expect(subpixelArgmax([Number.NaN, Number.NaN])).toEqual({ index: Number.NaN, value: Number.NaN });
  });
});

describe("mapSnr()", () => {
  test("is NaN for a unit without spikes, and finds the lag of a bump", () => {
    const values = new Float64Array(2 * 3 * 36).map((_, i) => (i < 108 ? Number.NaN : 1 + 0.01 * ((i * 7) % 5)));
    values[108 + 2 * 36 + 14] = 3;
    const { snr, lag } = mapSnr({ values, shape: [2, 3, 6, 6] });
    expect(snr[0]).toBeNaN();
    expect([...lag]).toEqual([-1, 2]);
    const peaks = peakLags({ values, shape: [2, 3, 6, 6] });
    expect([...peaks]).toEqual([-1, 2]);
    expect(populationPeakLag(peaks)).toBe(2);
    expect(populationPeakLag(Int32Array.of(-1))).toBeNaN();
  });
});
