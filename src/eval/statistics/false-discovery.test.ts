import { describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { falseDiscovery } from "./false-discovery.ts";

describe("falseDiscovery()", () => {
  test("is Benjamini and Hochberg's step-up procedure", () => {
    const { adjusted, rejected } = falseDiscovery([0.01, 0.04, 0.03, 0.005, 0.5]);
    expect([...adjusted]).toEqual([0.025, 0.05, 0.05, 0.025, 0.5].map((p) => expect.closeTo(p, 12)));
    expect([...rejected]).toEqual([1, 1, 1, 1, 0]);
  });

  test("multiplies by the harmonic sum for any dependence, up to 1", () => {
    const { adjusted } = falseDiscovery([0.01, 0.9], { anyDependence: true });
    expect([...adjusted]).toEqual([0.03, 1].map((p) => expect.closeTo(p, 12)));
  });

  test("does not count tests without a p value", () => {
    const { adjusted, rejected } = falseDiscovery([0.04, Number.NaN, 0.02]);
    expect([...adjusted]).toEqual([expect.closeTo(0.04, 12), Number.NaN, expect.closeTo(0.04, 12)]);
    expect([...rejected]).toEqual([1, 0, 1]);
    expect(falseDiscovery([]).adjusted).toHaveLength(0);
  });

  test("refuses what is no probability", () => {
    expect(() => falseDiscovery([0.1, 1.2])).toThrow(UserError);
  });
});
