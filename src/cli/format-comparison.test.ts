import { expect, test } from "vitest";
import type { ComparedScore, Comparison } from "../eval/compare.ts";
import { comparisonAsCsv, comparisonAsData, formatComparison } from "./format-comparison.ts";

function scores(given: Partial<Record<ComparedScore, number[]>>): Record<ComparedScore, Float64Array> {
  const of = (name: ComparedScore) => Float64Array.from(given[name] ?? [Number.NaN, Number.NaN]);
  return {
    bps: of("bps"),
    correlation: of("correlation"),
    bps_repeats: of("bps_repeats"),
    ccabs: of("ccabs"),
    ccnorm: of("ccnorm"),
  };
}

const comparison: Comparison = {
  sessions: [
    { name: "A_1", cids: [3], validation: 40, repeats: 0 },
    { name: "B_2", cids: [7], validation: 60, repeats: 20 },
  ],
  contestants: [
    { name: "first", kind: "twin", notes: [], scores: scores({ bps: [0.4, 0.2], ccnorm: [Number.NaN, 0.9] }) },
    { name: "mean-rate", kind: "mean-rate", notes: [], scores: scores({ bps: [0, -0.1] }) },
  ],
  ccmax: Float64Array.of(Number.NaN, 0.8),
  differences: [
    { name: "mean-rate", score: "bps", difference: { mean: -0.35, low: -0.4, high: -0.3 }, p: 0.0004, units: 2 },
  ],
};

test("formatComparison() shows the scores that there are, the ceiling and the differences", () => {
  const text = formatComparison(comparison);
  expect(text).toMatch(/^mean \(median\) +bits per spike, validation +CCnorm, repeats\n/);
  expect(text).toMatch(/\nfirst +0\.3000 \(0\.3000\) +0\.9000 \(0\.9000, 1 of 2\)\n/);
  expect(text).toMatch(/\nmean-rate +-0\.0500 \(-0\.0500\) +-\n/);
  expect(text).toContain("2 sessions, 2 units, 100 validation samples, 20 samples of repeats");
  expect(text).toContain("(CCmax): 0.8000 (0.8000, 1 of 2)");
  expect(text).toMatch(/mean-rate +bits per spike, validation +-0\.3500 \[-0\.4000, -0\.3000\] +< 0\.001 +2$/);
});

test("comparisonAsCsv() has one line for each model and unit", () => {
  expect(comparisonAsCsv(comparison).split("\n").slice(0, 3)).toEqual([
    "session,unit,model,bps,correlation,bps_repeats,ccabs,ccnorm,ccmax",
    "A_1,3,first,0.4,,,,,",
    "B_2,7,first,0.2,,,,0.9,0.8",
  ]);
});

test("comparisonAsData() has null where there is no score", () => {
  const { models, ccmax } = comparisonAsData(comparison);
  expect(ccmax).toEqual([null, 0.8]);
  expect(models[1]!.scores).toMatchObject({ bps: [0, -0.1], ccnorm: [null, null] });
});
