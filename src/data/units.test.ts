import { describe, expect, test } from "vitest";
import type { NdArray } from "../formats/array.ts";
import { fakeRecording } from "./session.fake.ts";
import { unitColumns, validRows } from "./units.ts";

describe("unitColumns()", () => {
  test("reads ids as positions in recordings without names", () => {
    expect([...unitColumns(fakeRecording("gaborium"), [2, 0])]).toEqual([2, 0]);
    expect(() => unitColumns(fakeRecording("gaborium"), [0, -1])).toThrow("Cannot select unit -1");
  });

  test.each(["cluster_ids", "all_cids"])("looks ids up in %s, a list or an array", (key) => {
    const ids: NdArray = { dtype: "int64", shape: [3], data: BigInt64Array.of(599n, 98n, 816n) };
    for (const value of [ids, [599, 98, 816]]) {
      const recording = fakeRecording("gaborium", { metadata: { [key]: value } });
      expect([...unitColumns(recording, [816, 599])]).toEqual([2, 0]);
      expect(() => unitColumns(recording, [0])).toThrow("it has 3 units named 599, 98, 816");
    }
  });

  test("refuses names that do not fit the columns", () => {
    const recording = fakeRecording("gaborium", { metadata: { cluster_ids: [1, 2] } });
    expect(() => unitColumns(recording, [1])).toThrow("expected 3 whole numbers");
  });
});

test("validRows() are frames that any unit can use", () => {
  const mask = { dtype: "float32", shape: [3, 2], data: Float32Array.of(0, 1, 0, 0, 1, 1) } as const;
  expect([...validRows(mask)]).toEqual([0, 2]);
});
