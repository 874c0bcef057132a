import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import { UserError } from "../../errors.ts";
import { fitSine } from "./sine-fit.ts";

const random = new MersenneTwister(2);
const x = Float64Array.from({ length: 400 }, () => random.uniform() * 2 * Math.PI);

describe("fitSine()", () => {
  test("recovers amplitude, phase, mean and their ratios", () => {
    const fit = fitSine(
      x,
      x.map((angle) => 3 * Math.sin(2 * angle - 0.4) + 4),
      { omega: 2 },
    );
    expect(fit.amplitude).toBeCloseTo(3, 9);
    expect(fit.phase).toBeCloseTo(-0.4, 9);
    expect(fit.mean).toBeCloseTo(4, 9);
    expect(fit.modulationIndex).toBeCloseTo(6 / 7, 9);
    expect(fit.f1f0).toBeCloseTo(3 / 4, 9);
    expect(fit.rSquared).toBeCloseTo(1, 9);
  });

  test("states standard errors that repeated draws have", () => {
    const truth = (angle: number) => 2 + 1.2 * Math.sin(angle + 1);
    const fits = Array.from({ length: 300 }, () => {
      const y = x.map((angle) => {
        let count = -1;
        for (let product = 1; product > Math.exp(-truth(angle)); product *= random.uniform()) count++;
        return count;
      });
      return fitSine(x, y);
    });
    const spread = (key: "amplitude" | "phase" | "modulationIndex") => {
      const mean = fits.reduce((sum, fit) => sum + fit[key], 0) / fits.length;
      return Math.sqrt(fits.reduce((sum, fit) => sum + (fit[key] - mean) ** 2, 0) / fits.length);
    };
    for (const key of ["amplitude", "phase", "modulationIndex"] as const) {
      const stated = fits.reduce((sum, fit) => sum + fit[`${key}Se`], 0) / fits.length;
      expect(stated / spread(key)).toBeGreaterThan(0.85);
      expect(stated / spread(key)).toBeLessThan(1.15);
    }
  });

  test("is NaN where an index is not defined", () => {
    const negative = fitSine(
      x,
      x.map((angle) => 0.5 * Math.sin(angle) - 2),
    );
    expect(negative.modulationIndex).toBeNaN();
    expect(negative.modulationIndexSe).toBeNaN();
    expect(negative.f1f0).toBeNaN();
    expect(fitSine([0, 2, 4], [1, 2, 1], { variance: "mse" }).amplitudeSe).toBeNaN();
  });

  test("refuses what does not determine a sinusoid", () => {
    expect(() => fitSine([1, 2], [1, 2])).toThrow("Cannot fit a sinusoid to 2 points: it takes at least 3");
    expect(() => fitSine([1, 2, 3], [1, 2])).toThrow("3 phases and 2 counts");
    expect(() => fitSine([1, 1, 2, 2], [1, 2, 3, 4])).toThrow(UserError);
  });
});
