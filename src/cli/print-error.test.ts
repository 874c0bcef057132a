import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { formatError } from "./print-error.ts";

describe("formatError()", () => {
  const error = new UserError('Cannot read "x.npy"', { hint: "Name another file.", cause: new Error("ENOENT") });

  test("prints message and hint of a user error, without a stack", () => {
    expect(formatError(error, false)).toBe('error: Cannot read "x.npy"\nhint: Name another file.');
  });

  test("adds stack and cause when debugging", () => {
    const text = formatError(error, true);
    expect(text).toContain("print-error.test.ts");
    expect(text).toContain("caused by Error: ENOENT");
  });

  test("calls everything else a defect and shows its stack", () => {
    const text = formatError(new TypeError("x is undefined"), false);
    expect(text).toContain("defect in visioncore");
    expect(text).toContain("TypeError: x is undefined\n    at ");
  });

  test("copes with thrown values that are no errors", () => {
    expect(formatError("oops", false)).toContain("oops");
  });
});
