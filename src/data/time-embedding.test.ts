import { describe, expect, test } from "vitest";
import type { NdArray } from "../formats/array.ts";
import { timeEmbedding } from "./time-embedding.ts";

/** Channel c of frame t is 10 t + c. */
const series: NdArray = {
  dtype: "float32",
  shape: [5, 2],
  data: Float32Array.from({ length: 10 }, (_, i) => 10 * Math.floor(i / 2) + (i % 2)),
};

describe("timeEmbedding()", () => {
  test("gives every run of frames, oldest first, channel by channel", () => {
    const { shape, data } = timeEmbedding(series, 3);
    expect(shape).toEqual([3, 2, 3]);
    expect([...data].slice(0, 6)).toEqual([0, 10, 20, 1, 11, 21]);
    expect([...data].slice(12)).toEqual([20, 30, 40, 21, 31, 41]);
  });

  test("never joins frames of two stretches, and leaves out short ones", () => {
    const { shape, data } = timeEmbedding(series, 2, [
      [0, 2],
      [2, 3],
      [3, 5],
    ]);
    expect(shape).toEqual([2, 2, 2]);
    expect([...data]).toEqual([0, 10, 1, 11, 30, 40, 31, 41]);
  });

  test("refuses what it cannot embed", () => {
    expect(() => timeEmbedding({ dtype: "float32", shape: [5], data: new Float32Array(5) }, 2)).toThrow("[5]");
    expect(() => timeEmbedding(series, 0)).toThrow("0 lags");
    expect(() => timeEmbedding(series, 2, [[0, 6]])).toThrow("frames 0 to 6: there are 5");
  });
});
