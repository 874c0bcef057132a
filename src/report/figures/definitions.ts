/**
 * @file The section on definitions: one line for every score of the report.
 */
import type { PooledUnits } from "../evaluation-units.ts";
import type { Section } from "../figure.ts";
import { scoreDefinition } from "../score-definitions.ts";

/** The section. Scores of several stimuli that are defined alike share a line. */
export function definitionSection({ scores }: PooledUnits): Section {
  const lines = new Map<string, { keys: string[]; title: string; formula: string; citation: string }>();
  for (const { key, title } of scores.values()) {
    const definition = scoreDefinition(key);
    if (definition === null || key.startsWith("model_")) continue;
    const line = lines.get(definition.formula) ?? { keys: [], title, ...definition };
    line.keys.push(key);
    lines.set(definition.formula, line);
  }
  const rows = [...lines.values()];
  if (rows.length === 0) return { id: "definitions", heading: "Definitions", items: [] };
  return {
    id: "definitions",
    heading: "Definitions",
    items: [
      {
        kind: "table",
        id: "definition-table",
        title: "What each score is",
        caption:
          "y spikes and r predicted spikes of a sample or (trial, bin) cell, w its validity, ȳ mean over the n trials of a bin, s² variance over " +
          "them. Scores of the model that begin with model_ are the same for predicted rates.",
        columns: [
          { name: "score", title: "score", values: rows.map(({ title }) => title) },
          { name: "formula", title: "formula", values: rows.map(({ formula }) => formula) },
          { name: "citation", title: "after", values: rows.map(({ citation }) => citation) },
          { name: "names", title: "names in files", values: rows.map(({ keys }) => keys.join(", ")) },
        ],
      },
    ],
  };
}
