import { describe, expect, test } from "vitest";
import { median, quantile, quartiles } from "./quantiles.ts";

describe("quantile()", () => {
  test("interpolates between order statistics", () => {
    expect(quantile([4, 1, 2, 3], 0.25)).toBe(1.75);
    expect(quantile([4, 1, 2, 3], 0)).toBe(1);
    expect(quantile([4, 1, 2, 3], 1)).toBe(4);
    expect(median([10, 9, 100])).toBe(10);
  });

  test("leaves out what is not finite, and is NaN without values", () => {
    expect(quartiles([Number.NaN, 1, Number.POSITIVE_INFINITY, 3])).toEqual([1.5, 2.5]);
    expect(quantile([Number.NaN], 0.5)).toBeNaN();
    expect(quartiles([])).toEqual([Number.NaN, Number.NaN]);
  });
});
