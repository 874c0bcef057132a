import { describe, expect, test } from "vitest";
import { geometricMean, geometricMeanOfColumns } from "./geometric-mean.ts";

describe("geometricMean()", () => {
  test("is the root of the product, without what has no logarithm", () => {
    expect(geometricMean([1, 4, 16])).toBeCloseTo(4, 12);
    expect(geometricMean([2, 8, 0, -3, Number.NaN, Number.POSITIVE_INFINITY, 1e-13])).toBeCloseTo(4, 12);
  });

  test("is NaN without values", () => {
    expect(geometricMean([])).toBeNaN();
    expect(geometricMean([-1, 0])).toBeNaN();
  });
});

describe("geometricMeanOfColumns()", () => {
  test("treats every column by itself", () => {
    const means = geometricMeanOfColumns([1, -1, 3, 9, -1, Number.NaN], 3);
    expect([...means]).toEqual([expect.closeTo(3, 12), Number.NaN, expect.closeTo(3, 12)]);
  });
});
