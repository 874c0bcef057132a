import { describe, expect, test } from "vitest";
import { fisherZ, fisherZMean } from "./fisher-z.ts";

describe("fisherZ()", () => {
  test("is atanh, kept finite at the ends", () => {
    expect(fisherZ(0.5)).toBeCloseTo(0.549306, 6);
    expect(fisherZ(1)).toBeCloseTo(Math.atanh(1 - 1e-6), 12);
    expect(fisherZ(-1, 1e-3)).toBeCloseTo(-Math.atanh(0.999), 12);
    expect(fisherZ(Number.NaN)).toBeNaN();
  });
});

describe("fisherZMean()", () => {
  test("leaves out what is not finite, and is NaN without correlations", () => {
    expect(fisherZMean([0.5, Number.NaN, -0.5, 0.9])).toBeCloseTo(Math.atanh(0.9) / 3, 12);
    expect(fisherZMean([])).toBeNaN();
  });
});
