import { describe, expect, test } from "vitest";
import { fourierFrequencies, fourierPlan } from "./fft.ts";
import { MersenneTwister } from "./random.ts";

describe("fourierPlan()", () => {
  test.each([1, 2, 3, 7, 8, 12, 37, 64])("agrees with the definition for %d numbers, and back", (length) => {
    const random = new MersenneTwister(length);
    const x = Array.from({ length }, () => random.next() / 2 ** 32 - 0.5);
    const re = Float64Array.from(x);
    const im = new Float64Array(length);
    const plan = fourierPlan(length);
    plan.transform(re, im, false);
    for (let k = 0; k < length; k++) {
      const angles = x.map((_, t) => (-2 * Math.PI * k * t) / length);
      expect(re[k]).toBeCloseTo(
        x.reduce((sum, value, t) => sum + value * Math.cos(angles[t]!), 0),
        10,
      );
      expect(im[k]).toBeCloseTo(
        x.reduce((sum, value, t) => sum + value * Math.sin(angles[t]!), 0),
        10,
      );
    }
    plan.transform(re, im, true);
    for (let t = 0; t < length; t++) expect(re[t]! / length).toBeCloseTo(x[t]!, 12);
  });
});

test("fourierFrequencies() has negative frequencies in the second half", () => {
  expect([...fourierFrequencies(4)]).toEqual([0, 0.25, -0.5, -0.25]);
  expect([...fourierFrequencies(5)]).toEqual([0, 0.2, 0.4, -0.4, -0.2]);
});
