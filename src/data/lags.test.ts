import { describe, expect, test } from "vitest";
import { checkReach, type KeysLags, lagReach, parseKeysLags } from "./lags.ts";

describe("parseKeysLags()", () => {
  test("tells single lags from lists", () => {
    const specs = parseKeysLags({ robs: 0, eyepos: null, stim: [3, 0, -1] });
    expect([...specs.keys()]).toEqual(["robs", "eyepos", "stim"]);
    expect(specs.get("eyepos")).toEqual({ lags: Int32Array.of(0), axis: false });
    expect(specs.get("stim")).toEqual({ lags: Int32Array.of(3, 0, -1), axis: true });
  });

  test.each([{ robs: 0.5 }, { robs: [] }, { robs: [0, "1"] }, { robs: "0" }, {}])("refuses %j", (keysLags) => {
    expect(() => parseKeysLags(keysLags as unknown as KeysLags)).toThrow(
      expect.objectContaining({ name: "UserError" }),
    );
  });
});

test("lagReach() covers all keys, past and future", () => {
  expect(lagReach(parseKeysLags({ robs: 1, stim: [0, 2, 5], behavior: -2 }))).toEqual({ past: 5, future: 2 });
  expect(lagReach(parseKeysLags({ behavior: -2 }))).toEqual({ past: 0, future: 2 });
});

describe("checkReach()", () => {
  test("accepts windows that just fit", () => {
    expect(() => checkReach(Int32Array.of(5, 7), 10, { past: 5, future: 2 }, "here")).not.toThrow();
  });

  test("counts the frames at both ends", () => {
    expect(() => checkReach(Int32Array.of(4, 3, 8), 10, { past: 5, future: 2 }, "here")).toThrow(
      "Cannot serve here (10 frames): 2 of 3 frames need data up to 5 frames before the start " +
        "and 1 of 3 frames need data up to 2 frames after the end",
    );
  });
});
