/**
 * @file The section on gaps: what was not possible or failed, why units have no score, and what else the reader should know.
 */
import type { AnalysisOutcome, Evaluation } from "../../eval/evaluate.ts";
import { sessionScores } from "../evaluation-units.ts";
import type { ReportItem, ReportTable, Section } from "../figure.ts";

/** The section; it says so when there are none. */
export function gapSection(evaluation: Evaluation): Section {
  const items: ReportItem[] = [...outcomeTable(evaluation), ...reasonTable(evaluation), ...warningTable(evaluation)];
  const none = {
    kind: "text",
    text: "Everything that was asked for was computed, and every unit has every score.",
  } as const;
  return { id: "gaps", heading: "Gaps", items: items.length === 0 ? [none] : items };
}

/** Analyses that gave nothing, one row for each reason. */
function outcomeTable({ sessions }: Evaluation): ReportTable[] {
  const found = new Map<
    string,
    { analysis: string; outcome: Exclude<AnalysisOutcome, { status: "ok" }>; sessions: string[] }
  >();
  for (const { name, analyses } of sessions) {
    for (const [analysis, outcome] of Object.entries(analyses)) {
      if (outcome.status === "ok") continue;
      const key = JSON.stringify([analysis, outcome.status, outcome.message]);
      const entry = found.get(key) ?? { analysis, outcome, sessions: [] };
      entry.sessions.push(name);
      found.set(key, entry);
    }
  }
  const rows = [...found.values()];
  if (rows.length === 0) return [];
  return [
    {
      kind: "table",
      id: "missing",
      title: "What was not possible",
      caption: "Analyses that a session has no data for, and analyses that failed.",
      columns: [
        { name: "analysis", title: "analysis", values: rows.map(({ analysis }) => analysis) },
        {
          name: "outcome",
          title: "outcome",
          values: rows.map(({ outcome }) => (outcome.status === "failed" ? "failed" : "not possible")),
        },
        { name: "reason", title: "reason", values: rows.map(({ outcome }) => outcome.message) },
        { name: "sessions", title: "sessions", values: rows.map((row) => sessionList(row.sessions, sessions.length)) },
      ],
    },
  ];
}

function sessionList(names: readonly string[], all: number): string {
  if (names.length === all && all > 1) return `all ${all}`;
  return names.length > 6 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
}

/** Why units have no score: reasons that differ in numbers alone are one. */
function reasonTable({ sessions }: Evaluation): ReportTable[] {
  const found = new Map<string, { score: string; texts: Set<string>; units: number; sessions: Set<string> }>();
  for (const session of sessions) {
    for (const { title, values, reasons } of sessionScores(session)) {
      for (const [unit, reason] of (reasons ?? []).entries()) {
        if (reason === null || Number.isFinite(values[unit])) continue;
        const key = JSON.stringify([title, withoutNumbers(reason)]);
        const entry = found.get(key) ?? { score: title, texts: new Set(), units: 0, sessions: new Set() };
        entry.texts.add(reason);
        entry.units += 1;
        entry.sessions.add(session.name);
        found.set(key, entry);
      }
    }
  }
  const rows = [...found.values()];
  if (rows.length === 0) return [];
  return [
    {
      kind: "table",
      id: "reasons",
      title: "Units without a score",
      caption: "They are left out of means and figures. n stands for numbers that differ between units.",
      columns: [
        { name: "score", title: "score", values: rows.map(({ score }) => score) },
        {
          name: "reason",
          title: "reason",
          values: rows.map(({ texts }) => (texts.size === 1 ? [...texts][0]! : withoutNumbers([...texts][0]!))),
        },
        { name: "units", title: "units", values: rows.map(({ units }) => units) },
        { name: "sessions", title: "sessions", values: rows.map((row) => row.sessions.size) },
      ],
    },
  ];
}

function withoutNumbers(text: string): string {
  return text.replace(/\d+(\.\d+)?/g, "n");
}

function warningTable({ warnings }: Evaluation): ReportTable[] {
  if (warnings.length === 0) return [];
  const caption = "What was noticed during the evaluation.";
  const columns = [
    { name: "number", title: "", values: warnings.map((_, i) => i + 1) },
    { name: "warning", title: "warning", values: warnings },
  ];
  return [{ kind: "table", id: "warnings", title: "Warnings", caption, columns }];
}
