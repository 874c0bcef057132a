/**
 * @file Histograms of scores.
 */
import { median, quantileOfSorted, sortedFinite } from "../eval/statistics/quantiles.ts";
import type { Column } from "./figure.ts";
import type { Colour } from "./line-chart.ts";
import { emptyChart, fixed, type KeyEntry, type Labels, type Panel, panelFigure } from "./panel.ts";
import { countOutside, robustExtentOfSorted, type Scale, tickStep } from "./scale.ts";

/** Values that are counted. */
export interface HistogramGroup {
  readonly name: string;
  readonly values: ArrayLike<number>;
  /** By default the group's place in the list, from 1. */
  readonly colour?: Colour | undefined;
}

/** A histogram with its numbers. */
export interface Histogram {
  readonly svg: string;
  /** From and to of every bin, and counts of every group. */
  readonly columns: readonly Column[];
  /** Values beyond the axis, which are counted in its first and last bin. */
  readonly outside: number;
}

/** Counts in bins of a round width, and the median of each group as an upright line. Groups share their bins. */
export function histogram(
  labels: Omit<Labels, "y"> & { y?: string | undefined },
  groups: readonly HistogramGroup[],
): Histogram {
  const all = sortedFinite(groups.flatMap(({ values }) => Array.from(values)));
  const range = robustExtentOfSorted(all);
  const full: Labels = { ...labels, y: labels.y ?? "units" };
  if (range === undefined) return { svg: emptyChart(full), columns: countColumns(groups, [], []), outside: 0 };
  const edges = binEdges(all, range);
  const counts = groups.map(({ values }) => countBins(values, edges));
  const most = Math.max(1, ...counts.flat());
  const medians = groups.map(({ values }) => median(values));
  const colours = groups.map(({ colour }, i) => colour ?? ((i + 1) as Colour));
  const key: KeyEntry[] = groups.map(({ name }, i) => ({ name, classes: `bars c${colours[i]}`, swatch: "box" }));
  const panel: Panel = {
    key: groups.length < 2 ? [] : key,
    x: { label: full.x, range: [edges[0]!, edges.at(-1)!] },
    y: { label: full.y, range: [0, most], isRound: most > 4, ...(most > 4 ? {} : { ticks: wholeTicks(most) }) },
    marks: (x, y) =>
      counts.map((bins, i) => drawBars(bins, edges, colours[i]!, x, y)).join("") +
      medians.map((value, i) => medianLine(value, colours[i]!, x, y)).join(""),
  };
  const outside = countOutside(all, [edges[0]!, edges.at(-1)!]);
  return { svg: panelFigure(full.description, panel, full), columns: countColumns(groups, edges, counts), outside };
}

function wholeTicks(most: number) {
  return Array.from({ length: most + 1 }, (_, at) => ({ at, text: String(at) }));
}

/** Edges at multiples of a round width, by the rule of Freedman & Diaconis, 8 to 40 bins. */
function binEdges(sorted: Float64Array, [min, max]: readonly [number, number]): number[] {
  if (min === max) return [min - 0.5, max + 0.5];
  const spread = quantileOfSorted(sorted, 0.75) - quantileOfSorted(sorted, 0.25);
  const width = (2 * spread) / Math.cbrt(sorted.length);
  const bins = Math.max(8, Math.min(40, Math.round((max - min) / width)));
  const step = tickStep(min, max, Number.isFinite(bins) ? bins : 8);
  const first = Math.floor(min / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(max / step - 1e-9));
  // Division by a whole number, where there is one, gives the numbers that people write: 0.3, not 0.30000000000000004.
  const perOne = Math.round(1 / step);
  const edge = (i: number) => (step < 1 ? i / perOne : i * step);
  return Array.from({ length: last - first + 1 }, (_, i) => edge(first + i));
}

/** The last bin has its upper edge; values beyond count in the first and the last bin. */
function countBins(values: ArrayLike<number>, edges: readonly number[]): number[] {
  const counts = new Array<number>(edges.length - 1).fill(0);
  const [first, width] = [edges[0]!, (edges.at(-1)! - edges[0]!) / counts.length];
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) continue;
    const bin = Math.floor((values[i]! - first) / width + 1e-9);
    counts[Math.max(0, Math.min(counts.length - 1, bin))]! += 1;
  }
  return counts;
}

function drawBars(counts: readonly number[], edges: readonly number[], colour: Colour, x: Scale, y: Scale): string {
  const floor = y.position(0);
  const bars = counts.flatMap((count, i) => {
    if (count === 0) return [];
    const [left, right, top] = [x.position(edges[i]!), x.position(edges[i + 1]!), y.position(count)];
    return [`M${fixed(left)} ${fixed(floor)}V${fixed(top)}H${fixed(right)}V${fixed(floor)}Z`];
  });
  return `<path class="bars c${colour}" d="${bars.join("")}"/>`;
}

function medianLine(value: number, colour: Colour, x: Scale, y: Scale): string {
  if (!Number.isFinite(value)) return "";
  const at = fixed(x.position(Math.max(x.min, Math.min(x.max, value))));
  return `<path class="median c${colour}" d="M${at} ${fixed(y.position(y.min))}V${fixed(y.position(y.max))}"/>`;
}

function countColumns(
  groups: readonly HistogramGroup[],
  edges: readonly number[],
  counts: readonly number[][],
): Column[] {
  return [
    { name: "from", values: edges.slice(0, -1) },
    { name: "to", values: edges.slice(1) },
    ...groups.map(({ name }, i) => ({ name: `count: ${name}`, values: counts[i] ?? [] })),
  ];
}
