/**
 * @file The section on quality control: how well units were isolated, and whether scores depend on it.
 */
import type { PooledUnits } from "../evaluation-units.ts";
import type { Section } from "../figure.ts";
import { distributionFigure, present, scatterFigure } from "./unit-figures.ts";

const MEASURES = [
  ["contamination_pct", "Contamination", "Share of spikes that are probably another unit's."],
  ["missing_pct", "Missing spikes", "Share of spikes below the detection threshold."],
  ["depth_from_l4_um", "Depth", "Depth of the largest waveform less that of layer 4."],
] as const;

/** The section. */
export function qualitySection(units: PooledUnits): Section {
  const score = units.scores.get("ccnorm") ?? units.scores.get("bps");
  const figures = MEASURES.flatMap(([key, title, caption]) => {
    const measure = units.scores.get(key);
    if (measure === undefined) return [];
    return [
      distributionFigure(measure, { title, caption }),
      scatterFigure(units, measure, score, {
        id: `quality-${key.replaceAll("_", "-")}`,
        title: `${score?.title ?? "Score"} against ${title.toLowerCase()}`,
      }),
    ];
  });
  return { id: "quality", heading: "Quality of the units", items: present(figures) };
}
