import { describe, expect, test } from "vitest";
import { responseLatency } from "./latency.ts";

const LAGS = Array.from({ length: 12 }, (_, lag) => lag);

describe("responseLatency()", () => {
  test("finds half height on both sides of a Gaussian profile", () => {
    const profile = LAGS.map((lag) => 1 + 20 * Math.exp(-((lag - 5.2) ** 2) / (2 * 1.5 ** 2)));
    const { onset, peak, offset, reason } = responseLatency(profile, LAGS, 100);
    expect(reason).toBeNull();
    expect(peak / 52).toBeCloseTo(1, 2);
    expect(onset / (52 - 1.177 * 15)).toBeCloseTo(1, 1);
    expect(offset / (52 + 1.177 * 15)).toBeCloseTo(1, 1);
  });

  test("counts lags as they are listed, and interpolates between them", () => {
    const { onset, peak } = responseLatency([0, 0, 10, 0], [0, 4, 8, 12], 1000);
    expect(peak).toBe(8);
    expect(onset).toBe(6);
  });

  test("does not depend on how high the profile is", () => {
    const profile = LAGS.map((lag) => Math.exp(-((lag - 5) ** 2)));
    const low = responseLatency(profile, LAGS, 120);
    const high = responseLatency(
      profile.map((value) => 9 * value),
      LAGS,
      120,
    );
    expect(high.onset).toBeCloseTo(low.onset, 9);
  });

  test("leaves the offset open when the response outlasts the lags", () => {
    const { offset, reason } = responseLatency([0, 0, 1, 5, 9, 8], LAGS.slice(0, 6), 120);
    expect(offset).toBeNaN();
    expect(reason).toBeNull();
  });

  test("says why there is no latency", () => {
    expect(responseLatency([1, 1.2, 0.9, 1.5], [0, 1, 2, 3], 120)).toMatchObject({
      onset: Number.NaN,
      peak: Number.NaN,
    });
    expect(responseLatency([5, 1, 1], [0, 1, 2], 120).reason).toMatch(/never varies 2 times/);
    expect(responseLatency([Number.NaN], [0], 120).reason).toBe("there is no map");
    expect(responseLatency([], [0], 120).reason).toBe("there is no map");
  });
});
