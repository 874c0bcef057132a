/**
 * @file The report of a training run from what lies in its folder: metrics and the description in its checkpoints. Needs
 * no recordings.
 */
import { stringify } from "yaml";
import type { StoredInfo } from "../training/model-info.ts";
import type { MetricRecord } from "../training/tracker.ts";
import type { Figure, Listing, ReportTable, Section } from "./figure.ts";
import { formatNumber } from "./markup.ts";
import type { ReportData } from "./report.ts";
import { barChart } from "./row-chart.ts";
import { memoryCurve, rateCurve, trainingCurves } from "./training-curves.ts";

/** A run, as its folder tells it. */
export interface TrainingRun {
  readonly name: string;
  /** Records of its metrics file. */
  readonly metrics: readonly MetricRecord[];
  /** What its best checkpoint says about itself. */
  readonly info: StoredInfo;
  /** Elements of all parameters and buffers. */
  readonly parameters: number;
  /** Commands that repeat or continue the run. */
  readonly reproduce: readonly string[];
}

/** The report of a run. */
export function runReport({ name, metrics, info, parameters, reproduce }: TrainingRun): ReportData {
  const epochs = metrics.filter((record) => record.val_bps_overall !== undefined);
  const best = epochs.find(({ epoch }) => epoch === info.epoch) ?? epochs.at(-1);
  const units = info.sessions.reduce((sum, { nUnits }) => sum + nUnits, 0);
  const steps = Math.max(0, ...metrics.map((record) => record["trainer/global_step"]! + 1));
  return {
    title: `Run ${name}`,
    summary:
      `${info.sessions.length} sessions with ${units.toLocaleString("en-US")} units in all, ` +
      `${epochs.length} epochs, ${steps.toLocaleString("en-US")} steps. Scores are those of validation during training.`,
    facts: [
      ["bits per spike, mean over sessions", formatNumber(best?.val_bps_overall ?? null, 3)],
      ["best epoch", info.epoch === null ? "–" : String(info.epoch + 1)],
      ["parameters", parameters.toLocaleString("en-US")],
      ...processFacts(metrics),
    ],
    sections: [
      trainingSection(metrics),
      { id: "sessions", heading: "Sessions", items: sessionScores(info.sessions, best) },
      {
        id: "configuration",
        heading: "Configuration",
        items: [
          ...runConfiguration(info),
          {
            kind: "listing",
            name: "Sessions",
            text: info.sessions.map(({ name: session, nUnits }) => `${session}: ${nUnits} units`).join("\n"),
          },
        ],
      },
      {
        id: "repeat",
        heading: "Repeat this run",
        items:
          reproduce.length === 0
            ? []
            : [{ kind: "listing", name: "Commands", text: reproduce.join("\n"), isOpen: true }],
      },
    ],
  };
}

/** Curves of a run; no items without metrics. */
export function trainingSection(metrics: readonly MetricRecord[]): Section {
  const items = [...trainingCurves(metrics), ...rateCurve(metrics), ...memoryCurve(metrics)];
  return { id: "training", heading: "Training", items };
}

/** Model and settings of a run. */
export function runConfiguration({ model_config, settings }: StoredInfo): Listing[] {
  return [
    { kind: "listing", name: "Model", text: stringify(model_config) },
    ...(settings === null
      ? []
      : [{ kind: "listing", name: "Training", text: JSON.stringify(settings, null, 2) } as const]),
  ];
}

function sessionScores(sessions: StoredInfo["sessions"], best: MetricRecord | undefined): (Figure | ReportTable)[] {
  const names = sessions.map(({ name }) => name);
  const units = sessions.map(({ nUnits }) => nUnits);
  const bits = names.map((name) => best?.[`val_bps/${name}`] ?? Number.NaN);
  const title = "Validation score of each session";
  const columns = [
    { name: "session", title: "session", values: names },
    { name: "units", title: "units", values: units },
    { name: "bits_per_spike", title: "mean bits per spike", values: bits, decimals: 3 },
  ];
  const description = `Bits per spike of ${names.length} sessions, as in the table`;
  const svg = barChart(
    { description, x: "bits per spike, mean over units" },
    names.map((name, i) => ({ name, value: Number.isFinite(bits[i]) ? bits[i]! : null })),
  );
  return [
    { kind: "table", id: "session-scores", title, caption: "Mean over units, after the best epoch.", columns },
    { kind: "figure", id: "session-bars", title, caption: "Mean over the units of each session.", svg, columns },
  ];
}

/** Hours of work, and how often the run was resumed. Time between processes does not count. */
function processFacts(metrics: readonly MetricRecord[]): [string, string][] {
  const spans = new Map<number, { from: number; to: number }>();
  for (const { time, "process/started": start, "process/memory_mb": memory } of metrics) {
    if (time === undefined || start === undefined || memory === undefined) continue;
    spans.set(start, { from: Math.min(start, time), to: time });
  }
  if (spans.size === 0) return [];
  const seconds = [...spans.values()].reduce((sum, { from, to }) => sum + to - from, 0);
  const time = seconds < 3600 ? `${formatNumber(seconds / 60, 1)} min` : `${formatNumber(seconds / 3600, 1)} h`;
  const peak = Math.max(...metrics.map((record) => record["process/memory_mb"] ?? 0));
  return [
    ["time at work", time],
    ["times resumed", String(spans.size - 1)],
    ["memory at most, MiB", peak.toLocaleString("en-US")],
  ];
}
