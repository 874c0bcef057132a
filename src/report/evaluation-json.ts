/**
 * @file An evaluation as JSON for programs: what was evaluated, what came of each analysis, every score of every unit with the
 * reason where there is none, and the numbers of every figure and table of the report.
 */
import type { UnitScore } from "../eval/analysis.ts";
import type { Evaluation, SessionEvaluation } from "../eval/evaluate.ts";
import { sessionScores, summarize } from "./evaluation-units.ts";
import { type ReportData, reportAsData } from "./report.ts";
import { scoreDefinition } from "./score-definitions.ts";

/** Raised when programs that read the file have to change. */
const FORMAT_VERSION = 1;

/** Plain data; null stands for what is not defined. */
export function evaluationAsJson(
  { checkpoint, options, sessions, warnings, seconds }: Evaluation,
  report: ReportData,
  versions: Readonly<Record<string, string>> = {},
) {
  const scores = new Map(sessions.flatMap(sessionScores).map((score) => [score.key, score]));
  return {
    format: "visioncore evaluation report",
    format_version: FORMAT_VERSION,
    versions,
    checkpoint,
    options: { ...options, compat: options.compat ?? null },
    seconds,
    warnings,
    scores: Object.fromEntries([...scores.values()].map(({ key, title }) => [key, { title, ...scoreDefinition(key) }])),
    sessions: sessions.map(sessionAsJson),
    report: reportAsData(report),
  };
}

function sessionAsJson(session: SessionEvaluation) {
  const { name, frameRate, samples, data, cids, analyses } = session;
  const scores = sessionScores(session);
  return {
    session: name,
    frame_rate_hz: frameRate,
    samples,
    data_sha256: data,
    analyses: Object.fromEntries(
      Object.entries(analyses).map(([analysis, outcome]) => [
        analysis,
        outcome.status === "ok" ? { status: "ok" } : { status: outcome.status, message: outcome.message },
      ]),
    ),
    units: cids,
    scores: Object.fromEntries(scores.map((score) => [score.key, scoreAsJson(score)])),
  };
}

function scoreAsJson({ values, low, high, reasons }: UnitScore) {
  const { n, mean, median } = summarize(values);
  return {
    n,
    mean: orNull(mean),
    median: orNull(median),
    values: listOf(values),
    ...(low === undefined ? {} : { low: listOf(low) }),
    ...(high === undefined ? {} : { high: listOf(high) }),
    ...(reasons?.some((reason) => reason !== null) ? { reasons } : {}),
  };
}

function listOf(values: Float64Array): (number | null)[] {
  return Array.from(values, orNull);
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
