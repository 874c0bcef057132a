/**
 * @file The section on gratings: tuning of data and model for orientation, spatial frequency and phase.
 */
import type { Evaluation } from "../../eval/evaluate.ts";
import type { UnitGratings } from "../../eval/gratings/gratings-tuning.ts";
import { detailsOf, exampleUnits, locate, type PooledUnits, unitName } from "../evaluation-units.ts";
import type { Column, Figure, Section } from "../figure.ts";
import { type Colour, linePanel, type Series } from "../line-chart.ts";
import { formatNumber } from "../markup.ts";
import { type Panel, panelGrid, WIDTH } from "../panel.ts";
import { distributionFigure, present, scatterFigure } from "./unit-figures.ts";

/** The section. */
export function tuningSection(evaluation: Evaluation, units: PooledUnits): Section {
  const { scores } = units;
  const agreement = scores.get("tuning_similarity");
  const pair = (
    key: string,
    title: string,
    xLabel: string,
    yLabel: string,
    caption?: string,
    ends?: [number, number],
  ) =>
    scatterFigure(
      units,
      scores.get(key),
      scores.get(`model_${key}`),
      { id: `tuning-${key.replaceAll("_", "-")}`, title, caption, xLabel, yLabel },
      { hasDiagonal: true, ends },
    );
  const items = present([
    ...exampleTuning(evaluation, units),
    ...(agreement === undefined
      ? []
      : [distributionFigure(agreement, { title: "Agreement of tuning curves of model and data" })]),
    pair(
      "preferred_ori_deg",
      "Preferred orientation",
      "data (degrees)",
      "model (degrees)",
      "0 and 180 degrees are the same orientation.",
      [0, 180],
    ),
    pair("preferred_sf", "Preferred spatial frequency", "data (cycles per degree)", "model (cycles per degree)"),
    pair(
      "ori_circular_variance",
      "Circular variance of orientation tuning",
      "data",
      "model",
      "0: responds to one orientation, 1: to all alike.",
    ),
    pair(
      "f1_f0",
      "Modulation by phase (F1/F0)",
      "data",
      "model",
      "Simple cells above 1, complex cells below (Skottun et al. 1991).",
    ),
  ]);
  return { id: "tuning", heading: "Tuning for gratings", items };
}

function exampleTuning({ sessions }: Evaluation, units: PooledUnits): Figure[] {
  const all = sessions.map((session) => detailsOf(session, "gratings"));
  const agreement = units.scores.get("tuning_similarity");
  if (agreement === undefined) return [];
  const examples = exampleUnits(agreement.values);
  return examples.map(({ rank, unit, value }) => {
    const { session, place } = locate(units, unit);
    const { sfs, oris, frameRate, units: tuned } = all[session]!;
    const { data, model } = tuned[place]!;
    const columns: Column[] = [];
    const curve = (name: string, x: Float64Array, of: (unit: UnitGratings) => Float64Array | undefined): Series[] => {
      columns.push({ name, values: x });
      return (
        [
          ["data", data, "ink"],
          ["model", model, 1],
        ] as const
      ).flatMap(([who, one, colour]) => {
        const y = one === null ? undefined : of(one);
        if (y === undefined) return [];
        columns.push({ name: `${who}_hz_by_${name}`, values: y });
        return [{ name: who, x, y, colour: colour as Colour }];
      });
    };
    const rate = "spikes per second";
    const orientation = curve("orientation_deg", oris, ({ tuning }) => tuning?.oriTuning);
    const frequency = curve("spatial_frequency_cpd", sfs, ({ tuning }) => tuning?.sfTuning);
    const isLog = sfs.every((sf) => sf > 0) && sfs.at(-1)! > 4 * sfs[0]!;
    const panels = [
      linePanel({ x: "orientation (degrees)", y: rate, fromZero: true }, orientation, {
        xAxis: {
          ticks: [0, 45, 90, 135, 180].filter((at) => at <= oris.at(-1)! + 1).map((at) => ({ at, text: String(at) })),
        },
      }),
      linePanel({ x: "spatial frequency (cycles per degree)", y: rate, fromZero: true }, frequency, {
        xAxis: isLog ? { kind: "log" } : {},
      }),
      linePanel({ x: "phase (degrees)", y: rate, fromZero: true }, phaseSeries(data, model, frameRate, columns), {
        xAxis: { range: [0, 360], ticks: [0, 90, 180, 270, 360].map((at) => ({ at, text: String(at) })) },
      }),
    ].filter((panel): panel is Panel => panel !== undefined);
    const title = `${rank}${rank === "Median" ? " unit" : ""}: tuning curves agree with r = ${formatNumber(value, 2)}`;
    const description = `Orientation, spatial frequency and phase tuning of ${unitName(units, unit)}`;
    return {
      kind: "figure",
      id: `tuning-${rank.toLowerCase().replaceAll(" ", "-")}`,
      title,
      caption:
        `${unitName(units, unit).replace("unit", "Unit")}, data and model each at its own peak lag and through its own largest response. ` +
        (panels.length === 3
          ? "Phase: means with standard errors, and fitted sinusoids."
          : "Phases of gratings are not known."),
      ...(panels.length === 3
        ? { size: "wide", svg: panelGrid(description, panels, { columns: 3, width: WIDTH.wide, height: 210 }) }
        : { size: "half", svg: panelGrid(description, panels, { columns: 2, width: WIDTH.half, height: 210 }) }),
      columns,
    };
  });
}

/** Means of phase bins with standard errors, and the sinusoids through them. */
function phaseSeries(data: UnitGratings, model: UnitGratings | null, frameRate: number, columns: Column[]): Series[] {
  const degrees = Float64Array.from({ length: 73 }, (_, i) => 5 * i);
  const fits: Series[] = [];
  const means: Series[] = [];
  for (const [who, one, colour] of [
    ["data", data, "ink"],
    ["model", model, 1],
  ] as const) {
    if (one === null) continue;
    const { bins, mean, standardError, fit } = one.phase;
    const [low, high] = [-1, 1].map((sign) => mean.map((value, i) => value + sign * standardError[i]!));
    means.push({ name: who, x: bins, y: mean, low, high, mark: "dots", colour });
    if (means.length === 1) columns.push({ name: "phase_deg", values: bins });
    columns.push(
      { name: `${who}_hz_by_phase`, values: mean },
      { name: `${who}_standard_error_hz`, values: standardError },
    );
    if (fit === null) continue;
    const y = degrees.map((degree) => {
      const angle = (degree * Math.PI) / 180;
      return (fit.sine * Math.sin(angle) + fit.cosine * Math.cos(angle) + fit.mean) * frameRate;
    });
    fits.push({ name: `${who}, fit`, x: degrees, y, colour });
    if (fits.length === 1) columns.push({ name: "fit_phase_deg", values: degrees });
    columns.push({ name: `${who}_fit_hz`, values: y });
  }
  return [...means, ...fits];
}
