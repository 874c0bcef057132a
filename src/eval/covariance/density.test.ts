import { describe, expect, test } from "vitest";
import { Random } from "../../data/synthetic/random.ts";
import { type DensityKind, fitDensity } from "./density.ts";

const random = new Random(7);
const points = Float64Array.from({ length: 400 }, (_, i) => random.normal(i % 2, 0.2 + 0.1 * (i % 2)));
const line = Float64Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 0.01 * i : 0.02 * (i - 1) + 1));

describe("fitDensity()", () => {
  test.each<DensityKind>(["kde", "gaussian"])("integrates to one: %s", (kind) => {
    const step = 0.05;
    const grid: number[] = [];
    for (let x = -2; x < 2; x += step) for (let y = -1; y < 3; y += step) grid.push(x, y);
    const density = fitDensity(points, kind)!(Float64Array.from(grid));
    expect(density.reduce((sum, value) => sum + value * step * step, 0)).toBeCloseTo(1, 3);
  });

  test("is the mean of kernels whose covariance is the points' times n^(-1/3)", () => {
    // Four corners of a square: covariance 4/3 on the diagonal.
    const corners = Float64Array.of(1, 1, 1, -1, -1, 1, -1, -1);
    const variance = (4 / 3) * 4 ** (-1 / 3);
    const expected = Math.exp(-1 / variance) / (2 * Math.PI * variance);
    expect(fitDensity(corners, "kde")!(Float64Array.of(0, 0))[0]).toBeCloseTo(expected, 12);
  });

  test("has no kernels for points on a line, at one place, or fewer than three", () => {
    expect(fitDensity(line, "kde")).toBeUndefined();
    expect(fitDensity(new Float64Array(20), "kde")).toBeUndefined();
    expect(fitDensity(Float64Array.of(0, 0, 1, 1), "kde")).toBeUndefined();
    expect(fitDensity(new Float64Array(0), "kde")).toBeUndefined();
  });

  test("has a Gaussian for points on a line, but not for a single one", () => {
    expect(fitDensity(line, "gaussian")!(line.subarray(0, 2))[0]).toBeGreaterThan(0);
    expect(fitDensity(Float64Array.of(0, 0), "gaussian")).toBeUndefined();
  });
});
