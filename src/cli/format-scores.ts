/**
 * @file Scores as a table, as CSV and as JSON, for `visioncore eval`.
 */
import type { ScoredSession } from "./score-twin.ts";
import { formatTable } from "./terminal.ts";

/** Scores of one session in numbers, averaged over the units that have spikes. */
export interface SessionSummary {
  readonly session: string;
  readonly units: number;
  /** Units without spikes in the validation frames; they have no score. */
  readonly silent: number;
  readonly samples: number;
  readonly mean: number;
  readonly median: number;
  /** Mean of the true rates; NaN where they are unknown. */
  readonly oracle: number;
  /** Mean as a part of it. */
  readonly fraction: number;
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
    samples: sessions.reduce((sum, { samples }) => sum + samples, 0),
  };
  return [...rows, summarize(all)];
}

function summarize({ name, cids, bps, oracleBps, samples }: ScoredSession): SessionSummary {
  const scored = [...bps].filter(Number.isFinite).sort((a, b) => a - b);
  const mean = average(scored);
  const oracle = average([...(oracleBps ?? [])].filter(Number.isFinite));
  const middle = (scored.length - 1) / 2;
  return {
    session: name,
    units: cids.length,
    silent: cids.length - scored.length,
    samples,
    mean,
    median: ((scored[Math.floor(middle)] ?? Number.NaN) + (scored[Math.ceil(middle)] ?? Number.NaN)) / 2,
    oracle,
    fraction: mean / oracle,
  };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The summaries as a table. Columns about the true rates appear where some are known. */
export function formatScores(summaries: readonly SessionSummary[]): string {
  const hasOracle = summaries.some(({ oracle }) => !Number.isNaN(oracle));
  const header = [
    "session",
    "units",
    "silent",
    "frames",
    "mean bits/spike",
    "median",
    ...(hasOracle ? ["true rates", "reached"] : []),
  ];
  const bits = (value: number) => (Number.isNaN(value) ? "-" : value.toFixed(4));
  const rows = summaries.map(({ session, units, silent, samples, mean, median, oracle, fraction }) => {
    const cells = [session, String(units), String(silent), String(samples), bits(mean), bits(median)];
    if (!hasOracle) return cells;
    return [...cells, bits(oracle), Number.isNaN(fraction) ? "-" : `${(100 * fraction).toFixed(1)} %`];
  });
  return formatTable(header, rows);
}

/** One line a unit: `session,unit,bits_per_spike,true_rates_bits_per_spike`. Empty where there is no score. */
export function scoresAsCsv(sessions: readonly ScoredSession[]): string {
  const cell = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? "" : String(value));
  const lines = sessions.flatMap(({ name, cids, bps, oracleBps }) =>
    cids.map((unit, i) => `${name},${unit},${cell(bps[i])},${cell(oracleBps?.[i])}`),
  );
  return `${["session,unit,bits_per_spike,true_rates_bits_per_spike", ...lines].join("\n")}\n`;
}

/** The same as plain data; a score that does not exist is null in JSON. */
export function scoresAsData(checkpoint: string, sessions: readonly ScoredSession[]) {
  return {
    checkpoint,
    summary: summarizeScores(sessions),
    sessions: sessions.map(({ name, cids, bps, oracleBps, samples }) => ({
      session: name,
      samples,
      units: cids.map((unit, i) => ({
        unit,
        bits_per_spike: bps[i],
        true_rates_bits_per_spike: oracleBps?.[i] ?? null,
      })),
    })),
  };
}
