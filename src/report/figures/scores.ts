/**
 * @file The section on scores: in numbers over units and sessions, and their distributions.
 */
import type { Evaluation, SessionEvaluation } from "../../eval/evaluate.ts";
import {
  type PooledScore,
  type PooledUnits,
  scoreColumns,
  sessionScores,
  summarize,
  unitColumns,
} from "../evaluation-units.ts";
import type { Figure, ReportItem, ReportTable, Section, TableColumn } from "../figure.ts";
import { spreadChart } from "../row-chart.ts";
import { distributionFigure, present, scatterFigure } from "./unit-figures.ts";

/** Scores that the table of sessions shows, as far as they are known. */
const SESSION_SCORES = ["bps", "bps_true_rates", "ccnorm", "ccmax", "feve"];

/** The section. */
export function scoreSection(evaluation: Evaluation, units: PooledUnits): Section {
  const items: ReportItem[] = [];
  if (units.scores.size > 0) {
    items.push(summaryTable(units), sessionTable(evaluation, units));
    items.push(...present([...spreads(evaluation, units), ...distributions(units), ...comparisons(units)]));
    items.push(unitTable(units));
  }
  return { id: "scores", heading: "Scores", items };
}

function headlines({ scores }: PooledUnits): PooledScore[] {
  return [...scores.values()].filter(({ headline }) => headline);
}

function summaryTable(units: PooledUnits): ReportTable {
  const scores = headlines(units);
  const summaries = scores.map(({ values }) => summarize(values));
  const numbers = (key: "mean" | "median" | "q1" | "q3", title: string): TableColumn => {
    return { name: key, title, values: summaries.map((summary) => summary[key]), decimals: 3 };
  };
  return {
    kind: "table",
    id: "summary",
    title: "Scores over all units",
    caption:
      "Units without a score are left out, never counted as 0; n says how many have it, the section on gaps says why others do not. " +
      "The section on definitions gives the formula of each score.",
    columns: [
      { name: "score", title: "score", values: scores.map(({ title }) => title) },
      { name: "n", title: "n", values: summaries.map(({ n }) => n) },
      numbers("mean", "mean"),
      numbers("median", "median"),
      numbers("q1", "lower quartile"),
      numbers("q3", "upper quartile"),
    ],
  };
}

function sessionTable({ sessions }: Evaluation, units: PooledUnits): ReportTable {
  const scores = SESSION_SCORES.flatMap((key) => units.scores.get(key) ?? []);
  const columns = scores.flatMap(({ key, title }): TableColumn[] => {
    const summaries = sessions.map((session) => summarize(valuesOf(session, key)));
    return [
      { name: `${key}_mean`, title: "mean", group: title, values: summaries.map(({ mean }) => mean), decimals: 3 },
      {
        name: `${key}_median`,
        title: "median",
        group: title,
        values: summaries.map(({ median }) => median),
        decimals: 3,
      },
      { name: `${key}_n`, title: "n", group: title, values: summaries.map(({ n }) => n) },
    ];
  });
  return {
    kind: "table",
    id: "sessions",
    title: "Scores of every session",
    caption: "Mean and median over the units that have the score, and their number.",
    columns: [
      { name: "session", title: "session", values: sessions.map(({ name }) => name) },
      { name: "units", title: "units", values: sessions.map(({ cids }) => cids.length) },
      ...columns,
    ],
  };
}

function valuesOf(session: SessionEvaluation, key: string): ArrayLike<number> {
  return sessionScores(session).find((score) => score.key === key)?.values ?? [];
}

/** Medians and quartiles by session, where there are several. */
function spreads({ sessions }: Evaluation, units: PooledUnits): (Figure | null)[] {
  if (sessions.length < 2) return [];
  return ["bps", "ccnorm"].map((key) => {
    const score = units.scores.get(key);
    if (score === undefined) return null;
    const groups = sessions.map((session) => ({ name: session.name, ...summarize(valuesOf(session, key)) }));
    const description = `Median and quartiles of ${score.title} in ${sessions.length} sessions`;
    const rows = groups.map(({ name, q1, median, q3 }) => ({ name, low: q1, value: median, high: q3 }));
    return {
      kind: "figure",
      id: `session-${key}`,
      title: `${capital(score.title)} by session`,
      caption: "Median (dot, and the number) and quartiles (bar) over the units of each session.",
      svg: spreadChart({ description, x: score.title }, rows),
      columns: [
        { name: "session", values: groups.map(({ name }) => name) },
        { name: "n", values: groups.map(({ n }) => n) },
        { name: `${key}_lower_quartile`, values: groups.map(({ q1 }) => q1) },
        { name: `${key}_median`, values: groups.map(({ median }) => median) },
        { name: `${key}_upper_quartile`, values: groups.map(({ q3 }) => q3) },
      ],
    };
  });
}

/** Of scores that other sections do not show. */
function distributions(units: PooledUnits): (Figure | null)[] {
  const shown = headlines(units).filter(
    ({ key }) => /^(bps|correlation_|ccnorm$|feve$|single_trial)/.test(key) && !key.includes("true_rates"),
  );
  return shown.map((score) => distributionFigure(score, { title: capital(score.title) }));
}

function comparisons(units: PooledUnits): (Figure | null)[] {
  const stimuli = [...units.scores.keys()].flatMap((key) => /^bps_true_rates(.*)$/.exec(key)?.slice(1) ?? []);
  const truth = stimuli.slice(0, 1).map((suffix) =>
    scatterFigure(
      units,
      units.scores.get(`bps_true_rates${suffix}`),
      units.scores.get(`bps${suffix}`),
      {
        id: `bps-true-rates${suffix.replace("_", "-")}`,
        title: "Predictions against true rates",
        caption:
          "Bits per spike of the rates that the spikes were drawn from, and of the predictions: on the dashed line nothing more could be predicted.",
        xLabel: "true rates (bits per spike)",
        yLabel: "predictions (bits per spike)",
      },
      { hasDiagonal: true },
    ),
  );
  const against = scatterFigure(units, units.scores.get("bps"), units.scores.get("ccnorm"), {
    id: "ccnorm-bps",
    title: "Noise-corrected correlation against bits per spike",
    caption: "The first is about the mean over repeats, the second about every spike on trials that were not repeated.",
  });
  return [...truth, against];
}

/** All scores of all units, to download. */
function unitTable(units: PooledUnits): ReportTable {
  const columns = [...unitColumns(units), ...[...units.scores.values()].flatMap(scoreColumns)];
  return {
    kind: "table",
    id: "units",
    title: "All scores of all units",
    caption: `${units.count.toLocaleString("en-US")} rows and ${columns.length} columns, to download. Confidence intervals are the columns that end in _low and _high.`,
    columns: columns.map((column) => ({ ...column, title: column.name })),
    isHidden: true,
  };
}

/** A sentence's first letter; CCnorm and the like stay as they are. */
function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
