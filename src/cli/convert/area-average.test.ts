import { describe, expect, test } from "vitest";
import { AreaAverage } from "./area-average.ts";

function average(from: [number, number], to: [number, number], source: number[]): number[] {
  const result = new Float32Array(to[0] * to[1]);
  new AreaAverage(from, to).apply(source, result, (mean) => mean);
  return [...result];
}

describe("AreaAverage", () => {
  test("averages whole blocks", () => {
    const source = [1, 3, 10, 30, 5, 7, 50, 70];
    expect(average([2, 4], [1, 2], source)).toEqual([4, 40]);
  });

  test("weights pixels that are covered in part", () => {
    // Three pixels onto two: each covers one pixel and half of the middle one.
    expect(average([1, 3], [1, 2], [0, 3, 6])).toEqual([1, 5]);
  });

  test("keeps the mean of the picture and constant pictures exactly", () => {
    const source = Array.from({ length: 35 }, (_, i) => (i * 7) % 11);
    const result = average([5, 7], [3, 4], source);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(result)).toBeCloseTo(mean(source), 6);
    expect(average([5, 7], [3, 4], new Array(35).fill(9)).every((value) => Math.abs(value - 9) < 1e-6)).toBe(true);
  });

  test("refuses to enlarge", () => {
    expect(() => new AreaAverage([2, 2], [2, 3])).toThrow("2 pixels down to 3");
  });
});
