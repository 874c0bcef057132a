import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import type { TrialResponses } from "../trials.ts";
import { conservativeOracle } from "./conservative-oracle.ts";
import { correlationToAverage } from "./correlation-to-average.ts";
import { explainableVarianceExplained, fractionExplainable } from "./explainable-variance.ts";
import { explainedVariance, explainedVarianceOfPsth } from "./explained-variance.ts";
import { firstRepeats } from "./first-repeats.ts";
import { jackknifeInterval } from "./jackknife.ts";
import { jackknifeOracle } from "./jackknife-oracle.ts";
import { ccmaxBySignalPower, ccnormBySignalPower, noisePower, signalPower } from "./signal-power.ts";
import { singleTrialCorrelation } from "./single-trial-correlation.ts";
import { studentT } from "./student-t.ts";

const [TRIALS, BINS] = [7, 25];

/** One unit, 2 to 7 trials per bin: what is missing is NaN in one half of the cells, masked in the other. */
const responses: TrialResponses = (() => {
  const random = new MersenneTwister(3);
  const cells = TRIALS * BINS;
  const rates = Float64Array.from({ length: cells }, (_, cell) => 3 + 2.5 * Math.sin(cell % BINS) + random.uniform());
  const robs = rates.map((rate) => Math.floor(rate + 3 * random.uniform()));
  const dfs = new Float64Array(cells).fill(1);
  for (let cell = 2 * BINS; cell < cells; cell++) {
    if (random.uniform() < 0.6) continue;
    if (random.uniform() < 0.5) robs[cell] = Number.NaN;
    else dfs[cell] = 0;
  }
  return { trials: TRIALS, bins: BINS, units: 1, robs, rates, dfs };
})();

/** The valid (response, prediction) pairs of every bin. */
const perBin = Array.from({ length: BINS }, (_, bin) =>
  Array.from({ length: TRIALS }, (_, trial) => trial * BINS + bin)
    .filter((cell) => responses.dfs![cell] === 1 && !Number.isNaN(responses.robs[cell]))
    .map((cell) => ({ r: responses.robs[cell]!, q: responses.rates[cell]! })),
);

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: readonly number[], ddof: number) =>
  values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - ddof);
const covariance = (a: readonly number[], b: readonly number[]) =>
  mean(a.map((x, i) => (x - mean(a)) * (b[i]! - mean(b))));
const correlation = (a: readonly number[], b: readonly number[]) =>
  covariance(a, b) / Math.sqrt(variance(a, 0) * variance(b, 0));

const y = perBin.map((bin) => mean(bin.map(({ r }) => r)));
const p = perBin.map((bin) => mean(bin.map(({ q }) => q)));
const noise = perBin.map((bin) =>
  variance(
    bin.map(({ r }) => r),
    1,
  ),
);
const cells = perBin.flat();
const r = cells.map((cell) => cell.r);
const q = cells.map((cell) => cell.q);
const others = perBin.flatMap((bin) => bin.map((cell) => mean(bin.filter((other) => other !== cell).map((o) => o.r))));
const cellNoise = mean(perBin.flatMap((bin, i) => bin.map(() => noise[i]!)));
const SP = variance(y, 1) - mean(noise.map((s2, i) => s2 / perBin[i]!.length));
const MSE = mean(perBin.flatMap((bin, i) => bin.map((cell) => (cell.r - p[i]!) ** 2)));
const Vm = variance(y, 0);
const Vn = mean(
  perBin.map((bin) =>
    variance(
      bin.map((cell) => cell.r),
      0,
    ),
  ),
);

describe("measures of repeats that vary in number are what their formulas say", () => {
  test("the example has repeats of different number", () => {
    expect(new Set(perBin.map((bin) => bin.length)).size).toBeGreaterThan(3);
    expect(Math.min(...perBin.map((bin) => bin.length))).toBeGreaterThanOrEqual(2);
  });

  test.each([
    ["signalPower()", signalPower, SP],
    ["noisePower()", noisePower, mean(noise)],
    ["ccmaxBySignalPower()", ccmaxBySignalPower, Math.sqrt(SP / variance(y, 1))],
    ["ccnormBySignalPower()", ccnormBySignalPower, correlation(y, p) / Math.sqrt(SP / variance(y, 1))],
    ["correlationToAverage()", correlationToAverage, correlation(y, p)],
    ["singleTrialCorrelation()", singleTrialCorrelation, correlation(r, q)],
    ["fractionExplainable()", fractionExplainable, (variance(r, 1) - cellNoise) / variance(r, 1)],
    [
      "explainableVarianceExplained()",
      explainableVarianceExplained,
      1 - (MSE - cellNoise) / (variance(r, 1) - cellNoise),
    ],
    ["jackknifeOracle()", jackknifeOracle, correlation(r, others)],
    ["conservativeOracle()", conservativeOracle, Math.sqrt(Vm / (Vm + Vn))],
    [
      "explainedVariance()",
      explainedVariance,
      1 -
        variance(
          r.map((value, i) => value - q[i]!),
          0,
        ) /
          variance(r, 0),
    ],
    [
      "explainedVarianceOfPsth()",
      explainedVarianceOfPsth,
      1 -
        variance(
          r.map((value, i) => value - others[i]!),
          0,
        ) /
          variance(r, 0),
    ],
  ])("%s", (_, measure, expected) => {
    const { values, reasons } = measure(responses);
    expect(values[0]).toBeCloseTo(expected, 10);
    expect(reasons).toEqual([null]);
  });

  test("keep their digits beside a large mean", () => {
    const shifted = {
      ...responses,
      robs: responses.robs.map((v) => v + 1e6),
      rates: responses.rates.map((v) => v + 1e6),
    };
    expect(signalPower(shifted).values[0]).toBeCloseTo(SP, 6);
    expect(singleTrialCorrelation(shifted).values[0]).toBeCloseTo(correlation(r, q), 6);
  });
});

describe("firstRepeats()", () => {
  test("keeps the first valid repeats, as many as all bins have", () => {
    const fewest = Math.min(...perBin.map((bin) => bin.length));
    const kept = firstRepeats(responses);
    expect(kept.dfs.reduce((sum, value) => sum + value)).toBe(fewest * BINS);
    for (let bin = 0; bin < BINS; bin++) {
      const values = Array.from({ length: TRIALS }, (_, trial) => trial * BINS + bin).filter(
        (cell) => kept.dfs[cell] === 1,
      );
      expect(values.map((cell) => responses.robs[cell])).toEqual(perBin[bin]!.slice(0, fewest).map((cell) => cell.r));
    }
    expect(firstRepeats(responses, 5).dfs.reduce((sum, value) => sum + value)).toBe(
      5 * perBin.filter((bin) => bin.length >= 5).length,
    );
  });
});

describe("studentT()", () => {
  test.each([
    [0.95, 1, 12.7062],
    [0.95, 5, 2.57058],
    [0.95, 6.4, 2.41031],
    [0.99, 30, 2.75],
    [0.95, 500, 1.96472],
  ])("%d with %d degrees of freedom is %d", (probability, degrees, expected) => {
    expect(studentT(probability, degrees) / expected).toBeCloseTo(1, 4);
  });
});

describe("jackknifeInterval()", () => {
  test("is the t interval of a mean", () => {
    const values = [3, 5, 4, 8, 6, 1];
    const n = values.length;
    const average = mean(values);
    const leftOut = values.map((value) => (average * n - value) / (n - 1));
    const [low, high] = jackknifeInterval(average, leftOut, new Array(n).fill(1), (n - 1) / n, 0.95);
    const reach = studentT(0.95, n - 1) * Math.sqrt(variance(values, 1) / n);
    expect([low, high]).toEqual([expect.closeTo(average - reach, 10), expect.closeTo(average + reach, 10)]);
  });

  test("takes a shift in proportion to the size of groups for bias, not spread", () => {
    const [low, high] = jackknifeInterval(1, [1.2, 1.1, 1.1, 1.4], [2, 1, 1, 4], 1, 0.95);
    expect(high - low).toBeCloseTo(0, 10);
  });

  test("is unknown for one group, or when an estimate is", () => {
    expect(jackknifeInterval(1, [1], [1], 1, 0.95)).toEqual([Number.NaN, Number.NaN]);
    expect(jackknifeInterval(1, [1, Number.NaN, 2], [1, 1, 1], 1, 0.95)).toEqual([Number.NaN, Number.NaN]);
  });
});
