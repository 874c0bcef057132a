/**
 * @file Figures of scores over units that several sections use: distributions, and one score against another.
 */
import {
  type PooledScore,
  type PooledUnits,
  scoreColumns,
  summarize,
  unitColumns,
  unitName,
} from "../evaluation-units.ts";
import type { Figure } from "../figure.ts";
import { histogram } from "../histogram.ts";
import { formatNumber } from "../markup.ts";
import { type ScatterOptions, scatterChart } from "../scatter-chart.ts";

/** `n = 47 of 48 units`, or `n = 48 units`. */
export function countText(n: number, total: number): string {
  const [some, all] = [n, total].map((count) => count.toLocaleString("en-US"));
  return n === total ? `n = ${all} units` : `n = ${some} of ${all} units`;
}

/** What to say about values beyond the axes; nothing without any. */
export function outsideText(outside: number, where: string): string {
  if (outside === 0) return "";
  return ` ${outside} ${outside === 1 ? "value lies" : "values lie"} beyond the axis and ${outside === 1 ? "is" : "are"} ${where}.`;
}

/** Words for a figure that has standard ones. */
interface Words {
  readonly id?: string | undefined;
  readonly title: string;
  readonly caption?: string | undefined;
}

/** Distribution of a score over units; null when no unit has it. */
export function distributionFigure(
  score: PooledScore,
  { id = `distribution-${score.key}`, title, caption = "" }: Words,
): Figure | null {
  const { n, median, q1, q3 } = summarize(score.values);
  if (n === 0) return null;
  const numbers = `median ${formatNumber(median, 3)}, quartiles ${formatNumber(q1, 3)} and ${formatNumber(q3, 3)}`;
  const { svg, columns, outside } = histogram(
    { description: `Histogram of ${score.title} over ${n} units: ${numbers}`, x: score.title },
    [{ name: score.key, values: score.values }],
  );
  const text = `${caption}${caption === "" ? "" : " "}${countText(n, score.values.length)}; ${numbers} (dashed line: median).`;
  return {
    kind: "figure",
    id,
    title,
    caption: text + outsideText(outside, "counted in the outermost bins"),
    svg,
    columns,
  };
}

/** One score against another, a dot a unit; null when no unit has both. */
export function scatterFigure(
  units: PooledUnits,
  x: PooledScore | undefined,
  y: PooledScore | undefined,
  words: Words & { id: string; xLabel?: string; yLabel?: string },
  options: ScatterOptions = {},
): Figure | null {
  if (x === undefined || y === undefined) return null;
  const n = x.values.filter((value, i) => Number.isFinite(value) && Number.isFinite(y.values[i])).length;
  if (n === 0) return null;
  const { id, title, caption = "", xLabel = x.title, yLabel = y.title } = words;
  const description = `${title}: ${yLabel} against ${xLabel} of ${n} units`;
  const names = (i: number) =>
    `${unitName(units, i)}: ${formatNumber(x.values[i]!, 3)}, ${formatNumber(y.values[i]!, 3)}`;
  const { svg, outside } = scatterChart(
    { description, x: xLabel, y: yLabel },
    { x: x.values, y: y.values, names },
    options,
  );
  return {
    kind: "figure",
    id,
    title,
    caption: `${caption}${caption === "" ? "" : " "}${countText(n, units.count)}.${outsideText(outside, "drawn on the frame")}`,
    svg,
    columns: [...unitColumns(units), ...scoreColumns(x), ...scoreColumns(y)],
  };
}

/** Figures without those that could not be made. */
export function present(figures: readonly (Figure | null)[]): Figure[] {
  return figures.filter((figure) => figure !== null);
}
