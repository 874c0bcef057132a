import { describe, expect, test } from "vitest";
import { toFloat64 } from "./array.ts";
import { memorySource } from "./byte-source.ts";
import { type LazyArray, lazyArray } from "./lazy.ts";
import { permuted, reversedAxes } from "./permuted.ts";

/** [2, 3, 4] with the elements 0 to 23. */
function ramp(): LazyArray {
  const bytes = new Uint8Array(24).map((_, i) => i);
  return lazyArray(memorySource(bytes, "ramp"), { dtype: "uint8", shape: [2, 3, 4] });
}

describe("permuted()", () => {
  test.each([
    [[0, 2, 1], (i: number, j: number, k: number) => 12 * i + 4 * k + j],
    [[2, 0, 1], (i: number, j: number, k: number) => 12 * j + 4 * k + i],
    [[2, 1, 0], (i: number, j: number, k: number) => 12 * k + 4 * j + i],
  ])("gives axes in the order %j, as a whole and by rows", (axes, at) => {
    const array = permuted(ramp(), axes);
    const shape = axes.map((axis) => [2, 3, 4][axis]!);
    expect(array.shape).toEqual(shape);
    const [rows, columns, depth] = shape as [number, number, number];
    const wanted = Array.from({ length: 24 }, (_, n) =>
      at(Math.floor(n / (columns * depth)), Math.floor(n / depth) % columns, n % depth),
    );
    expect([...toFloat64(array.read())]).toEqual(wanted);
    const row = array.readRows(rows - 1, rows);
    expect([row.shape, [...toFloat64(row)]]).toEqual([[1, columns, depth], wanted.slice(-columns * depth)]);
  });

  test("undoes itself without a copy, so that rows are read from the file again", () => {
    const array = ramp();
    expect(reversedAxes(reversedAxes(array))).toBe(array);
    expect(permuted(permuted(array, [1, 2, 0]), [2, 0, 1])).toBe(array);
  });

  test("refuses rows that are not there", () => {
    expect(() => reversedAxes(ramp()).readRows(3, 5)).toThrow("Cannot read rows 3 to 5");
  });
});
