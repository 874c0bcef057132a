import { describe, expect, test } from "vitest";
import { type Alternative, normalUpperTail, wilcoxonSignedRank } from "./wilcoxon.ts";

const zeros = (n: number) => new Float64Array(n);

/** Share of all sign assignments that are at least as extreme, one by one. */
function byEnumeration(ranks: readonly number[], sum: number): number {
  let extreme = 0;
  for (let signs = 0; signs < 2 ** ranks.length; signs++) {
    const positive = ranks.reduce((total, rank, i) => ((signs >> i) & 1 ? total + rank : total), 0);
    if (positive >= sum) extreme += 1;
  }
  return extreme / 2 ** ranks.length;
}

describe("wilcoxonSignedRank()", () => {
  test("is exact for few pairs", () => {
    const differences = [1, -2, 3, 4, 5.5, -0.5, 7];
    const positive = 2 + 4 + 5 + 6 + 7;
    const ranks = [1, 2, 3, 4, 5, 6, 7];
    expect(wilcoxonSignedRank(differences, zeros(7), "greater")).toEqual({
      statistic: positive,
      p: expect.closeTo(byEnumeration(ranks, positive), 12),
      pairs: 7,
    });
    const twoSided = wilcoxonSignedRank(differences, zeros(7));
    expect(twoSided).toMatchObject({ statistic: 4, p: expect.closeTo(2 * byEnumeration(ranks, positive), 12) });
  });

  test("is exact for few pairs with ties and zeros", () => {
    const differences = [1, 1, -1, 2, 2, 0, 3];
    const ranks = [2, 2, 2, 4.5, 4.5, 6];
    const { statistic, p, pairs } = wilcoxonSignedRank(differences, zeros(7), "greater");
    expect([statistic, pairs]).toEqual([19, 6]);
    expect(p).toBeCloseTo(byEnumeration(ranks, 19), 12);
  });

  test("approaches the exact p value by the normal approximation", () => {
    const differences = Float64Array.from({ length: 50 }, (_, i) => (i % 3 === 0 ? -1 : 1) * (i + 1));
    const exact = wilcoxonSignedRank(differences, zeros(50)).p;
    // One more pair than the exact distribution is used for; its difference is the smallest.
    const approximate = wilcoxonSignedRank([...differences, 0.5], zeros(51)).p;
    expect(Math.abs(approximate / exact - 1)).toBeLessThan(0.1);
  });

  test.each<[Alternative, number]>([
    ["two-sided", 1],
    ["greater", 0.5],
    ["less", 0.5],
  ])("does not find a difference in symmetric ones: %s", (alternative, least) => {
    const symmetric = [1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7];
    expect(wilcoxonSignedRank(symmetric, zeros(14), alternative).p).toBeCloseTo(least, 12);
  });

  test("leaves out pairs that are not finite; NaN when none differ", () => {
    expect(wilcoxonSignedRank([1, Number.NaN, 3], [0, 0, Number.NaN]).pairs).toBe(1);
    expect(wilcoxonSignedRank([1, 2], [1, 2])).toEqual({ statistic: Number.NaN, p: Number.NaN, pairs: 0 });
    expect(() => wilcoxonSignedRank([1], [1, 2])).toThrow("Cannot pair 1 values with 2");
  });
});

describe("normalUpperTail()", () => {
  // Abramowitz and Stegun 1964, table 26.1.
  test.each([
    [0, 0.5],
    [1, 0.158655253931457],
    [1.96, 0.02499789514822],
    [2.9999, 0.0013503],
    [3, 0.00134989803163],
    [5, 2.866515718791939e-7],
    [-1, 0.841344746068543],
  ])("of %s is %s", (z, expected) => {
    expect(normalUpperTail(z) / expected).toBeCloseTo(1, z === 2.9999 ? 3 : 10);
  });
});
