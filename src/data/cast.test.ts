import { describe, expect, test } from "vitest";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import { castArray, float16Bits } from "./cast.ts";

function float32(...values: number[]): NdArray {
  return { dtype: "float32", shape: [values.length], data: Float32Array.from(values) };
}

describe("castArray()", () => {
  test("returns every float16 value unchanged", () => {
    const bits = Uint16Array.from({ length: 0x7c01 }, (_, i) => i);
    const values = toFloat64({ dtype: "float16", shape: [bits.length], data: bits });
    expect(Array.from(values, float16Bits)).toEqual([...bits]);
  });

  test("rounds to the nearest float16, ties to even", () => {
    const cast = castArray(float32(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, -(2 ** -25), 2047.5), "float16");
    expect([...toFloat64(cast)]).toEqual([1, 1 + 2 ** -9, 65504, Number.POSITIVE_INFINITY, -0, 2048]);
  });

  test("rounds to the nearest bfloat16, ties to even", () => {
    const cast = castArray(float32(1 + 2 ** -8, 1 + 3 * 2 ** -8, Number.NaN, -1.5), "bfloat16");
    expect([...toFloat64(cast)]).toEqual([1, 1 + 2 ** -6, Number.NaN, -1.5]);
  });

  test("drops fractions towards zero for integers", () => {
    const values = float32(1.9, -1.9, 0.2);
    expect([...castArray(values, "int32").data]).toEqual([1, -1, 0]);
    expect([...castArray(values, "int64").data]).toEqual([1n, -1n, 0n]);
    expect([...castArray(values, "bool").data]).toEqual([1, 1, 1]);
  });

  test("returns an array that has the type already as it is", () => {
    const array = float32(1);
    expect(castArray(array, "float32")).toBe(array);
  });
});
