import { expect, test } from "vitest";
import { checkpointStem, pythonFloat, subjectOf } from "./naming.ts";

test.each([
  [1e-5, "1e-05"],
  [1.5e-7, "1.5e-07"],
  [1e-4, "0.0001"],
  [0.00012, "0.00012"],
  [1, "1.0"],
  [0, "0.0"],
  [-0, "-0.0"],
  [-2.5, "-2.5"],
  [9999, "9999.0"],
  [1e16, "1e+16"],
  [123456789012345680, "1.2345678901234568e+17"],
  [1e-100, "1e-100"],
  [Number.NaN, "nan"],
  [Number.NEGATIVE_INFINITY, "-inf"],
])("pythonFloat() prints %d as %s", (value, text) => {
  expect(pythonFloat(value)).toBe(text);
});

test("subjectOf() is what precedes the first underscore", () => {
  expect(["Allen_2022-02-16", "Logan", "_x"].map(subjectOf)).toEqual(["Allen", "Logan", ""]);
});

test("checkpointStem() has two digits of the epoch and four decimals", () => {
  expect(checkpointStem(7, 0.57024)).toBe("epoch=07-val_bps_overall=0.5702");
  expect(checkpointStem(374, 0.6395)).toBe("epoch=374-val_bps_overall=0.6395");
  expect(checkpointStem(0, Number.NaN)).toBe("epoch=00-val_bps_overall=nan");
});
