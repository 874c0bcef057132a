import { describe, expect, test } from "vitest";
import { splitByTrial, splitSections } from "./split.ts";

/** 20 trials of 10 frames, numbered with gaps; every third frame is a candidate. */
const trialInds = Float64Array.from({ length: 200 }, (_, t) => 3 * Math.floor(t / 10) + 7);
const rows = Int32Array.from({ length: 66 }, (_, i) => 3 * i);
const trialsOf = (part: Int32Array) => new Set(part.map((row) => trialInds[row]!));

describe("splitByTrial()", () => {
  test.each([0, 0.3, 0.8, 1])("puts no trial into both parts and loses no row at %d", (trainFraction) => {
    const { train, val } = splitByTrial(trialInds, rows, { trainFraction, seed: 5 });
    expect([...train, ...val].sort((a, b) => a - b)).toEqual([...rows]);
    expect([...trialsOf(train)].filter((trial) => trialsOf(val).has(trial))).toEqual([]);
    expect(trialsOf(train).size).toBe(Math.trunc(20 * trainFraction));
  });

  test("depends on the seed", () => {
    const parts = [1, 2].map((seed) => splitByTrial(trialInds, rows, { trainFraction: 0.5, seed }).train);
    expect(parts[0]).not.toEqual(parts[1]);
  });

  test("trains on the first trials when split by time", () => {
    const { train, val } = splitByTrial(trialInds, rows, { trainFraction: 0.25, seed: 5, splitBy: "time" });
    expect(trialsOf(train)).toEqual(new Set([7, 10, 13, 16, 19]));
    expect(Math.min(...val)).toBeGreaterThan(Math.max(...train));
  });

  test("takes its share of every stretch of trials when split by block", () => {
    const { train, val } = splitByTrial(trialInds, rows, { trainFraction: 0.75, seed: 5, splitBy: "block", blocks: 5 });
    const trained = [...trialsOf(train)].sort((a, b) => a - b);
    // Stretches of four trials, three of which train.
    const stretches = trained.map((trial) => Math.floor((trial - 7) / 12));
    expect(stretches).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    expect([...train, ...val].sort((a, b) => a - b)).toEqual([...rows]);
    const other = splitByTrial(trialInds, rows, { trainFraction: 0.75, seed: 6, splitBy: "block", blocks: 5 });
    expect(other.train).not.toEqual(train);
  });

  test("trains on as many trials in more blocks than there are trials", () => {
    const { train } = splitByTrial(trialInds, rows, { trainFraction: 0.8, seed: 5, splitBy: "block", blocks: 33 });
    expect(trialsOf(train).size).toBe(16);
  });

  test("validates on the trials it is told", () => {
    const { val } = splitByTrial(trialInds, rows, { trainFraction: 0.5, seed: 5, valTrials: [10, 64] });
    expect(trialsOf(val)).toEqual(new Set([10, 64]));
  });

  test("refuses fractions outside 0 to 1 and trials without a number", () => {
    expect(() => splitByTrial(trialInds, rows, { trainFraction: 1.2, seed: 5 })).toThrow("train_val_split is 1.2");
    const broken = trialInds.with(4, Number.NaN);
    expect(() => splitByTrial(broken, rows, { trainFraction: 0.5, seed: 5 })).toThrow("frame 4");
  });
});

test("splitSections() covers every frame once", () => {
  const { train, val } = splitSections(53, 6, 0.34, 21);
  expect([...train, ...val].sort((a, b) => a - b)).toEqual([...Array(53).keys()]);
});
