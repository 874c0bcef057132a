/**
 * @file A comparison as a table, as CSV and as JSON, for `visioncore compare`.
 */
import { COMPARED_SCORES, type ComparedScore, type Comparison } from "../eval/compare.ts";
import { summarize } from "./format-evaluation.ts";
import { formatTable } from "./terminal.ts";

const SCORES = Object.keys(COMPARED_SCORES) as ComparedScore[];

/** Mean and median of every score, the ceiling, and how each contestant differs from the first. */
export function formatComparison({ sessions, contestants, ccmax, differences }: Comparison): string {
  const shown = SCORES.filter((score) => contestants.some(({ scores }) => summarize(scores[score]).units > 0));
  const cell = (values: Float64Array) => {
    const { units, mean, median } = summarize(values);
    if (units === 0) return "-";
    return `${mean.toFixed(4)} (${median.toFixed(4)}${units < values.length ? `, ${units} of ${values.length}` : ""})`;
  };
  const table = formatTable(
    ["mean (median)", ...shown.map((score) => COMPARED_SCORES[score])],
    contestants.map(({ name, scores }) => [name, ...shown.map((score) => cell(scores[score]))]),
  );
  const count = (key: "validation" | "repeats") => sessions.reduce((sum, session) => sum + session[key], 0);
  const basis =
    `${sessions.length} sessions, ${ccmax.length} units, ${count("validation")} validation samples, ` +
    `${count("repeats")} samples of repeats`;
  const ceiling = summarize(ccmax).units > 0 ? [`Ceiling of correlations to average (CCmax): ${cell(ccmax)}`] : [];
  return [table, "", basis, ...ceiling, ...formatDifferences(contestants[0]!.name, differences)].join("\n");
}

function formatDifferences(first: string, differences: Comparison["differences"]): string[] {
  if (differences.length === 0) return [];
  const rows = differences.map(({ name, score, difference: { mean, low, high }, p, units }) => [
    name,
    COMPARED_SCORES[score],
    `${mean.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`,
    p < 0.001 ? "< 0.001" : p.toFixed(3),
    String(units),
  ]);
  return ["", formatTable([`against ${first}`, "score", "difference [95 %]", "p", "units"], rows)];
}

/** One line a unit and contestant. Empty where there is no score. */
export function comparisonAsCsv({ sessions, contestants, ccmax }: Comparison): string {
  const owners = sessions.flatMap(({ name, cids }) => cids.map((cid) => `${name},${cid}`));
  const cell = (value: number) => (Number.isFinite(value) ? String(value) : "");
  const lines = contestants.flatMap(({ name, scores }) =>
    owners.map((owner, unit) =>
      [owner, name, ...SCORES.map((score) => cell(scores[score][unit]!)), cell(ccmax[unit]!)].join(","),
    ),
  );
  return `${[["session", "unit", "model", ...SCORES, "ccmax"].join(","), ...lines].join("\n")}\n`;
}

/** The same as plain data, with the differences; a score that does not exist is null. */
export function comparisonAsData({ sessions, contestants, ccmax, differences }: Comparison) {
  const list = (values: Float64Array) => Array.from(values, (value) => (Number.isFinite(value) ? value : null));
  return {
    sessions,
    ccmax: list(ccmax),
    models: contestants.map(({ name, kind, scores, notes }) => ({
      name,
      kind,
      notes,
      scores: Object.fromEntries(SCORES.map((score) => [score, list(scores[score])])),
    })),
    differences,
  };
}
