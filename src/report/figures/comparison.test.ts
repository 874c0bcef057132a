import { expect, test } from "vitest";
import type { Comparison, Contestant } from "../../eval/compare.ts";
import { columnsAsCsv } from "../figure.ts";
import { markupErrors } from "../markup.fake.ts";
import { renderReport } from "../report.ts";
import { comparisonSection } from "./comparison.ts";

function contestant(name: string, kind: Contestant["kind"], bps: number[], notes: string[] = []): Contestant {
  const nothing = new Float64Array(bps.length).fill(Number.NaN);
  const scores = { correlation: nothing, bps_repeats: nothing, ccabs: nothing, ccnorm: nothing };
  return { name, kind, notes, scores: { ...scores, bps: Float64Array.from(bps) } };
}

const comparison: Comparison = {
  sessions: [{ name: "A_1", cids: [3, 7], validation: 100, repeats: 0 }],
  contestants: [
    contestant("ours <1>", "twin", [0.5, 0.7]),
    contestant("psth", "psth", [Number.NaN, 0.2], ["A_1: few trials"]),
  ],
  ccmax: Float64Array.of(Number.NaN, 0.8),
  differences: [{ name: "psth", score: "bps", difference: { mean: -0.5, low: -0.6, high: -0.4 }, p: 0.03, units: 1 }],
};

test("comparisonSection() shows contestants, what differs, and notes; no figure of a score that nobody has", () => {
  const section = comparisonSection(comparison);
  const ids = section.items.flatMap((item) => ("id" in item ? [item.id] : []));
  expect(ids).toEqual(["contestants", "differences", "compared-bps"]);
  const csv = (id: string) => {
    const item = section.items.find((one) => "id" in one && one.id === id);
    return item !== undefined && "columns" in item ? columnsAsCsv(item.columns) : "";
  };
  expect(csv("contestants")).toContain("ours <1>,twin,0.6,0.6,2,,,0,");
  expect(csv("differences")).toContain('psth,"bits per spike, validation",-0.5,-0.6,-0.4,0.03,1');
  const html = renderReport({ title: "", summary: "", facts: [], sections: [section] });
  expect(markupErrors(html)).toEqual([]);
  expect(html).toContain("0.800 on average over 1 units");
  expect(html).toContain("psth: A_1: few trials");
  expect(html).not.toMatch(/NaN|undefined/);
});

test("comparisonSection() is empty without a comparison", () => {
  expect(comparisonSection(undefined).items).toEqual([]);
});
