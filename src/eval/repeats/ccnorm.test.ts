import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { verifyCcnorm } from "../../verify/eval-ccnorm.ts";
import { analyticCcnorm, completeSignalPower } from "./analytic-ccnorm.ts";
import { ccnorm } from "./ccnorm.ts";
import { plantPopulation } from "./planted.fake.ts";
import { publicationProtocol } from "./publication-protocol.ts";

const { responses } = plantPopulation({ kind: "complete", trials: 24, bins: 60 }, 4, 1);

test.each(verifyCcnorm(join(import.meta.dirname, "../../../test/fixtures/eval")))(
  "verifyCcnorm() passes $name",
  (result) => {
    expect(result).toMatchObject({ status: "passed" });
  },
);

describe("ccnorm()", () => {
  test("is the same for the same seed, another for another, and never changes its inputs", () => {
    const dfs = responses.robs.map((_, cell) => Number(cell % 11 > 0));
    const masked = { ...responses, dfs };
    const before = structuredClone(masked);
    const options = { splits: 20, seed: 5, minTrialsPerBin: 18, minTrialsPerHalf: 6 };
    const first = ccnorm(masked, options);
    expect(ccnorm(masked, options)).toEqual(first);
    expect(ccnorm(masked, { ...options, seed: 6 }).ccmax).not.toEqual(first.ccmax);
    expect(masked).toEqual(before);
    expect(Array.from(first.splitsUsed)).toEqual([20, 20, 20, 20]);
  });

  test("keeps values above 1 beside those between 0 and 1", () => {
    const { ccnorm: raw, clipped } = ccnorm(responses, { splits: 50 });
    expect(Math.max(...raw)).toBeGreaterThan(1);
    expect(Array.from(clipped)).toEqual(Array.from(raw, (value) => Math.min(1, value)));
    const opposite = { ...responses, rates: responses.rates.map((rate) => -rate) };
    expect(Array.from(ccnorm(opposite, { splits: 50 }).clipped)).toEqual([0, 0, 0, 0]);
  });

  test("gives ceilings without predictions, which the reference does not", () => {
    const without = { ...responses, rates: new Float64Array(responses.rates.length).fill(Number.NaN) };
    const withPredictions = ccnorm(responses, { splits: 20 });
    const result = ccnorm(without, { splits: 20 });
    expect(result.ccmax).toEqual(withPredictions.ccmax);
    expect(Array.from(result.ccnorm)).toEqual(new Array(4).fill(Number.NaN));
    expect(result.reasons[0]).toBe("1440 of 1440 predictions are not finite numbers");
    expect(result.ceilingReasons).toEqual([null, null, null, null]);
    expect(ccnorm(without, { splits: 20, compat: "reference" }).ccmax[0]).toBeNaN();
  });

  test("leaves bins out whose prediction is missing, and says how many are", () => {
    const rates = responses.rates.slice();
    rates[8] = Number.NaN;
    const { ccnorm: scores, reasons } = ccnorm({ ...responses, rates }, { splits: 20 });
    expect(scores[0]).toBeGreaterThan(0.9);
    expect(reasons).toEqual(["1 of 1440 predictions are not finite numbers", null, null, null]);
  });

  test("has no ceiling where halves do not agree", () => {
    const robs = responses.robs.map((_, cell) => (Math.floor(cell / 240) % 2 === 0 ? 1 : -1) * ((cell % 240) % 7));
    const { ccmax, ceilingReasons, reasons } = ccnorm({ ...responses, robs }, { permutations: [alternating(24)] });
    expect(ccmax[0]).toBeNaN();
    expect(ceilingReasons[0]).toContain("no positive signal power");
    expect(reasons[0]).toContain("no positive signal power");
  });

  test("refuses orders that are not permutations, arrays of other sizes, and ddof 1", () => {
    const twice = [0, ...Array.from({ length: 23 }, (_, i) => i)];
    expect(() => ccnorm(responses, { permutations: [twice] })).toThrow("order 0 is not a permutation of 0 to 23");
    expect(() => ccnorm({ ...responses, robs: responses.robs.slice(1) })).toThrow(
      /robs has 5759 elements, 24 trials × 60/,
    );
    expect(() => ccnorm(responses, { ddof: 1 })).toThrow(UserError);
  });
});

/** Even trials first. */
function alternating(trials: number): number[] {
  const all = Array.from({ length: trials }, (_, trial) => trial);
  return [...all.filter((trial) => trial % 2 === 0), ...all.filter((trial) => trial % 2 === 1)];
}

describe("analyticCcnorm() and completeSignalPower()", () => {
  test("say why there is nothing to score", () => {
    const few = { ...responses, trials: 5, robs: responses.robs.slice(0, 1200), rates: responses.rates.slice(0, 1200) };
    expect(analyticCcnorm(few).reasons[0]).toBe("too few trials: at most 5 valid trials in a bin, 20 needed");
    const silent = { ...responses, robs: responses.robs.map(() => 0) };
    expect(completeSignalPower(silent).ccmax).toEqual({
      values: new Float64Array(4).fill(Number.NaN),
      reasons: new Array(4).fill("no spikes in the valid bins"),
    });
  });
});

describe("publicationProtocol()", () => {
  const rows = responses.trials * responses.bins;

  test("scores central gaze only, of trials with enough of it", () => {
    // The first two trials look away for all but 20 bins, the others now and then.
    const gaze = Float64Array.from({ length: 2 * rows }, (_, i) => {
      const row = Math.floor(i / 2);
      const away = row < 2 * responses.bins ? row % responses.bins >= 20 : row % 37 === 0;
      return away ? 1 : 0.1;
    });
    const options = { minSpikes: 0, splits: 20 };
    const result = publicationProtocol(responses, gaze, options);
    expect(Array.from(result.trials)).toEqual([0, 0, ...new Array(22).fill(1)]);
    const robs = responses.robs.slice(2 * 240);
    for (let row = 0; row < rows - 2 * responses.bins; row++) {
      if ((row + 2 * responses.bins) % 37 === 0) robs.fill(Number.NaN, row * 4, row * 4 + 4);
    }
    const kept = { ...responses, trials: 22, robs, rates: responses.rates.slice(2 * 240) };
    const [a, b] = [42, 43].map((seed) => ccnorm(kept, { splits: 20, seed }));
    const expected = a!.ccnorm.map((value, unit) => (value + b!.ccnorm[unit]!) / 2);
    expect(Array.from(result.ccnorm.values)).toEqual(Array.from(expected, (value) => expect.closeTo(value, 10)));
    expect(Array.from(result.reliable)).toEqual(Array.from(result.ccmax.values, (value) => Number(value > 0.85)));
    expect(result.psthCorrelation.values[0]).toBeGreaterThan(0.5);
    expect(result.explainedVariance.values[0]).toBeGreaterThan(result.explainedVarianceOfPsth.values[0]!);
  });

  test("takes the first bins, units with spikes, and estimates that agree", () => {
    const gaze = new Float64Array(2 * rows);
    const silent = {
      ...responses,
      robs: responses.robs.map((n, cell) => (cell % 4 === 0 ? Number(cell < 100 && n > 0) : n)),
    };
    const result = publicationProtocol(silent, gaze, { bins: 30, splits: 5 });
    expect(result.ccnorm.values[0]).toBeNaN();
    expect(result.ccnorm.reasons[0]).toMatch(/^too few spikes: \d+ under the protocol, more than 200 needed$/);
    expect(result.explainedVariance.values[0]).toBeNaN();
    // Odd trials share what even ones do not have: halves by parity agree less than mixed ones.
    const robs = responses.robs.map((n, cell) => n + (Math.floor(cell / 240) % 2 === 1 ? 3 * ((cell % 240) % 5) : 0));
    const all = Array.from({ length: 24 }, (_, trial) => trial);
    const mixed = [...all.filter((trial) => trial % 4 < 2), ...all.filter((trial) => trial % 4 >= 2)];
    const disagree = publicationProtocol({ ...responses, robs }, gaze, { permutations: [[alternating(24)], [mixed]] });
    expect(disagree.ccnorm.values.some((value) => Number.isNaN(value))).toBe(true);
    expect(disagree.ccnorm.reasons).toContain("two estimates from different halves are further apart than 0.1");
  });

  test("refuses gaze of another size", () => {
    expect(() => publicationProtocol(responses, new Float64Array(3))).toThrow(
      /gaze has 3 elements, 24 trials × 60 bins/,
    );
  });
});
