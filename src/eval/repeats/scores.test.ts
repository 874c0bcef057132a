import { describe, expect, test } from "vitest";
import type { TrialResponses } from "../trials.ts";
import { plantPopulation } from "./planted.fake.ts";
import { REPEAT_SCORE_TITLES, type RepeatScoreName, type RepeatScoreOptions, repeatScores } from "./scores.ts";

const { responses } = plantPopulation({ kind: "complete", trials: 24, bins: 60 }, 3, 1);
const quick: RepeatScoreOptions = { ccnorm: { splits: 20 } };
const NAMES = Object.keys(REPEAT_SCORE_TITLES) as RepeatScoreName[];
const CELLS = 24 * 60;

/** The same responses with a change to one unit's cells. */
function changed(unit: number, change: (value: number, trial: number, bin: number) => number): TrialResponses {
  const robs = responses.robs.map((value, cell) => {
    return cell % 3 === unit ? change(value, Math.floor(cell / 180), Math.floor(cell / 3) % 60) : value;
  });
  return { ...responses, robs };
}

/** Asserts that a unit has no score, no interval, and one reason, and that others have all of theirs. */
function expectUndefined(given: TrialResponses, unit: number, reason: RegExp, options: RepeatScoreOptions = quick) {
  const { scores } = repeatScores(given, options);
  for (const name of NAMES) {
    const { values, low, high, reasons } = scores[name];
    expect([values[unit], low[unit], high[unit]], name).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(reasons[unit], name).toMatch(reason);
    const other = (unit + 1) % 3;
    expect(values[other], name).not.toBeNaN();
    expect(reasons[other], name).toBeNull();
  }
}

describe("repeatScores()", () => {
  test("has every score of every unit within its interval, ends in order", () => {
    const { scores, units, trialsPerBin, ccnormClipped } = repeatScores(responses, quick);
    expect(units).toBe(3);
    expect(trialsPerBin).toEqual({ fewest: 24, mean: 24, most: 24 });
    expect(Object.keys(scores).sort()).toEqual([...NAMES].sort());
    for (const name of NAMES) {
      for (let unit = 0; unit < units; unit++) {
        const { values, low, high } = scores[name];
        expect(low[unit], name).toBeLessThan(values[unit]!);
        expect(high[unit], name).toBeGreaterThan(values[unit]!);
      }
    }
    expect(Math.max(...ccnormClipped)).toBeLessThanOrEqual(1);
  });

  test("does not change its inputs", () => {
    const given = { ...responses, dfs: responses.robs.map((_, cell) => Number(cell % 13 > 0)) };
    const before = structuredClone(given);
    repeatScores(given, { ccnorm: { splits: 5, minTrialsPerBin: 15 } });
    expect(given).toEqual(before);
  });

  test("over bins depends on the seed alone, and is wider than over trials", () => {
    const options = { ...quick, intervals: "bins", resamples: 100, seed: 3 } as const;
    const first = repeatScores(responses, options);
    expect(repeatScores(responses, options)).toEqual(first);
    const { fev } = first.scores;
    expect(repeatScores(responses, { ...options, seed: 4 }).scores.fev.low).not.toEqual(fev.low);
    const overTrials = repeatScores(responses, quick).scores.fev;
    expect(fev.high[0]! - fev.low[0]!).toBeGreaterThan(overTrials.high[0]! - overTrials.low[0]!);
    expect(fev.values).toEqual(overTrials.values);
    const blocks = repeatScores(responses, { ...options, block: 3 }).scores.fev;
    expect(blocks.low).not.toEqual(fev.low);
    expect(blocks.values).toEqual(fev.values);
  });

  test("without intervals has the same values", () => {
    const { scores } = repeatScores(responses, { ...quick, intervals: "none" });
    expect(scores.ccmax.values).toEqual(repeatScores(responses, quick).scores.ccmax.values);
    expect(scores.ccmax.low[0]).toBeNaN();
  });

  test("says that there are no repeats", () => {
    expectUndefined(
      changed(0, (n, trial, bin) => (trial === bin % 24 ? n : Number.NaN)),
      0,
      /no repeats: every bin has at most one/,
    );
  });

  test("says that a mask leaves nothing", () => {
    const dfs = responses.robs.map((_, cell) => Number(cell % 3 !== 1));
    expectUndefined({ ...responses, dfs }, 1, /no valid bins: the mask/);
  });

  test("says that there are too few bins or trials", () => {
    expectUndefined(
      changed(0, (n, _, bin) => (bin < 19 ? n : Number.NaN)),
      0,
      /too few bins: 19 bins have \d+ valid trials, 20 bins needed/,
    );
    expectUndefined(
      changed(0, (n, trial) => (trial < 3 ? n : Number.NaN)),
      0,
      /too few trials: at most 3 valid trials in a bin, \d+ needed/,
      { ...quick, minTrials: 4 },
    );
  });

  test("says that a unit has no spikes, or a constant response", () => {
    expectUndefined(
      changed(2, () => 0),
      2,
      /no spikes in the valid bins/,
    );
    expectUndefined(
      changed(2, () => 0.1),
      2,
      /the response is the same in all valid bins/,
    );
  });

  test("names how many predictions are not finite; ceilings do not mind", () => {
    const rates = responses.rates.map((rate, cell) => (cell % 3 === 0 && cell < 300 ? Number.NaN : rate));
    const { scores } = repeatScores({ ...responses, rates }, quick);
    for (const name of ["single_trial_correlation", "correlation_to_average", "feve", "ccnorm_signal_power"] as const) {
      expect(scores[name].values[0], name).toBeNaN();
      expect(scores[name].low[0], name).toBeNaN();
      expect(scores[name].reasons, name).toEqual([`100 of ${CELLS} predictions are not finite numbers`, null, null]);
    }
    for (const name of ["ccmax", "ccmax_signal_power", "fev", "jackknife_oracle", "signal_power"] as const) {
      expect(scores[name].values[0], name).toBeGreaterThan(0);
      expect(scores[name].reasons[0], name).toBeNull();
    }
  });

  test("names a prediction that does not vary", () => {
    const rates = responses.rates.map((rate, cell) => (cell % 3 === 0 ? 0.1 : rate));
    const { scores } = repeatScores({ ...responses, rates }, quick);
    expect(scores.ccnorm.reasons[0]).toBe("the prediction is the same in all valid bins");
    expect(scores.ccnorm.values[0]).toBeNaN();
    expect(scores.correlation_to_average.values[0]).toBeNaN();
  });

  test("has values but no intervals from two trials", () => {
    const two = { ...responses, trials: 2, robs: responses.robs.slice(0, 360), rates: responses.rates.slice(0, 360) };
    const { scores } = repeatScores(two, quick);
    expect(scores.fev.values[0]).not.toBeNaN();
    expect(scores.fev.low[0]).toBeNaN();
    expect(scores.ccmax.reasons[0]).toBe("too few trials: at most 2 valid trials in a bin, 20 needed");
  });

  test("refuses a confidence or a block that makes no sense", () => {
    expect(() => repeatScores(responses, { confidence: 95 })).toThrow("confidence is 95");
    expect(() => repeatScores(responses, { block: 0 })).toThrow("block is 0");
  });
});
