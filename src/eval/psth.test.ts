import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { psthByBin, psthSquaredCorrelation } from "./psth.ts";

/** One unit; as many samples per bin as `counts` says, responses are the bin's number, times two as predicted. */
function samples(counts: Readonly<Record<number, number>>) {
  const psthInds = Object.entries(counts).flatMap(([bin, count]) => new Array<number>(count).fill(Number(bin)));
  return {
    units: 1,
    psthInds,
    robs: Float32Array.from(psthInds),
    rates: Float32Array.from(psthInds, (bin) => 2 * bin),
  };
}

describe("psthByBin()", () => {
  test("averages from the first to the last bin with more than enough samples", () => {
    const psth = psthByBin(samples({ 0: 2, 1: 4, 3: 1, 4: 5, 7: 3 }), { minSamples: 3 });
    expect([...psth.bins]).toEqual([1, 3, 4]);
    expect([...psth.samples]).toEqual([4, 1, 5]);
    expect([...psth.observed]).toEqual([1, 3, 4]);
    expect([...psth.predicted]).toEqual([2, 6, 8]);
  });

  test("has no bins where none has more than 20 samples", () => {
    expect(psthByBin(samples({ 0: 20, 1: 20 })).bins).toHaveLength(0);
    expect(psthByBin(samples({ 0: 21, 1: 20 })).bins).toHaveLength(1);
    expect(psthByBin(samples({})).bins).toHaveLength(0);
  });

  test("refuses bin numbers for other samples", () => {
    const given = samples({ 0: 3 });
    expect(() => psthByBin({ ...given, psthInds: [0] })).toThrow("3 samples observed, 3 predicted, 1 bin numbers");
    expect(() => psthByBin({ ...given, rates: new Float32Array(2) })).toThrow(UserError);
  });
});

describe("psthSquaredCorrelation()", () => {
  test("is one for a scaled PSTH, the reverse included, and NaN for a flat or empty one", () => {
    const psth = psthByBin(samples({ 0: 30, 1: 30, 2: 30 }));
    expect(psthSquaredCorrelation(psth, 1)[0]).toBeCloseTo(1, 12);
    expect(psthSquaredCorrelation({ ...psth, predicted: psth.predicted.map((x) => -x) }, 1)[0]).toBeCloseTo(1, 12);
    expect(psthSquaredCorrelation({ ...psth, predicted: new Float32Array(3) }, 1)[0]).toBeNaN();
    expect(psthSquaredCorrelation(psthByBin(samples({})), 1)[0]).toBeNaN();
  });
});
