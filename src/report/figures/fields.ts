/**
 * @file The section on receptive fields: maps of data and model side by side, and how they agree over units.
 */
import type { Evaluation } from "../../eval/evaluate.ts";
import type { FieldSummary } from "../../eval/maps/gaborium.ts";
import { detailsOf, exampleUnits, locate, type PooledUnits, unitName } from "../evaluation-units.ts";
import type { Figure, Section } from "../figure.ts";
import { type MapPanel, mapFigure } from "../map-figure.ts";
import { formatNumber } from "../markup.ts";
import { WIDTH } from "../panel.ts";
import { distributionFigure, present, scatterFigure } from "./unit-figures.ts";

/** The section. */
export function fieldSection(evaluation: Evaluation, units: PooledUnits): Section {
  const { scores } = units;
  const similarity = scores.get("rf_similarity");
  const strength = scores.get("rf_snr");
  const items = present([
    ...exampleFields(evaluation, units),
    ...(similarity === undefined
      ? []
      : [distributionFigure(similarity, { title: "Agreement of model and data maps" })]),
    ...(strength === undefined ? [] : [distributionFigure(strength, { title: "Strength of the fields" })]),
    scatterFigure(units, scores.get("rf_x_deg"), scores.get("rf_y_deg"), {
      id: "field-centres",
      title: "Centres of the receptive fields",
      caption: "Degrees from the middle of the stimulus.",
    }),
    scatterFigure(
      units,
      scores.get("latency_peak_ms"),
      scores.get("model_latency_peak_ms"),
      {
        id: "field-latency",
        title: "Latency of the maps",
        caption: "Time from stimulus to the lag at which the map varies most over space.",
        xLabel: "data (ms)",
        yLabel: "model (ms)",
      },
      { hasDiagonal: true },
    ),
  ]);
  return { id: "fields", heading: "Receptive fields", items };
}

/** Units at the quartiles of agreement, among those whose data show a field. */
function exampleFields({ sessions }: Evaluation, units: PooledUnits): Figure[] {
  const all = sessions.map((session) => detailsOf(session, "sta"));
  const similarity = units.scores.get("rf_similarity");
  if (similarity === undefined) return [];
  const fieldOf = (unit: number) => {
    const { session, place } = locate(units, unit);
    return all[session]?.units[place];
  };
  return exampleUnits(similarity.values, (unit) => fieldOf(unit)?.data.field.reason === null).map(
    ({ rank, unit, value }) => {
      const maps = all[locate(units, unit).session]!;
      const { data, model, peakLag } = fieldOf(unit)!;
      const { height, width, frameRate, pixelsPerDegree } = maps;
      const kind = data.fieldSource;
      const panel = (title: string, summary: FieldSummary): MapPanel => {
        return {
          title,
          rows: height,
          columns: width,
          values: summary[kind],
          colours: "signed",
          outline: summary.field,
        };
      };
      const panels = [panel("data", data), ...(model === null ? [] : [panel("model", model)])];
      const title = `${rank}${rank === "Median" ? " unit" : ""}: data and model agree with r = ${formatNumber(value, 2)}`;
      const what = kind === "sta" ? "spike-triggered average" : "spike-triggered energy";
      const pixels = Float64Array.from({ length: height * width }, (_, i) => i);
      return {
        kind: "figure",
        id: `field-${rank.toLowerCase().replaceAll(" ", "-")}`,
        title,
        caption:
          `${unitName(units, unit).replace("unit", "Unit")}: whitened ${what}, ${formatNumber((1000 * peakLag) / frameRate, 0)} ms before the response, ` +
          "in standard errors (z). Circle: the field's place and size.",
        size: "half",
        svg: mapFigure(panels, {
          description: `Maps of ${unitName(units, unit)}, data and model`,
          columns: 2,
          width: WIDTH.half,
          quantity: "z",
          degrees: pixelsPerDegree === null ? null : width / pixelsPerDegree,
        }),
        columns: [
          { name: "row", values: pixels.map((i) => Math.floor(i / width)) },
          { name: "column", values: pixels.map((i) => i % width) },
          { name: "data_z", values: data[kind] },
          ...(model === null ? [] : [{ name: "model_z", values: model[kind] }]),
        ],
      };
    },
  );
}
