import { describe, expect, test } from "vitest";
import { ANALYSES, formatScores, scoresAsCsv, scoresAsData, summarizeScores } from "./format-scores.ts";
import type { ScoredSession } from "./score-twin.ts";

const known: ScoredSession = {
  name: "A_1",
  cids: [2, 5, 9],
  bps: Float64Array.of(0.1, 0.3, Number.NaN),
  oracleBps: Float64Array.of(0.4, 0.4, Number.NaN),
  correlation: Float64Array.of(0.5, 0.2, Number.NaN),
  samples: 100,
};
const unknown: ScoredSession = {
  name: "B_2",
  cids: [0],
  bps: Float64Array.of(1),
  oracleBps: null,
  correlation: Float64Array.of(0.75),
  samples: 50,
};

describe("summarizeScores()", () => {
  test("leaves silent units out of the means", () => {
    const [row] = summarizeScores([known]);
    expect(row).toMatchObject({ session: "A_1", units: 3, silent: 1, samples: 100, oracle: 0.4 });
    const { mean, median, fraction, meanCorrelation, medianCorrelation } = row!;
    expect([mean, median, fraction, meanCorrelation, medianCorrelation]).toEqual(
      [0.2, 0.2, 0.5, 0.35, 0.35].map((value) => expect.closeTo(value, 12)),
    );
  });

  test("adds a row for all units where there are several sessions", () => {
    const rows = summarizeScores([known, unknown]);
    expect(rows.map(({ session }) => session)).toEqual(["A_1", "B_2", "all"]);
    expect(rows[2]).toMatchObject({ units: 4, silent: 1, samples: 150, median: 0.3, oracle: Number.NaN });
    expect(rows[2]!.medianCorrelation).toBe(0.5);
  });

  test("has no numbers for a session of silent units", () => {
    const silent = Float64Array.of(Number.NaN);
    const [row] = summarizeScores([{ ...unknown, bps: silent, correlation: silent }]);
    expect(row).toMatchObject({ silent: 1, mean: Number.NaN, median: Number.NaN, medianCorrelation: Number.NaN });
    expect(formatScores([row!], ANALYSES)).toBe(
      [
        "session  units  silent  frames  mean bits/spike  median  mean correlation  median",
        "B_2          1       1      50                -       -                 -       -",
      ].join("\n"),
    );
  });

  test("keeps the score of units whose correlation is not defined", () => {
    const [row] = summarizeScores([{ ...known, correlation: Float64Array.of(Number.NaN, 0.2, Number.NaN) }]);
    expect(row).toMatchObject({ silent: 1, mean: expect.closeTo(0.2, 12), meanCorrelation: 0.2 });
  });
});

describe("formatScores()", () => {
  test("shows true rates where some are known", () => {
    const [header, first, second] = formatScores(summarizeScores([known, unknown]), ["bps"]).split("\n");
    expect(header).toMatch(/true rates {2}reached$/);
    expect(first).toMatch(/0\.2000 {2}0\.2000 +0\.4000 +50\.0 %$/);
    expect(second).toMatch(/1\.0000 {2}1\.0000 +- +-$/);
  });

  test("shows what was asked for", () => {
    expect(formatScores(summarizeScores([unknown]), ["correlation"])).toBe(
      [
        "session  units  silent  frames  mean correlation  median",
        "B_2          1       0      50            0.7500  0.7500",
      ].join("\n"),
    );
  });
});

test("scoresAsCsv() leaves cells empty where there is no score", () => {
  expect(scoresAsCsv([known, unknown], ["bps"])).toBe(
    "session,unit,bits_per_spike,true_rates_bits_per_spike\nA_1,2,0.1,0.4\nA_1,5,0.3,0.4\nA_1,9,,\nB_2,0,1,\n",
  );
  expect(scoresAsCsv([known], ["correlation"])).toBe("session,unit,correlation\nA_1,2,0.5\nA_1,5,0.2\nA_1,9,\n");
  expect(scoresAsCsv([unknown], ["correlation", "bps"])).toBe(
    "session,unit,bits_per_spike,true_rates_bits_per_spike,correlation\nB_2,0,1,,0.75\n",
  );
});

test("scoresAsData() becomes JSON with null where there is no score", () => {
  const json = (analyses: typeof ANALYSES | ["bps"]) =>
    JSON.parse(JSON.stringify(scoresAsData("x.safetensors", [known], analyses)));
  expect(json(["bps"]).sessions[0].units[2]).toEqual({
    unit: 9,
    bits_per_spike: null,
    true_rates_bits_per_spike: null,
  });
  expect(json(ANALYSES).sessions[0].units[1]).toEqual({
    unit: 5,
    bits_per_spike: 0.3,
    true_rates_bits_per_spike: 0.4,
    correlation: 0.2,
  });
});
