import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { type NdArray, toFloat64 } from "./array.ts";
import { type ByteSource, memorySource } from "./byte-source.ts";
import { columnMajorStrides, gatherElements, isLazyArray, lazyArray, rowMajorStrides } from "./lazy.ts";

const values = (array: NdArray): number[] => [...toFloat64(array)];

/** 0, 1, 2, ... as float32, with a log of the bytes that were read. */
function counting(count: number): { source: ByteSource; reads: [number, number][] } {
  const bytes = new Uint8Array(Float32Array.from({ length: count }, (_, i) => i).buffer);
  const memory = memorySource(bytes, "counting");
  const reads: [number, number][] = [];
  const read: ByteSource["read"] = (offset, length) => {
    reads.push([offset, length]);
    return memory.read(offset, length);
  };
  return { source: { ...memory, read }, reads };
}

describe("lazyArray()", () => {
  test("reads only the bytes of the rows asked for", () => {
    const { source, reads } = counting(24);
    const array = lazyArray(source, { dtype: "float32", shape: [4, 2, 3] });
    expect(reads).toEqual([]);
    const rows = array.readRows(1, 3);
    expect(rows.shape).toEqual([2, 2, 3]);
    expect(values(rows)).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
    expect(reads).toEqual([[24, 48]]);
    expect(values(array.read())).toHaveLength(24);
  });

  test("gathers strided elements, whole and by rows", () => {
    const { source } = counting(24);
    const array = lazyArray(source, { dtype: "float32", shape: [3, 2, 2], strides: [2, 12, 6], offset: 4 });
    // Element [i, j, k] is 1 + 2 i + 12 j + 6 k.
    expect(values(array.read())).toEqual([1, 7, 13, 19, 3, 9, 15, 21, 5, 11, 17, 23]);
    expect(values(array.readRows(2, 3))).toEqual([5, 11, 17, 23]);
    const repeated = lazyArray(source, { dtype: "float32", shape: [2, 3], strides: [0, 1] });
    expect(values(repeated.read())).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test("reads scalars and empty arrays", () => {
    const { source, reads } = counting(3);
    expect(lazyArray(source, { dtype: "float32", shape: [], offset: 8 }).read()).toEqual({
      dtype: "float32",
      shape: [],
      data: Float32Array.of(2),
    });
    reads.length = 0;
    const empty = lazyArray(source, { dtype: "float32", shape: [5, 0] });
    expect(empty.read()).toEqual({ dtype: "float32", shape: [5, 0], data: new Float32Array(0) });
    expect(empty.readRows(1, 4).shape).toEqual([3, 0]);
    expect(lazyArray(source, { dtype: "float32", shape: [3] }).readRows(2, 2).shape).toEqual([0]);
    expect(reads).toEqual([]);
  });

  test("refuses rows outside the array", () => {
    const array = lazyArray(counting(6).source, { dtype: "float32", shape: [3, 2] });
    for (const [start, end] of [
      [-1, 2],
      [2, 1],
      [0, 4],
      [0.5, 2],
      [Number.NaN, 2],
    ] as const) {
      expect(() => array.readRows(start, end)).toThrow(RangeError);
    }
    expect(() => lazyArray(counting(1).source, { dtype: "float32", shape: [] }).readRows(0, 1)).toThrow("is a scalar");
  });

  test("refuses layouts beyond the end of the source", () => {
    const { source } = counting(6);
    expect(() => lazyArray(source, { dtype: "float32", shape: [7] })).toThrow(UserError);
    expect(() => lazyArray(source, { dtype: "float32", shape: [2, 2], strides: [5, 1] })).toThrow(UserError);
    expect(() => lazyArray(source, { dtype: "float32", shape: [2 ** 40, 2 ** 40] })).toThrow(UserError);
  });

  test("turns a lack of memory into a UserError", () => {
    const endless = lazyArray(counting(1).source, { dtype: "float32", shape: [2 ** 50], strides: [0] });
    expect(() => endless.read()).toThrow("do not fit into memory");
  });
});

test("isLazyArray() knows lazy arrays from others", () => {
  expect(isLazyArray(lazyArray(counting(1).source, { dtype: "float32", shape: [] }))).toBe(true);
  expect(isLazyArray({ dtype: "float32", shape: [], data: new Float32Array(1) })).toBe(false);
});

test("rowMajorStrides() and columnMajorStrides() step along the last and the first axis", () => {
  expect(rowMajorStrides([2, 3, 4])).toEqual([12, 4, 1]);
  expect(columnMajorStrides([2, 3, 4])).toEqual([1, 2, 6]);
});

describe("gatherElements()", () => {
  test.each([1, 2, 4, 8])("keeps every bit of elements of %i bytes", (itemBytes) => {
    // Signalling NaNs included: 0x7f and 0xff bytes are everywhere.
    const bytes = Uint8Array.from({ length: 6 * itemBytes }, (_, i) => [0x7f, 0xf0, 0xff, i][i % 4]!);
    const turned = gatherElements(bytes, itemBytes, [3, 2], [1, 3], "test");
    const back = gatherElements(turned, itemBytes, [2, 3], [1, 2], "test");
    expect([...back]).toEqual([...bytes]);
    expect([...turned.subarray(itemBytes, 2 * itemBytes)]).toEqual([...bytes.subarray(3 * itemBytes, 4 * itemBytes)]);
  });

  test("accepts bytes that are not aligned to their elements", () => {
    const bytes = new Uint8Array(17).subarray(1);
    bytes.set([1, 2, 3, 4], 4);
    expect([...gatherElements(bytes, 4, [2, 2], [1, 2], "test").subarray(8, 12)]).toEqual([1, 2, 3, 4]);
  });
});
