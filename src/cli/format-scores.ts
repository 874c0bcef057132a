/**
 * @file Scores as a table, as CSV and as JSON, for `visioncore eval`.
 */
import type { ScoredSession } from "./score-twin.ts";
import { formatTable } from "./terminal.ts";

/** What can be asked for: bits per spike, and correlation of rates with responses. */
export const ANALYSES = ["bps", "correlation"] as const;

/** One of {@link ANALYSES}. */
export type Analysis = (typeof ANALYSES)[number];

/** Scores of one session in numbers, averaged over the units that have the score. */
export interface SessionSummary {
  readonly session: string;
  readonly units: number;
  /** Units without spikes in the validation frames; they have no score. */
  readonly silent: number;
  readonly samples: number;
  /** Bits per spike. */
  readonly mean: number;
  readonly median: number;
  /** Mean bits per spike of the true rates; NaN where they are unknown. */
  readonly oracle: number;
  /** Mean as a part of it. */
  readonly fraction: number;
  readonly meanCorrelation: number;
  readonly medianCorrelation: number;
}

/** One summary for each session, and one for all units together where there are several sessions. */
export function summarizeScores(sessions: readonly ScoredSession[]): SessionSummary[] {
  const rows = sessions.map(summarize);
  if (sessions.length < 2) return rows;
  const joined = (values: readonly Float64Array[]) => Float64Array.from(values.flatMap((part) => [...part]));
  const oracles = sessions.map(({ oracleBps }) => oracleBps);
  const all: ScoredSession = {
    name: "all",
    cids: sessions.flatMap(({ cids }) => cids),
    bps: joined(sessions.map(({ bps }) => bps)),
    oracleBps: oracles.every((oracle) => oracle !== null) ? joined(oracles) : null,
    correlation: joined(sessions.map(({ correlation }) => correlation)),
    samples: sessions.reduce((sum, { samples }) => sum + samples, 0),
  };
  return [...rows, summarize(all)];
}

function summarize({ name, cids, bps, oracleBps, correlation, samples }: ScoredSession): SessionSummary {
  const scored = [...bps].filter(Number.isFinite);
  const correlated = [...correlation].filter(Number.isFinite);
  const mean = average(scored);
  const oracle = average([...(oracleBps ?? [])].filter(Number.isFinite));
  return {
    session: name,
    units: cids.length,
    silent: cids.length - scored.length,
    samples,
    mean,
    median: medianOf(scored),
    oracle,
    fraction: mean / oracle,
    meanCorrelation: average(correlated),
    medianCorrelation: medianOf(correlated),
  };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

/** A column of the table. */
interface Column {
  readonly title: string;
  readonly cell: (summary: SessionSummary) => string;
}

/** The summaries as a table. Columns about the true rates appear where some are known. */
export function formatScores(summaries: readonly SessionSummary[], analyses: readonly Analysis[]): string {
  const score = (value: number) => (Number.isNaN(value) ? "-" : value.toFixed(4));
  const percent = (part: number) => (Number.isNaN(part) ? "-" : `${(100 * part).toFixed(1)} %`);
  const columns: Column[] = [
    { title: "session", cell: ({ session }) => session },
    { title: "units", cell: ({ units }) => String(units) },
    { title: "silent", cell: ({ silent }) => String(silent) },
    { title: "frames", cell: ({ samples }) => String(samples) },
  ];
  if (analyses.includes("bps")) {
    columns.push({ title: "mean bits/spike", cell: ({ mean }) => score(mean) });
    columns.push({ title: "median", cell: ({ median }) => score(median) });
    if (summaries.some(({ oracle }) => !Number.isNaN(oracle))) {
      columns.push({ title: "true rates", cell: ({ oracle }) => score(oracle) });
      columns.push({ title: "reached", cell: ({ fraction }) => percent(fraction) });
    }
  }
  if (analyses.includes("correlation")) {
    columns.push({ title: "mean correlation", cell: ({ meanCorrelation }) => score(meanCorrelation) });
    columns.push({ title: "median", cell: ({ medianCorrelation }) => score(medianCorrelation) });
  }
  return formatTable(
    columns.map(({ title }) => title),
    summaries.map((summary) => columns.map(({ cell }) => cell(summary))),
  );
}

/** The scores of one unit, by name. */
function unitScores(
  { bps, oracleBps, correlation }: ScoredSession,
  unit: number,
  analyses: readonly Analysis[],
): Record<string, number | null> {
  return {
    ...(analyses.includes("bps") && {
      bits_per_spike: bps[unit]!,
      true_rates_bits_per_spike: oracleBps?.[unit] ?? null,
    }),
    ...(analyses.includes("correlation") && { correlation: correlation[unit]! }),
  };
}

/**
 * One line a unit: `session,unit,bits_per_spike,true_rates_bits_per_spike,correlation`, as far as asked for. Empty where
 * there is no score.
 */
export function scoresAsCsv(sessions: readonly ScoredSession[], analyses: readonly Analysis[]): string {
  const cell = (value: number | null) => (value === null || Number.isNaN(value) ? "" : String(value));
  const names = [
    ...(analyses.includes("bps") ? ["bits_per_spike", "true_rates_bits_per_spike"] : []),
    ...(analyses.includes("correlation") ? ["correlation"] : []),
  ];
  const lines = sessions.flatMap((session) =>
    session.cids.map((unit, i) =>
      [session.name, unit, ...Object.values(unitScores(session, i, analyses)).map(cell)].join(","),
    ),
  );
  return `${[["session", "unit", ...names].join(","), ...lines].join("\n")}\n`;
}

/** The same as plain data, with the summaries; a score that does not exist is null in JSON. */
export function scoresAsData(checkpoint: string, sessions: readonly ScoredSession[], analyses: readonly Analysis[]) {
  return {
    checkpoint,
    summary: summarizeScores(sessions),
    sessions: sessions.map((session) => ({
      session: session.name,
      samples: session.samples,
      units: session.cids.map((unit, i) => ({ unit, ...unitScores(session, i, analyses) })),
    })),
  };
}
