import { describe, expect, test } from "vitest";
import { mergeConfig } from "./merge.ts";

describe("mergeConfig()", () => {
  test("merges mappings at every depth and keeps the base's order", () => {
    const merged = mergeConfig({ a: { x: 1, y: { p: 1, q: 2 } }, b: 2 }, { c: 3, a: { y: { q: 5, r: 6 }, z: 7 } });
    expect(JSON.stringify(merged)).toBe('{"a":{"x":1,"y":{"p":1,"q":5,"r":6},"z":7},"b":2,"c":3}');
  });

  test("replaces lists", () => {
    expect(mergeConfig({ ops: [1, 2, 3] }, { ops: [4] })).toEqual({ ops: [4] });
  });

  test("replaces a mapping by a value or null, and a value by a mapping", () => {
    expect(mergeConfig({ a: { x: 1 }, b: { x: 1 }, c: 1 }, { a: null, b: 2, c: { x: 1 } })).toEqual({
      a: null,
      b: 2,
      c: { x: 1 },
    });
  });

  test("shares nothing with its arguments", () => {
    const base = { a: { x: [1] } };
    const override = { b: { y: [2] } };
    const merged = mergeConfig(base, override) as { a: { x: number[] }; b: { y: number[] } };
    merged.a.x.push(9);
    merged.b.y.push(9);
    expect(base).toEqual({ a: { x: [1] } });
    expect(override).toEqual({ b: { y: [2] } });
  });
});
