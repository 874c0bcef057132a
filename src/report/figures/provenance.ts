/**
 * @file The section on what was evaluated: the checkpoint, the data by their fingerprints, options and versions.
 */
import { stringify } from "yaml";
import type { Evaluation } from "../../eval/evaluate.ts";
import type { ReportTable, Section } from "../figure.ts";
import { runConfiguration, type TrainingRun } from "../run-report.ts";

/** The section. */
export function provenanceSection(
  evaluation: Evaluation,
  { run, versions }: { run: Pick<TrainingRun, "info"> | undefined; versions: Readonly<Record<string, string>> },
): Section {
  return {
    id: "provenance",
    heading: "Configuration and data",
    items: [
      checkpointTable(evaluation, run, versions),
      dataTable(evaluation),
      { kind: "listing", name: "Options of the evaluation", text: stringify(plain(evaluation.options)) },
      ...(run === undefined ? [] : runConfiguration(run.info)),
    ],
  };
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function checkpointTable(
  { checkpoint, options, seconds }: Evaluation,
  run: Pick<TrainingRun, "info"> | undefined,
  versions: Readonly<Record<string, string>>,
): ReportTable {
  const said = (all: Readonly<Record<string, string>>) =>
    Object.entries(all)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ");
  const rows = [
    ["experiment", checkpoint.experiment],
    ["checkpoint", checkpoint.path],
    ["SHA-256 of model and configuration", checkpoint.digest],
    ["epochs of training", checkpoint.epoch === null ? "not known" : String(checkpoint.epoch + 1)],
    ["trained by", said(run?.info.versions ?? {})],
    ["evaluated by", said(versions)],
    [
      "scores follow",
      options.compat === "reference" ? "the reference, with its known errors" : "the corrected definitions",
    ],
    [
      "time",
      `data ${seconds.data.toFixed(1)} s, predictions ${seconds.forward.toFixed(1)} s, analyses ${seconds.analyses.toFixed(1)} s`,
    ],
  ].filter(([, value]) => value !== "");
  return {
    kind: "table",
    id: "checkpoint",
    title: "What was evaluated",
    caption: "The same checkpoint, data and options give the same numbers.",
    columns: [
      { name: "property", title: "property", values: rows.map(([name]) => name!) },
      { name: "value", title: "value", values: rows.map(([, value]) => value!) },
    ],
  };
}

function dataTable({ sessions }: Evaluation): ReportTable {
  const types = [...new Set(sessions.flatMap(({ samples }) => Object.keys(samples)))];
  return {
    kind: "table",
    id: "data",
    title: "Data",
    caption:
      "Evaluated samples of every stimulus: validation trials, and all trials of repeats. The fingerprint is a SHA-256 of what was evaluated.",
    columns: [
      { name: "session", title: "session", values: sessions.map(({ name }) => name) },
      { name: "units", title: "units", values: sessions.map(({ cids }) => cids.length) },
      { name: "frame_rate_hz", title: "frames per second", values: sessions.map(({ frameRate }) => frameRate) },
      ...types.map((type) => ({
        name: `samples_${type}`,
        title: type,
        group: "samples",
        values: sessions.map(({ samples }) => samples[type] ?? 0),
      })),
      { name: "sha256", title: "fingerprint", values: sessions.map(({ data }) => data) },
    ],
  };
}
