/**
 * @file The report of an evaluation: `report.html` to read, `report.json` with every number that it shows.
 */
import { join } from "node:path";
import type { Comparison } from "../eval/compare.ts";
import type { Evaluation } from "../eval/evaluate.ts";
import { writeFileAtomic } from "../formats/atomic.ts";
import { makeFolder } from "../formats/folder.ts";
import { evaluationAsJson } from "./evaluation-json.ts";
import { type PooledUnits, poolUnits, summarize } from "./evaluation-units.ts";
import type { ReportItem, Section } from "./figure.ts";
import { ceilingSection } from "./figures/ceilings.ts";
import { comparisonSection } from "./figures/comparison.ts";
import { covarianceSection } from "./figures/covariance.ts";
import { definitionSection } from "./figures/definitions.ts";
import { fieldSection } from "./figures/fields.ts";
import { gapSection } from "./figures/gaps.ts";
import { mostExcitingSection } from "./figures/most-exciting.ts";
import { provenanceSection } from "./figures/provenance.ts";
import { qualitySection } from "./figures/quality.ts";
import { responseSection } from "./figures/responses.ts";
import { saccadeSection } from "./figures/saccades.ts";
import { scoreSection } from "./figures/scores.ts";
import { tuningSection } from "./figures/tuning.ts";
import { formatNumber } from "./markup.ts";
import { type ReportData, renderReport } from "./report.ts";
import { type TrainingRun, trainingSection } from "./run-report.ts";

/** What a report of an evaluation says beside the evaluation. */
export interface EvaluationReportOptions {
  /** Heading; `Evaluation of <experiment>` when absent. */
  readonly title?: string | undefined;
  /** The training run, for its curves and configuration. */
  readonly run?: Pick<TrainingRun, "metrics" | "info" | "parameters"> | undefined;
  /** Other twins and baselines on the same data. */
  readonly comparison?: Comparison | undefined;
  /** Programs that made the evaluation and their versions. */
  readonly versions?: Readonly<Record<string, string>> | undefined;
  /** Sections before that on configuration. */
  readonly more?: readonly Section[] | undefined;
}

/**
 * Writes `report.html`, one self-contained page, and `report.json` into a folder, which is made if missing.
 *
 * @returns paths of both
 * @throws UserError when they cannot be written
 * @example
 * const evaluation = await evaluateModelMultidataset({ checkpoint: "checkpoints/my_run" });
 * writeEvaluationReport("my_report", evaluation);
 */
export function writeEvaluationReport(
  folder: string,
  evaluation: Evaluation,
  options: EvaluationReportOptions = {},
): { html: string; json: string } {
  const data = evaluationReport(evaluation, options);
  makeFolder(folder);
  const paths = { html: join(folder, "report.html"), json: join(folder, "report.json") };
  writeFileAtomic(paths.json, `${JSON.stringify(evaluationAsJson(evaluation, data, options.versions))}\n`);
  writeFileAtomic(paths.html, renderReport(data));
  return paths;
}

/** The report. The same evaluation gives the same report. */
export function evaluationReport(evaluation: Evaluation, options: EvaluationReportOptions = {}): ReportData {
  const units = poolUnits(evaluation);
  const { run, comparison, versions = {}, more = [] } = options;
  return {
    title: options.title ?? `Evaluation of ${evaluation.checkpoint.experiment}`,
    summary: summaryOf(evaluation, units),
    facts: factsOf(evaluation, units, run),
    sections: [
      scoreSection(evaluation, units),
      comparisonSection(comparison),
      ceilingSection(units, evaluation.options),
      responseSection(evaluation, units),
      fieldSection(evaluation, units),
      tuningSection(evaluation, units),
      saccadeSection(evaluation, units),
      mostExcitingSection(evaluation),
      covarianceSection(evaluation, units),
      qualitySection(units),
      trainingSection(run?.metrics ?? []),
      ...more,
      provenanceSection(evaluation, { run, versions }),
      gapSection(evaluation),
      definitionSection(units),
    ].filter(({ items }: { items: readonly ReportItem[] }) => items.length > 0),
  };
}

function summaryOf({ sessions, options }: Evaluation, { count }: PooledUnits): string {
  const samples = new Map<string, number>();
  for (const session of sessions) {
    for (const [type, n] of Object.entries(session.samples)) samples.set(type, (samples.get(type) ?? 0) + n);
  }
  const stimuli = [...samples].map(([type, n]) => `${n.toLocaleString("en-US")} samples of ${type}`);
  const intervals = {
    trials: " Confidence intervals are 95 % and over trials.",
    bins: " Confidence intervals are 95 % and over stimuli.",
    none: "",
  }[options.intervals];
  return (
    `${plural(sessions.length, "session")} with ${plural(count, "unit")}. Scored on ${listed(stimuli)}: validation trials, and all trials of repeats.${intervals}` +
    `${options.rescale ? " Predictions were given each unit's best gain on the scored samples: scores are optimistic." : ""}` +
    `${options.compat === "reference" ? " Numbers follow the reference where it is known to be wrong." : ""}`
  );
}

function factsOf(
  { sessions }: Evaluation,
  units: PooledUnits,
  run: EvaluationReportOptions["run"],
): ReportData["facts"] {
  const { scores } = units;
  const summary = (key: string) => summarize(scores.get(key)?.values ?? []);
  const [bits, truth, corrected, ceiling] = [summary("bps"), trueRates(units), summary("ccnorm"), summary("ccmax")];
  const facts: [string, string][] = [];
  if (bits.n > 0)
    facts.push([
      `bits per spike, mean over ${plural(bits.n, "unit")} (median ${formatNumber(bits.median, 3)})`,
      formatNumber(bits.mean, 3),
    ]);
  if (truth !== null)
    facts.push([
      `of the ${formatNumber(truth.bits, 3)} bits per spike of the true rates`,
      `${formatNumber(100 * truth.fraction, 0)} %`,
    ]);
  if (corrected.n > 0) {
    facts.push([
      `CCnorm, mean over ${plural(corrected.n, "unit")} (median ${formatNumber(corrected.median, 3)})`,
      formatNumber(corrected.mean, 3),
    ]);
  }
  if (ceiling.n > 0)
    facts.push([
      `ceiling CCmax of the correlation with the mean over trials, mean over ${plural(ceiling.n, "unit")}`,
      formatNumber(ceiling.mean, 3),
    ]);
  facts.push(
    [sessions.length === 1 ? "session" : "sessions", String(sessions.length)],
    [units.count === 1 ? "unit" : "units", units.count.toLocaleString("en-US")],
  );
  if (run !== undefined) facts.push(["parameters", run.parameters.toLocaleString("en-US")]);
  return facts;
}

/** Mean score of the true rates, and the part of it that the model reaches, over units that have both; null where unknown. */
export function trueRates({ scores }: PooledUnits): { bits: number; fraction: number } | null {
  const [own, truth] = [scores.get("bps"), scores.get("bps_true_rates")];
  if (own === undefined || truth === undefined) return null;
  const both = [...own.values.keys()].filter(
    (unit) => Number.isFinite(own.values[unit]) && Number.isFinite(truth.values[unit]),
  );
  const bits = summarize(both.map((unit) => truth.values[unit]!)).mean;
  const reached = summarize(both.map((unit) => own.values[unit]!)).mean;
  return both.length === 0 ? null : { bits, fraction: reached / bits };
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

function listed(texts: readonly string[]): string {
  return texts.length < 2 ? (texts[0] ?? "nothing") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}
