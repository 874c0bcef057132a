import { describe, expect, test } from "vitest";
import { type RaisedCosineParams, raisedCosineBasis } from "./raised-cosine.ts";

const plain: RaisedCosineParams = {
  num_delta_funcs: 0,
  num_cosine_funcs: 3,
  history_bins: 10,
  log_spacing: false,
  peak_range_ms: [10, 30],
  bin_size_ms: 5,
  normalize: false,
  orthogonalize: false,
};
const peakOf = (row: Float64Array) => row.indexOf(Math.max(...row));
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

describe("raisedCosineBasis()", () => {
  test("peaks at evenly spaced lags, one tap late for the leading zero", () => {
    const rows = raisedCosineBasis(plain);
    // 10, 20 and 30 ms are bins 2, 4 and 6.
    expect(rows.map(peakOf)).toEqual([3, 5, 7]);
    for (const row of rows) {
      expect(row).toHaveLength(11);
      expect(row[0]).toBe(0);
      expect(Math.max(...row)).toBeCloseTo(1, 12);
    }
  });

  test("spaces peaks evenly in log lag, and widens with lag", () => {
    const rows = raisedCosineBasis({ ...plain, log_spacing: true, peak_range_ms: [5, 80], history_bins: 40 });
    // 5, 20 and 80 ms.
    expect(rows.map(peakOf)).toEqual([2, 5, 17]);
    const widths = rows.map((row) => row.filter((value) => value > 0.5).length);
    expect(widths).toEqual([...widths].sort((a, b) => a - b));
  });

  test("puts delta functions first, at lags of 1, 2, … bins; those beyond the history stay empty", () => {
    const rows = raisedCosineBasis({ ...plain, num_delta_funcs: 3, num_cosine_funcs: 0, history_bins: 2 });
    expect(rows.map((row) => [...row])).toEqual([
      [0, 1, 0],
      [0, 0, 1],
      [0, 0, 0],
    ]);
  });

  test("scales rows to unit length, and makes them orthogonal when told to", () => {
    const rows = raisedCosineBasis({ ...plain, normalize: true });
    for (const row of rows) expect(dot(row, row)).toBeCloseTo(1, 12);
    expect(dot(rows[0]!, rows[1]!)).toBeGreaterThan(0.1);
    const orthogonal = raisedCosineBasis({ ...plain, num_delta_funcs: 1, orthogonalize: true });
    for (const [i, a] of orthogonal.entries()) {
      for (const [j, b] of orthogonal.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 10);
    }
  });

  test("centres a single cosine in the range", () => {
    expect(raisedCosineBasis({ ...plain, num_cosine_funcs: 1 }).map(peakOf)).toEqual([5]);
    expect(raisedCosineBasis({ ...plain, num_cosine_funcs: 1, peak_range_ms: [20, 20] }).map(peakOf)).toEqual([5]);
  });
});
