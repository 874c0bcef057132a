import { describe, expect, test } from "vitest";
import type { NdArray } from "../formats/array.ts";
import type { LazyArray } from "../formats/lazy.ts";
import { Recording } from "./recording.ts";

function float32(shape: number[]): NdArray {
  return { dtype: "float32", shape, data: new Float32Array(shape.reduce((product, n) => product * n, 1)) };
}

/** A column in a "file" that counts how often all of it is read. */
function countedColumn(): { column: LazyArray; reads: () => number } {
  let reads = 0;
  const array = float32([4, 2]);
  const column: LazyArray = {
    dtype: array.dtype,
    shape: array.shape,
    read: () => {
      reads++;
      return array;
    },
    readRows: () => array,
  };
  return { column, reads: () => reads };
}

describe("Recording", () => {
  test("keeps the order of keys", () => {
    const recording = new Recording("gaborium", [
      ["robs", float32([4, 2])],
      ["eyepos", float32([4, 2])],
    ]);
    recording.set("behavior", float32([4, 1]));
    recording.set("robs", float32([4, 3]));
    expect(recording.keys()).toEqual(["robs", "eyepos", "behavior"]);
    expect(recording.pick(new Set(["behavior", "robs", "none"])).keys()).toEqual(["robs", "behavior"]);
  });

  test("refuses covariates of different length, naming both", () => {
    const make = () =>
      new Recording(
        "gaborium",
        [
          ["robs", float32([4, 2])],
          ["eyepos", float32([5, 2])],
        ],
        {},
        "Allen_2022-02-16",
      );
    expect(make).toThrow('Recording "Allen_2022-02-16/gaborium" is inconsistent: "eyepos" has 5 frames, "robs" has 4');
    const recording = new Recording("gaborium", [["robs", float32([4, 2])]]);
    expect(() => recording.set("dfs", float32([3, 1]))).toThrow('"dfs" has 3 frames');
  });

  test("refuses no covariates and covariates without frames", () => {
    expect(() => new Recording("gaborium", [])).toThrow("has no covariates");
    expect(() => new Recording("gaborium", [["rate", float32([])]])).toThrow("is a single number");
  });

  test("loads a column from a file once, and only when its elements are asked for", () => {
    const { column, reads } = countedColumn();
    const recording = new Recording("gaborium", [["robs", column]]);
    expect(recording.column("robs").shape).toEqual([4, 2]);
    expect(reads()).toBe(0);
    recording.get("robs");
    recording.floats("robs");
    expect(reads()).toBe(1);
  });

  test("suggests the closest key for a missing one", () => {
    const recording = new Recording("gaborium", [["eyepos", float32([4, 2])]]);
    expect(() => recording.get("eyepso")).toThrow(
      expect.objectContaining({
        message: 'Recording "gaborium" has no "eyepso": it has eyepos',
        hint: 'Did you mean "eyepos"?',
      }),
    );
    expect(() => recording.numbers("eyepos")).toThrow("expected one number per frame");
  });

  test("owns its metadata", () => {
    const metadata = { ppd: 37.5 };
    const recording = new Recording("gaborium", [["robs", float32([4, 2])]], metadata);
    metadata.ppd = 1;
    expect(recording.metadata).toEqual({ ppd: 37.5 });
  });
});
