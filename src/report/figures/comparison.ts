/**
 * @file The section on comparison: twins and baselines on the same units, samples and ceiling.
 */
import { COMPARED_SCORES, type ComparedScore, type Comparison } from "../../eval/compare.ts";
import { summarize } from "../evaluation-units.ts";
import type { Figure, ReportItem, ReportTable, Section, TableColumn } from "../figure.ts";
import { spreadChart } from "../row-chart.ts";

const SCORES = Object.keys(COMPARED_SCORES) as ComparedScore[];

/** The section; empty without a comparison. */
export function comparisonSection(comparison: Comparison | undefined): Section {
  const items: ReportItem[] =
    comparison === undefined
      ? []
      : [scoreTable(comparison), ...differenceTable(comparison), ...spreads(comparison), ...notes(comparison)];
  return { id: "comparison", heading: "Comparison", items };
}

function scoreTable({ contestants, sessions, ccmax }: Comparison): ReportTable {
  const columns = SCORES.flatMap((score): TableColumn[] => {
    const summaries = contestants.map(({ scores }) => summarize(scores[score]));
    const group = COMPARED_SCORES[score];
    return [
      { name: `${score}_mean`, title: "mean", group, values: summaries.map(({ mean }) => mean), decimals: 3 },
      { name: `${score}_median`, title: "median", group, values: summaries.map(({ median }) => median), decimals: 3 },
      { name: `${score}_n`, title: "n", group, values: summaries.map(({ n }) => n) },
    ];
  });
  const ceiling = summarize(ccmax);
  const units = sessions.reduce((sum, { cids }) => sum + cids.length, 0);
  return {
    kind: "table",
    id: "contestants",
    title: "Models on the same units and samples",
    caption:
      `${units} units of ${sessions.length} sessions that all models know, on samples that none was trained on, with the same valid bins. ` +
      `All CCnorm are relative to one ceiling, CCmax${ceiling.n === 0 ? ", which no unit has" : `, ${ceiling.mean.toFixed(3)} on average over ${ceiling.n} units`}.`,
    columns: [
      { name: "model", title: "model", values: contestants.map(({ name }) => name) },
      { name: "kind", title: "kind", values: contestants.map(({ kind }) => kind) },
      ...columns,
    ],
  };
}

function differenceTable({ differences, contestants }: Comparison): ReportTable[] {
  if (differences.length === 0) return [];
  const numbers = (name: string, title: string, key: "mean" | "low" | "high"): TableColumn => {
    return { name, title, values: differences.map(({ difference }) => difference[key]), decimals: 3 };
  };
  return [
    {
      kind: "table",
      id: "differences",
      title: `Differences from ${contestants[0]!.name}`,
      caption:
        "Mean over units that have both scores, its 95 % bootstrap interval over units, and p of Wilcoxon's signed-rank test, two-sided.",
      columns: [
        { name: "model", title: "model", values: differences.map(({ name }) => name) },
        { name: "score", title: "score", values: differences.map(({ score }) => COMPARED_SCORES[score]) },
        numbers("difference", "mean difference", "mean"),
        numbers("low", "from", "low"),
        numbers("high", "to", "high"),
        { name: "p", title: "p", values: differences.map(({ p }) => p), decimals: 4 },
        { name: "n", title: "n", values: differences.map(({ units }) => units) },
      ],
    },
  ];
}

function spreads({ contestants }: Comparison): Figure[] {
  return (["bps", "ccnorm"] as const).flatMap((score): Figure[] => {
    const rows = contestants.map(({ name, scores }) => ({ name, ...summarize(scores[score]) }));
    if (rows.every(({ n }) => n === 0)) return [];
    const x = COMPARED_SCORES[score];
    return [
      {
        kind: "figure",
        id: `compared-${score}`,
        title: `Models by ${x}`,
        caption: "Median (dot, and the number) and quartiles (bar) over units.",
        svg: spreadChart(
          { description: `Median and quartiles of ${x} of ${rows.length} models`, x },
          rows.map(({ name, q1, median, q3 }) => ({ name, low: q1, value: median, high: q3 })),
        ),
        columns: [
          { name: "model", values: rows.map(({ name }) => name) },
          { name: "lower_quartile", values: rows.map(({ q1 }) => q1) },
          { name: "median", values: rows.map(({ median }) => median) },
          { name: "upper_quartile", values: rows.map(({ q3 }) => q3) },
        ],
      },
    ];
  });
}

function notes({ contestants }: Comparison): ReportItem[] {
  const told = contestants.flatMap(({ name, notes }) => notes.map((note) => `${name}: ${note}`));
  return told.length === 0 ? [] : [{ kind: "listing", name: "Notes on the models", text: told.join("\n") }];
}
