import { describe, expect, test } from "vitest";
import { countOutside, extent, robustExtent, roundTicks, scaleOf } from "./scale.ts";

describe("roundTicks()", () => {
  test("uses 1, 2 or 5 times a power of ten, inside the range", () => {
    expect(roundTicks(0, 1)).toEqual([0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
    expect(roundTicks(-37, 52)).toEqual([-20, 0, 20, 40]);
    expect(roundTicks(0, 9999)).toEqual([0, 2000, 4000, 6000, 8000]);
  });
});

describe("scaleOf()", () => {
  test("ends at round numbers where that is asked for, exactly at the range otherwise", () => {
    const axis = { label: "", range: [0.12, 0.93] as const };
    const round = scaleOf({ ...axis, isRound: true }, 200, 20, 5);
    expect([round.min, round.max, round.position(0), round.position(1)]).toEqual([0, 1, 200, 20]);
    expect(scaleOf(axis, 0, 10, 5)).toMatchObject({ min: 0.12, max: 0.93 });
  });

  test("gives a single value room around it", () => {
    expect(scaleOf({ label: "", range: [3, 3] }, 0, 100, 5).position(3)).toBeCloseTo(50, 9);
  });

  test("writes as many decimals as steps have, and powers of ten where that would be long", () => {
    const texts = (range: [number, number]) => scaleOf({ label: "", range }, 0, 1, 4).ticks.map(({ text }) => text);
    expect(texts([0, 1])).toEqual(["0.0", "0.5", "1.0"]);
    expect(texts([-200, 2000])).toEqual(["0", "1,000", "2,000"]);
    expect(texts([0, 2e-5])).toEqual(["0", "5·10⁻⁶", "1.0·10⁻⁵", "1.5·10⁻⁵", "2.0·10⁻⁵"]);
  });

  test("divides a logarithmic axis by factors", () => {
    const scale = (count: number) => scaleOf({ label: "", range: [0.1, 10], kind: "log" }, 0, 100, count);
    const texts = (count: number) => scale(count).ticks.map(({ text }) => text);
    expect(scale(6).position(1)).toBeCloseTo(50, 9);
    expect([texts(6), texts(4), texts(3)]).toEqual([
      ["0.1", "0.2", "0.5", "1", "2", "5", "10"],
      ["0.1", "0.3", "1", "3", "10"],
      ["0.1", "1", "10"],
    ]);
  });
});

describe("robustExtent()", () => {
  test("is the whole range but for values that lie far from all others", () => {
    const values = [1, 2, 3, 4, 5, Number.NaN];
    expect(robustExtent(values)).toEqual([1, 5]);
    const [low, high] = robustExtent([...values, -1000])!;
    expect(low).toBeGreaterThan(-30);
    expect(high).toBe(5);
    expect(countOutside([...values, -1000], [low, high])).toBe(1);
  });

  test("knows no range of nothing", () => {
    expect([robustExtent([Number.NaN]), extent([])]).toEqual([undefined, undefined]);
  });
});
