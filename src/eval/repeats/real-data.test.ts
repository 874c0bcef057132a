import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { toFloat64 } from "../../formats/array.ts";
import { readNpy } from "../../formats/npy.ts";
import type { TrialResponses } from "../trials.ts";
import { completeSignalPower } from "./analytic-ccnorm.ts";
import { fractionExplainable } from "./explainable-variance.ts";
import { firstRepeats } from "./first-repeats.ts";
import { repeatScores } from "./scores.ts";

const REAL_DATA = process.env.VISIONCORE_REALDATA ?? resolve(import.meta.dirname, "../../../../shared/realdata");
const FOLDER = join(REAL_DATA, "v4_cowley2023");
const present = existsSync(FOLDER);
if (!present)
  console.warn(`Skipped: repeats of macaque V4 are not in ${FOLDER}; set VISIONCORE_REALDATA to their folder`);

/** Session 210325: images are bins, repeats are trials; NaN where a repeat was not shown. */
function readSession(): TrialResponses {
  const array = readNpy(join(FOLDER, "original/responses_raw_210325.npy"));
  const [units, bins, trials] = array.shape as [number, number, number];
  const counts = toFloat64(array);
  const robs = new Float64Array(counts.length);
  for (let unit = 0; unit < units; unit++) {
    for (let bin = 0; bin < bins; bin++) {
      for (let trial = 0; trial < trials; trial++) {
        robs[(trial * bins + bin) * units + unit] = counts[(unit * bins + bin) * trials + trial]!;
      }
    }
  }
  return { trials, bins, units, robs, rates: new Float64Array(robs.length).fill(Number.NaN) };
}

interface Reference {
  n_repeats_used: number;
  signal_power: number[];
  total_power: number[];
  var_of_mean: number[];
  cc_max_schoppe: number[];
  explainable_variance_fraction: number[];
}

function largestDifference(values: Float64Array, expected: readonly number[]): number {
  expect(values.length).toBe(expected.length);
  return expected.reduce((largest, value, i) => Math.max(largest, Math.abs(values[i]! - value)), 0);
}

describe.skipIf(!present)("ceilings of macaque V4 (session 210325, 50 units, 6 to 10 repeats)", () => {
  const responses = present ? readSession() : undefined!;
  const reference = (
    present ? JSON.parse(readFileSync(join(FOLDER, "reference_210325.json"), "utf8")) : undefined
  ) as Reference;

  test("completeSignalPower() and fractionExplainable() agree with the reference to 1e-6", () => {
    const powers = completeSignalPower(responses);
    expect(new Set(powers.repeatsUsed)).toEqual(new Set([reference.n_repeats_used]));
    expect(largestDifference(powers.signalPower.values, reference.signal_power)).toBeLessThan(1e-6);
    expect(largestDifference(powers.totalPower.values, reference.total_power)).toBeLessThan(1e-6);
    expect(largestDifference(powers.varianceOfMean.values, reference.var_of_mean)).toBeLessThan(1e-6);
    expect(largestDifference(powers.ccmax.values, reference.cc_max_schoppe)).toBeLessThan(1e-6);
    const { values } = fractionExplainable(firstRepeats(responses, reference.n_repeats_used));
    expect(largestDifference(values, reference.explainable_variance_fraction)).toBeLessThan(1e-6);
  });

  test("repeatScores() gives ceilings without predictions, and its estimators agree within their intervals", () => {
    const { scores } = repeatScores(responses, { ccnorm: { minTrialsPerBin: 6, minTrialsPerHalf: 2, splits: 50 } });
    const { ccmax, ccmax_signal_power: bySignalPower, ccnorm } = scores;
    for (const [unit, value] of ccmax.values.entries()) {
      expect(value).toBeGreaterThan(bySignalPower.low[unit]!);
      expect(value).toBeLessThan(bySignalPower.high[unit]!);
      expect(ccnorm.values[unit]).toBeNaN();
      expect(ccnorm.reasons[unit]).toBe("4840 of 4840 predictions are not finite numbers");
    }
    const sorted = [...bySignalPower.values].sort((a, b) => a - b);
    expect(sorted[25]).toBeCloseTo(0.87, 1);
  });
});
