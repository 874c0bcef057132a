/**
 * @file The section on ceilings: scores of repeats unit by unit with their confidence intervals, beside what any prediction
 * could reach.
 */
import type { AnalysisOptions } from "../../eval/analysis.ts";
import { caterpillarChart } from "../caterpillar.ts";
import { type PooledUnits, scoreColumns, unitColumns } from "../evaluation-units.ts";
import type { Figure, Section } from "../figure.ts";
import { countText, distributionFigure, present, scatterFigure } from "./unit-figures.ts";

/** The section. */
export function ceilingSection(units: PooledUnits, options: AnalysisOptions): Section {
  const intervals = {
    trials: "Lines are 95 % confidence intervals over trials of the same stimuli",
    bins: "Lines are 95 % confidence intervals over stimuli",
    none: "Confidence intervals were not asked for",
  }[options.intervals];
  const plot = (key: string, words: CaterpillarWords) => caterpillar(units, key, { ...words, intervals });
  const ceiling = units.scores.get("ccmax");
  const figures = present([
    plot("ccnorm", {
      title: "Noise-corrected correlation of every unit",
      caption: "The ceiling is 1 (dashed line). Values above it are chance, or predictions that follow single trials.",
      label: "CCnorm",
      guide: 1,
    }),
    plot("ccmax", {
      title: "Correlation of predictions with the mean over trials, and its ceiling",
      caption:
        "The ceiling CCmax is the correlation that the true expected response would have with the mean over so many trials.",
      label: "correlation",
      beside: "ccabs",
    }),
    plot("feve", {
      title: "Fraction of explainable variance explained, of every unit",
      caption:
        "1 (dashed line) is a prediction of the expected response, 0 one of its mean; unlike correlations FEVE minds a wrong gain or offset.",
      label: "FEVE",
      guide: 1,
    }),
    plot("jackknife_oracle", {
      title: "Correlation with single trials, and the oracle",
      caption:
        "The jackknife oracle predicts a trial by the mean of the other trials. A good model can exceed it, because that mean is noisy.",
      label: "correlation",
      beside: "single_trial_correlation",
    }),
    scatterFigure(
      units,
      ceiling,
      units.scores.get("ccabs"),
      {
        id: "ccabs-ccmax",
        title: "Reached correlation against its ceiling",
        caption:
          "CCabs of predictions against CCmax from split halves; above the dashed line are chance, or predictions that follow single trials.",
        xLabel: "ceiling (CCmax)",
        yLabel: "correlation to average (CCabs)",
      },
      { hasDiagonal: true },
    ),
    scatterFigure(
      units,
      ceiling,
      units.scores.get("ccmax_signal_power"),
      {
        id: "ccmax-methods",
        title: "Two estimates of the ceiling",
        caption: "CCmax from split halves and from signal power (Sahani & Linden 2003; Schoppe et al. 2016).",
        xLabel: "CCmax, split halves",
        yLabel: "CCmax, signal power",
      },
      { hasDiagonal: true },
    ),
    ...["fev", "sparseness"].map((key) => {
      const score = units.scores.get(key);
      const title = key === "fev" ? "Fraction of explainable variance" : "Lifetime sparseness";
      return score === undefined ? null : distributionFigure(score, { title });
    }),
  ]);
  return { id: "ceilings", heading: "Ceilings and uncertainty", items: figures };
}

interface CaterpillarWords {
  readonly title: string;
  readonly caption: string;
  readonly label: string;
  /** Key of a score that is drawn beside. */
  readonly beside?: string;
  readonly guide?: number;
}

function caterpillar(
  units: PooledUnits,
  key: string,
  { title, caption, label, beside, guide, intervals }: CaterpillarWords & { intervals: string },
): Figure | null {
  const score = units.scores.get(key);
  if (score === undefined) return null;
  const other = beside === undefined ? undefined : units.scores.get(beside);
  const { svg, order, drawn } = caterpillarChart(
    { description: `${title}, from the lowest to the highest`, y: label, height: 250 },
    { name: score.title, ...score, beside: other && { name: other.title, values: other.values }, guide },
  );
  if (order.length === 0) return null;
  const thinned = drawn < order.length ? ` ${drawn} units at even ranks are drawn.` : "";
  const cut = score.low === undefined ? "." : ", cut at the frame.";
  return {
    kind: "figure",
    id: `units-${key.replaceAll("_", "-")}`,
    title,
    caption: `${caption} ${intervals}${cut} ${countText(order.length, units.count)}.${thinned}`,
    svg,
    size: "wide",
    columns: [...unitColumns(units), ...scoreColumns(score), ...(other === undefined ? [] : scoreColumns(other))],
  };
}
