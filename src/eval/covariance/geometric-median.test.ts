import { describe, expect, test } from "vitest";
import { centroids, geometricMedians } from "./geometric-median.ts";

describe("geometricMedians()", () => {
  test("is the middle of symmetric points, trajectory by trajectory", () => {
    const medians = geometricMedians(Float64Array.of(0, 0, 2, 0, 2, 2, 0, 2, 5, 5, 5, 5, 5, 5, 5, 5), 4);
    expect([...medians]).toEqual([1, 1, 5, 5].map((x) => expect.closeTo(x, 8)));
  });

  test("stays with most points when the eye jumps at the end", () => {
    const jump = Float64Array.of(0, 0, 0, 0, 0, 0, 0, 0, 10, 0);
    expect(geometricMedians(jump, 5)[0]).toBeCloseTo(0, 6);
    expect(centroids(jump, 5)[0]).toBeCloseTo(2, 12);
  });

  test("has the smallest sum of distances", () => {
    const points = Float64Array.of(0, 0, 3, 1, 1, 4, -2, 2, 0.5, 0.3);
    const cost = (x: number, y: number) => {
      let sum = 0;
      for (let i = 0; i < points.length; i += 2) sum += Math.hypot(points[i]! - x, points[i + 1]! - y);
      return sum;
    };
    const [x, y] = geometricMedians(points, 5);
    for (const [dx, dy] of [
      [1e-3, 0],
      [-1e-3, 0],
      [0, 1e-3],
      [0, -1e-3],
    ] as const) {
      expect(cost(x! + dx, y! + dy)).toBeGreaterThan(cost(x!, y!));
    }
  });

  test("of one position is that position, and of no trajectory nothing", () => {
    expect([...geometricMedians(Float64Array.of(1, 2), 1)]).toEqual([1, 2]);
    expect(geometricMedians(new Float64Array(0), 3)).toHaveLength(0);
  });
});
