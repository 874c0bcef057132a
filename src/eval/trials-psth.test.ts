import { describe, expect, test } from "vitest";
import { trialPsth } from "./trials-psth.ts";

const NAN = Number.NaN;

describe("trialPsth()", () => {
  const trials = {
    trials: 2,
    bins: 3,
    units: 1,
    robs: Float64Array.of(1, 2, NAN, 3, 4, NAN),
    rates: Float64Array.of(2, 1, NAN, 2, 3, NAN),
  };

  test("averages what was observed, in spikes per second", () => {
    const { rbar, rbarhat } = trialPsth(trials, 0.5);
    expect([...rbar]).toEqual([4, 6, NAN]);
    expect([...rbarhat]).toEqual([4, 4, NAN]);
  });

  test("leaves out cells whose weight is 0 or unknown, and weighs the others", () => {
    const { rbar } = trialPsth({ ...trials, dfs: Float64Array.of(0, 3, 1, 1, 1, NAN) }, 1);
    expect([...rbar]).toEqual([3, 2.5, NAN]);
  });
});
