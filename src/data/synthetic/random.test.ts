import { describe, expect, test } from "vitest";
import { Random } from "./random.ts";

const COUNT = 20_000;
const draw = (make: () => number) => Array.from({ length: COUNT }, make);
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: number[]) => mean(values.map((value) => value * value)) - mean(values) ** 2;

describe("Random", () => {
  test("stream() gives equal numbers for equal paths and other numbers for other paths", () => {
    const take = (random: Random) => Array.from({ length: 5 }, () => random.uniform());
    expect(take(new Random(7).stream("a", 1))).toEqual(take(new Random(7).stream("a").stream(1)));
    expect(take(new Random(7).stream("a", 1))).not.toEqual(take(new Random(7).stream("a", 2)));
    expect(take(new Random(7).stream("a", 1))).not.toEqual(take(new Random(8).stream("a", 1)));
  });

  test("stream() draws nothing from its parent", () => {
    const [left, right] = [new Random(3), new Random(3)];
    left.stream("child").uniform();
    expect(left.uniform()).toBe(right.uniform());
  });

  test("uniform() has the moments of a uniform distribution and no serial correlation", () => {
    const random = new Random(1);
    const values = draw(() => random.uniform());
    expect(mean(values)).toBeCloseTo(1 / 2, 2);
    expect(variance(values)).toBeCloseTo(1 / 12, 2);
    const products = values.slice(1).map((value, i) => (value - 0.5) * (values[i]! - 0.5));
    expect(Math.abs(mean(products))).toBeLessThan((4 * (1 / 12)) / Math.sqrt(COUNT));
  });

  test("normal() has the asked mean and deviation", () => {
    const random = new Random(2);
    const values = draw(() => random.normal(3, 2));
    expect(Math.abs(mean(values) - 3)).toBeLessThan(0.06);
    expect(variance(values) / 4).toBeGreaterThan(0.96);
    expect(variance(values) / 4).toBeLessThan(1.04);
  });

  test.each([0.02, 0.5, 4])("poisson(%d) has equal mean and variance", (rate) => {
    const random = new Random(3);
    const values = draw(() => random.poisson(rate));
    expect(Math.abs(mean(values) - rate)).toBeLessThan(4 * Math.sqrt(rate / COUNT));
    expect(variance(values) / rate).toBeGreaterThan(0.9);
    expect(variance(values) / rate).toBeLessThan(1.1);
  });

  test("shuffled() keeps the items and the original order", () => {
    const items = [1, 2, 3, 4, 5, 6, 7, 8];
    const shuffled = new Random(4).shuffled(items);
    expect(shuffled).not.toEqual(items);
    expect([...shuffled].sort()).toEqual(items);
    expect(items).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
