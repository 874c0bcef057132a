/**
 * @file The section on variability over repeats: what eye movements make of it, and what is left as noise.
 */
import type { CovarianceDetails } from "../../eval/analyses/covariance.ts";
import type { Evaluation } from "../../eval/evaluate.ts";
import { detailsOf, type PooledUnits, summarize } from "../evaluation-units.ts";
import type { Figure, Section } from "../figure.ts";
import { histogram } from "../histogram.ts";
import { lineChart } from "../line-chart.ts";
import { formatNumber } from "../markup.ts";
import { outsideText, present, scatterFigure } from "./unit-figures.ts";

/** The section. */
export function covarianceSection({ sessions }: Evaluation, units: PooledUnits): Section {
  const known = sessions.flatMap((session) => detailsOf(session, "covariance") ?? []);
  const figures =
    known.length === 0
      ? []
      : present([
          scatterFigure(
            units,
            units.scores.get("eye_share"),
            units.scores.get("model_eye_share"),
            {
              id: "eye-share",
              title: "Share of rate variance made by eye movements",
              caption:
                "1 − α: of the variance of the rate over repeats, what the PSTH does not explain. Data by pairs of trials with close gaze.",
              xLabel: "data",
              yLabel: "model",
            },
            { hasDiagonal: true },
          ),
          scatterFigure(
            units,
            units.scores.get("fano_uncorrected"),
            units.scores.get("fano"),
            {
              id: "fano",
              title: "Fano factors",
              caption: "Below the dashed line: variability that eye movements explain.",
              xLabel: "eye movements counted as noise",
              yLabel: "corrected for eye movements",
            },
            { hasDiagonal: true },
          ),
          noiseCorrelationFigure(known),
          ...windowFigures(known),
        ]);
  return { id: "covariance", heading: "Variability and eye movements", items: figures };
}

/** Above the diagonal, of units that count; finite ones. */
function pairValues(
  { windows, units, included }: CovarianceDetails,
  window: number,
  key: "noiseCorrelation" | "noiseCorrelationUncorrected",
): number[] {
  const matrix = windows[window]?.[key];
  if (matrix === undefined) return [];
  const values: number[] = [];
  for (let i = 0; i < units; i++) {
    for (let j = i + 1; j < units; j++) {
      if (included[i] === 1 && included[j] === 1 && Number.isFinite(matrix[i * units + j]))
        values.push(matrix[i * units + j]!);
    }
  }
  return values;
}

function noiseCorrelationFigure(known: readonly CovarianceDetails[]): Figure | null {
  const values = (key: "noiseCorrelation" | "noiseCorrelationUncorrected") =>
    known.flatMap((one) => pairValues(one, 0, key));
  const [before, after] = [values("noiseCorrelationUncorrected"), values("noiseCorrelation")];
  if (before.length === 0) return null;
  const { svg, columns, outside } = histogram(
    {
      description: `Histograms of noise correlations of ${before.length} pairs of units`,
      x: "noise correlation",
      y: "pairs",
    },
    [
      { name: "uncorrected", values: before, colour: 2 },
      { name: "corrected", values: after, colour: 1 },
    ],
  );
  return {
    kind: "figure",
    id: "noise-correlations",
    title: "Noise correlations before and after",
    caption:
      `${before.length.toLocaleString("en-US")} pairs of included units. Means: ${formatNumber(summarize(before).mean, 3)} where eye movements count as noise, ` +
      `${formatNumber(summarize(after).mean, 3)} corrected (McFarland, Cumming & Butts 2016). Dashed lines: medians.` +
      outsideText(outside, "counted in the outermost bins"),
    svg,
    columns,
  };
}

/** Means over units and pairs for every window length, over the sessions that have the most common lengths. */
function windowFigures(known: readonly CovarianceDetails[]): Figure[] {
  const lengthsOf = ({ windows, binSeconds }: CovarianceDetails) =>
    windows.map(({ windowBins }) => 1000 * windowBins * binSeconds);
  const ms = lengthsOf(known[0]!);
  const alike = known.filter((one) => lengthsOf(one).every((length, i) => Math.abs(length - ms[i]!) < 1e-6));
  if (ms.length < 2) return [];
  const fanos = (key: "fano" | "fanoUncorrected") =>
    ms.map(
      (_, window) =>
        summarize(
          alike.flatMap(({ windows, included }) => [...windows[window]![key]].filter((_, i) => included[i] === 1)),
        ).mean,
    );
  const correlations = (key: "noiseCorrelation" | "noiseCorrelationUncorrected") =>
    ms.map((_, window) => summarize(alike.flatMap((one) => pairValues(one, window, key))).mean);
  const figure = (
    id: string,
    title: string,
    y: string,
    caption: string,
    before: number[],
    after: number[],
  ): Figure[] => {
    if (!before.some(Number.isFinite)) return [];
    const svg = lineChart(
      { description: `${title} for windows of ${ms.length} lengths`, x: "counting window (ms)", y, fromZero: true },
      [
        { name: "uncorrected", x: ms, y: before, colour: 2 },
        { name: "corrected", x: ms, y: after, colour: 1 },
      ],
    );
    const columns = [
      { name: "window_ms", values: ms },
      { name: "uncorrected", values: before },
      { name: "corrected", values: after },
    ];
    return [{ kind: "figure", id, title, caption, svg, columns }];
  };
  const over = "Spikes are counted in windows of growing length; corrected for eye movements, and not.";
  return [
    ...figure(
      "fano-windows",
      "Fano factor by window",
      "mean Fano factor",
      `Mean over included units. ${over}`,
      fanos("fanoUncorrected"),
      fanos("fano"),
    ),
    ...figure(
      "noise-correlation-windows",
      "Noise correlation by window",
      "mean noise correlation",
      `Mean over pairs of included units. ${over}`,
      correlations("noiseCorrelationUncorrected"),
      correlations("noiseCorrelation"),
    ),
  ];
}
