import { describe, expect, test } from "vitest";
import { LazyPermutation, MersenneTwister, mixSeeds, permutation } from "./random.ts";

describe("MersenneTwister", () => {
  test("gives the 10,000th word of the standard's default seed", () => {
    // The C++ standard prescribes this value for std::mt19937 seeded 5489.
    const generator = new MersenneTwister(5489);
    let word = 0;
    for (let i = 0; i < 10_000; i++) word = generator.next();
    expect(word).toBe(4123659995);
  });

  test("uses the low 32 bits of the seed", () => {
    expect(new MersenneTwister(2 ** 32 + 5).next()).toBe(new MersenneTwister(5).next());
  });
});

describe("MersenneTwister.uniform()", () => {
  test("is at least 0, below 1 and finer than a word", () => {
    const generator = new MersenneTwister(2);
    const values = Array.from({ length: 10_000 }, () => generator.uniform());
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    expect(values.some((value) => !Number.isInteger(value * 2 ** 32))).toBe(true);
    // 0.5 within five standard errors.
    expect(Math.abs(values.reduce((sum, value) => sum + value) / 10_000 - 0.5)).toBeLessThan(
      5 * Math.sqrt(1 / 12 / 10_000),
    );
  });
});

describe("permutation()", () => {
  test("agrees with torch.randperm", () => {
    expect([...permutation(10, 1002)]).toEqual([7, 5, 1, 0, 8, 2, 6, 3, 4, 9]);
  });

  test("holds every number once", () => {
    expect([...permutation(1000, 3)].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
  });

  test("is empty for no elements and refuses impossible lengths", () => {
    expect(permutation(0, 1)).toHaveLength(0);
    expect(() => permutation(-1, 1)).toThrow(RangeError);
    expect(() => permutation(2 ** 31, 1)).toThrow(RangeError);
  });
});

describe("LazyPermutation", () => {
  test("gives beginnings of the same order however they are asked for", () => {
    const whole = [...permutation(97, 8)];
    const lazy = new LazyPermutation(97, 8);
    for (const count of [1, 5, 5, 40, 96, 97, 97]) expect([...lazy.take(count)]).toEqual(whole.slice(0, count));
  });
});

describe("mixSeeds()", () => {
  test("gives different seeds for neighbouring and for exchanged parts", () => {
    const seeds = new Set<number>();
    for (let a = 0; a < 50; a++) for (let b = 0; b < 50; b++) seeds.add(mixSeeds(a, b));
    expect(seeds.size).toBe(2500);
  });
});
