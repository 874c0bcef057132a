import { describe, expect, test } from "vitest";
import { comparablePairs } from "./pairs.ts";

describe("comparablePairs()", () => {
  test("needs both values, above 0 unless told otherwise", () => {
    const [a, b] = [
      [1, 2, -1, 0, 4],
      [1, Number.NaN, 1, 3, Number.POSITIVE_INFINITY],
    ];
    expect([...comparablePairs(a!, b!)]).toEqual([1, 0, 0, 0, 0]);
    expect([...comparablePairs(a!, b!, { positive: false })]).toEqual([1, 0, 1, 1, 0]);
    expect(() => comparablePairs([1], [])).toThrow("Cannot pair 1 values with 0");
  });
});
