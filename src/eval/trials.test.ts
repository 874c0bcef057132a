import { describe, expect, test } from "vitest";
import { Recording } from "../data/recording.ts";
import { SampleSet } from "../data/samples.ts";
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import type { Predictions } from "./predict.ts";
import { alignedTrials, alignTrials, straddlingBins } from "./trials.ts";

const NAN = Number.NaN;

describe("alignTrials()", () => {
  test("is what the example says", () => {
    const aligned = alignTrials({
      units: 1,
      trialInds: [7, 7, 9],
      psthInds: [0, 1, 1],
      robs: [1, 0, 2],
      rates: [1, 1, 1],
      dfs: [1, 1, 1],
    });
    expect(aligned).toMatchObject({ trials: 2, bins: 2, units: 1 });
    expect([...aligned.robs]).toEqual([1, 0, NAN, 2]);
    expect([...aligned.dfs]).toEqual([1, 1, NAN, 1]);
    expect([...aligned.trialNumbers]).toEqual([7, 9]);
  });

  test("takes samples in any order, and spreads a mask of one column", () => {
    const aligned = alignTrials({
      units: 2,
      trialInds: [2, 1],
      psthInds: [0, 0],
      robs: [3, 4, 1, 2],
      rates: [7, 8, 5, 6],
      dfs: [0, 1],
    });
    expect([...aligned.robs]).toEqual([1, 2, 3, 4]);
    expect([...aligned.rates]).toEqual([5, 6, 7, 8]);
    expect([...aligned.dfs]).toEqual([1, 1, 0, 0]);
  });

  test("refuses two samples in one bin, and bins that are none", () => {
    const samples = { units: 1, trialInds: [1, 1], robs: [1, 2], rates: [1, 2], dfs: [1, 1] };
    expect(() => alignTrials({ ...samples, psthInds: [4, 4] })).toThrow("two samples are bin 4 of trial 1");
    expect(() => alignTrials({ ...samples, psthInds: [0, 0.5] })).toThrow(UserError);
    expect(() => alignTrials({ ...samples, psthInds: [0, -1] })).toThrow("psth_inds of a sample is -1");
  });
});

describe("straddlingBins()", () => {
  test("finds averaged trial numbers, whole ones too", () => {
    expect([...straddlingBins([3, 3, 3.5, 4, 4, 5, 7, 7])]).toEqual([0, 0, 1, 0, 0, 1, 0, 0]);
    expect([...straddlingBins([9, 9, 6, 3, 3])]).toEqual([0, 0, 1, 0, 0]);
    expect([...straddlingBins([1, 1, 2, 2])]).toEqual([0, 0, 0, 0]);
  });
});

/** Two trials of three frames in a recording whose fourth bin mixes both; unit 0 counts frames. */
function repeated(overrides: Record<string, NdArray> = {}, type = "fixrsvp"): SampleSet {
  const float64 = (...values: number[]): NdArray => {
    return { dtype: "float64", shape: [values.length], data: Float64Array.from(values) };
  };
  const columns = {
    robs: { dtype: "float32", shape: [7, 1], data: Float32Array.from([0, 1, 2, 3, 4, 5, 6]) } as const,
    dfs: { dtype: "float32", shape: [7, 1], data: new Float32Array(7).fill(1) } as const,
    trial_inds: float64(1, 1, 1, 1.5, 2, 2, 2),
    psth_inds: float64(0, 1, 2, 3, 0, 1, 2),
    t_bins: float64(0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06),
    ...overrides,
  };
  const recording = new Recording(type, Object.entries(columns), {}, "S");
  return new SampleSet({
    session: "S",
    recordings: [recording],
    recordingOf: new Int32Array(7),
    // The last frames first, as training samples come before validation samples.
    frameOf: Int32Array.of(4, 5, 6, 0, 1, 2, 3),
    keysLags: { robs: 0, dfs: 0 },
    pixelnorm: false,
  });
}

function perfect(set: SampleSet): Predictions {
  const robs = Float32Array.from(set.frameOf);
  const dfs = robs.map(() => 1);
  return { session: "S", samples: set.length, units: 1, rates: robs.map((n) => n / 10), robs, dfs, trueRates: null };
}

describe("alignedTrials()", () => {
  test("aligns evaluated samples by trial and bin, without bins that mix trials", () => {
    const set = repeated();
    const { status, reason, trials, binSeconds, straddling } = alignedTrials(set, perfect(set));
    expect({ status, reason, straddling }).toEqual({ status: "ok", reason: null, straddling: 1 });
    expect(binSeconds).toBeCloseTo(0.01, 12);
    expect(trials).toMatchObject({ trials: 2, bins: 3 });
    expect([...trials!.robs]).toEqual([0, 1, 2, 4, 5, 6]);
    expect([...trials!.rates]).toEqual([0, 1, 2, 4, 5, 6].map((n) => expect.closeTo(n / 10, 6)));
  });

  test("makes a trial of such a bin as the reference does", () => {
    const set = repeated();
    const { trials } = alignedTrials(set, perfect(set), { compat: "reference" });
    expect([...trials!.trialNumbers]).toEqual([1, 1.5, 2]);
    expect(trials!.bins).toBe(4);
  });

  test("says what is missing", () => {
    const gratings = repeated({}, "gratings");
    expect(alignedTrials(gratings, perfect(gratings))).toMatchObject({
      status: "missing_stimulus",
      reason: "it has no fixrsvp recording",
      trials: null,
    });
    const once = repeated().subset([0, 1]);
    expect(alignedTrials(once, perfect(once))).toMatchObject({
      status: "no_repeats",
      reason: "its fixrsvp stimulus was shown in one valid trial only",
    });
    const { recordings, ...parts } = repeated();
    const keys = new Set(["robs", "dfs", "trial_inds"]);
    const unaligned = new SampleSet({ ...parts, recordings: recordings.map((recording) => recording.pick(keys)) });
    expect(alignedTrials(unaligned, perfect(unaligned)).reason).toContain("has no psth_inds");
  });

  test("refuses predictions of other samples", () => {
    const set = repeated();
    expect(() => alignedTrials(set.subset([0, 1]), perfect(set))).toThrow(RangeError);
  });
});
