/**
 * @file An evaluation as a table, as CSV and as JSON, for `visioncore eval`.
 */
import type { UnitScore } from "../eval/analysis.ts";
import type { Evaluation, SessionEvaluation } from "../eval/evaluate.ts";
import { sessionScores } from "../report/evaluation-units.ts";
import { formatTable } from "./terminal.ts";

/** Mean and median of a score over the units that have it. */
export interface ScoreSummary {
  readonly units: number;
  readonly mean: number;
  readonly median: number;
}

/** Those that tables show. */
export function headlineScores(session: SessionEvaluation): UnitScore[] {
  return sessionScores(session).filter(({ headline }) => headline);
}

/** Mean and median over the numbers among these values. */
export function summarize(values: Iterable<number>): ScoreSummary {
  const sorted = Float64Array.from([...values].filter(Number.isFinite)).sort();
  const middle = (sorted.length - 1) / 2;
  return {
    units: sorted.length,
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    median: ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2,
  };
}

/** Scores that fit beside each other on a terminal. */
const COLUMNS = 6;

/** Sessions that do. */
const SESSIONS = 4;

/**
 * Headline scores of every session, mean and median, and of all units together where there are several sessions. Many scores
 * get a row each, beside few sessions or all units together.
 */
export function formatEvaluation({ sessions }: Evaluation): string {
  const headlines = new Map(sessions.flatMap(headlineScores).map(({ key, title }) => [key, title]));
  const members = sessions.map((session) => ({ name: session.name, sessions: [session] }));
  const all = { name: "all", sessions };
  const units = ({ sessions: of }: typeof all) => String(of.reduce((sum, { cids }) => sum + cids.length, 0));
  if (headlines.size <= COLUMNS) {
    const shown = sessions.length > 1 ? [...members, all] : members;
    return formatTable(
      ["mean (median)", "units", ...headlines.values()],
      shown.map((one) => [one.name, units(one), ...[...headlines.keys()].map((key) => cell(one.sessions, key))]),
    );
  }
  const shown = sessions.length === 1 ? members : sessions.length <= SESSIONS ? [...members, all] : [all];
  return formatTable(
    ["mean (median)", ...shown.map(({ name }) => name)],
    [
      ["units", ...shown.map(units)],
      ...[...headlines].map(([key, title]) => [title, ...shown.map((one) => cell(one.sessions, key))]),
    ],
  );
}

/** `0.1234 (0.1200)`, and how many units have the score when not all do. */
function cell(sessions: readonly SessionEvaluation[], key: string): string {
  const values = sessions.flatMap((session) => [
    ...(sessionScores(session).find((score) => score.key === key)?.values ?? []),
  ]);
  const { units, mean, median } = summarize(values);
  if (units === 0) return "-";
  const part = units < values.length ? `, ${units} of ${values.length}` : "";
  return `${mean.toFixed(4)} (${median.toFixed(4)}${part})`;
}

/** What was not computed, one line for each analysis and reason. */
export function formatGaps({ sessions }: Evaluation): string[] {
  const gaps = new Map<string, string[]>();
  for (const { name, analyses } of sessions) {
    for (const [analysis, outcome] of Object.entries(analyses)) {
      if (outcome.status === "ok") continue;
      const text = `${analysis} ${outcome.status === "missing" ? "not possible" : "failed"}: ${outcome.message}`;
      gaps.set(text, [...(gaps.get(text) ?? []), name]);
    }
  }
  return [...gaps].map(
    ([text, names]) => `${text} (${names.length > 3 ? `${names.length} sessions` : names.join(", ")})`,
  );
}

/** Whether an analysis failed, other than for want of data. */
export function hasFailed({ sessions }: Evaluation): boolean {
  return sessions.some(({ analyses }) => Object.values(analyses).some(({ status }) => status === "failed"));
}

/** Names of all scores, in order of first appearance. */
function allKeys(sessions: readonly SessionEvaluation[]): string[] {
  return [...new Set(sessions.flatMap((session) => sessionScores(session).flatMap(columnsOf)))];
}

function columnsOf({ key, low, high }: UnitScore): string[] {
  return [key, ...(low === undefined ? [] : [`${key}_low`]), ...(high === undefined ? [] : [`${key}_high`])];
}

/** The scores of one unit by column; null where a score is not defined. */
function unitValues(scores: readonly UnitScore[], unit: number): Record<string, number | null> {
  const value = (values: Float64Array) => (Number.isFinite(values[unit]) ? values[unit]! : null);
  return Object.fromEntries(
    scores.flatMap(({ key, values, low, high }): [string, number | null][] => [
      [key, value(values)],
      ...(low === undefined ? [] : [[`${key}_low`, value(low)] as [string, number | null]]),
      ...(high === undefined ? [] : [[`${key}_high`, value(high)] as [string, number | null]]),
    ]),
  );
}

/** One line a unit: `session,unit,` and all scores. Empty where there is no score. */
export function evaluationAsCsv({ sessions }: Evaluation): string {
  const keys = allKeys(sessions);
  const lines = sessions.flatMap((session) => {
    const scores = sessionScores(session);
    return session.cids.map((cid, unit) => {
      const values = unitValues(scores, unit);
      return [session.name, cid, ...keys.map((key) => values[key] ?? "")].join(",");
    });
  });
  return `${[["session", "unit", ...keys].join(","), ...lines].join("\n")}\n`;
}

/** The same as plain data with summaries, gaps and the reasons of undefined scores. */
export function evaluationAsData({ checkpoint, options, sessions, warnings, seconds }: Evaluation) {
  return {
    checkpoint,
    options,
    warnings,
    seconds,
    sessions: sessions.map((session) => {
      const scores = sessionScores(session);
      return {
        session: session.name,
        frame_rate: session.frameRate,
        samples: session.samples,
        data: session.data,
        analyses: Object.fromEntries(
          Object.entries(session.analyses).map(([name, outcome]) => [
            name,
            outcome.status === "ok" ? { status: "ok" } : { status: outcome.status, message: outcome.message },
          ]),
        ),
        summary: Object.fromEntries(scores.map(({ key, values }) => [key, finite(summarize(values))])),
        units: session.cids.map((unit, i) => ({ unit, ...unitValues(scores, i), ...undefinedReasons(scores, i) })),
      };
    }),
  };
}

function finite(summary: ScoreSummary): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(summary).map(([key, value]) => [key, Number.isFinite(value) ? (value as number) : null]),
  );
}

function undefinedReasons(scores: readonly UnitScore[], unit: number): { undefined_because?: Record<string, string> } {
  const reasons = scores.flatMap(({ key, reasons: why }) => (why?.[unit] ? [[key, why[unit]]] : []));
  return reasons.length === 0 ? {} : { undefined_because: Object.fromEntries(reasons) };
}
