import { describe, expect, test } from "vitest";
import { permutationP } from "./permutation-p.ts";

describe("permutationP()", () => {
  test("counts the observation and ties", () => {
    expect(permutationP(3, [1, 2, 3, 4])).toBe(3 / 5);
    expect(permutationP(3, [1, 2, 3, 4], "less")).toBe(4 / 5);
    expect(permutationP(9, [1, 2, 3, 4])).toBe(1 / 5);
  });

  test("leaves out shuffles that are not finite, and is NaN without any or for NaN", () => {
    expect(permutationP(3, [Number.NaN, 4, 1])).toBe(2 / 3);
    expect(permutationP(3, [Number.NaN])).toBeNaN();
    expect(permutationP(Number.NaN, [1, 2])).toBeNaN();
  });
});
