import { describe, expect, test } from "vitest";
import { listOf, numberBetween, positiveNumber, wholeNumber, wholeNumbers } from "./values.ts";

describe("values of flags", () => {
  test("wholeNumber() takes whole numbers from its limit up", () => {
    expect([wholeNumber(1)("8"), wholeNumber(0)("0")]).toEqual([8, 0]);
    for (const text of ["0", "1.5", "", " ", "ten", "1e99"]) expect(() => wholeNumber(1)(text)).toThrow("at least 1");
  });

  test("numberBetween() and positiveNumber() name their range", () => {
    expect([numberBetween(0, 1)("0.25"), positiveNumber("1e-4")]).toEqual([0.25, 1e-4]);
    expect(() => numberBetween(0, 1)("1.1")).toThrow("from 0 to 1");
    expect(() => numberBetween(0)("NaN")).toThrow("at least 0");
    expect(() => positiveNumber("0")).toThrow("above 0");
  });

  test("listOf() names the word it does not know", () => {
    expect(listOf(["bps", "qc"])("bps, qc")).toEqual(["bps", "qc"]);
    expect(() => listOf(["bps"])("bps,bsp")).toThrow('"bsp" is not one of bps');
  });

  test("wholeNumbers() takes numbers and ranges", () => {
    expect(wholeNumbers("0,5-7, 2")).toEqual([0, 5, 6, 7, 2]);
    for (const text of ["", "1,", "3-1", "a", "-1"]) expect(() => wholeNumbers(text)).toThrow("0,2,5-9");
  });
});
