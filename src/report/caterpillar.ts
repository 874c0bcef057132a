/**
 * @file Caterpillar plots: all units from the lowest to the highest score, each with its confidence interval.
 */
import { quantile } from "../eval/statistics/quantiles.ts";
import { drawSeries, type Series } from "./line-chart.ts";
import { emptyChart, fixed, type Labels, type Panel, panelFigure, WIDTH } from "./panel.ts";
import { extent, robustExtent, type Scale } from "./scale.ts";

/** What is drawn of every unit. */
export interface Caterpillar {
  /** Name of the score. */
  readonly name: string;
  readonly values: ArrayLike<number>;
  readonly low?: ArrayLike<number> | undefined;
  readonly high?: ArrayLike<number> | undefined;
  /** Another score of the same units, as dots. */
  readonly beside?: { readonly name: string; readonly values: ArrayLike<number> } | undefined;
  /** A value that means something, such as the ceiling of 1. */
  readonly guide?: number | undefined;
}

/** More units would be one grey band: of more, evenly spaced ranks are drawn. */
const MOST_UNITS = 400;

/** A caterpillar plot. */
export interface CaterpillarChart {
  readonly svg: string;
  /** Positions of the units that have a score, ascending by score. */
  readonly order: readonly number[];
  /** How many of them are drawn. */
  readonly drawn: number;
}

/** Units by rank. Units without a score are left out; intervals are cut at the frame. */
export function caterpillarChart(
  labels: Omit<Labels, "x">,
  { name, values, low, high, beside, guide }: Caterpillar,
): CaterpillarChart {
  const order = Array.from({ length: values.length }, (_, i) => i)
    .filter((i) => Number.isFinite(values[i]))
    .sort((a, b) => values[a]! - values[b]! || a - b);
  const full: Labels = { width: WIDTH.wide, ...labels, x: "units, lowest first" };
  if (order.length === 0) return { svg: emptyChart(full), order, drawn: 0 };
  const count = Math.min(order.length, MOST_UNITS);
  const ranks = Array.from({ length: count }, (_, k) =>
    count === 1 ? 0 : Math.round((k * (order.length - 1)) / (count - 1)),
  );
  const pick = (of: ArrayLike<number> | undefined) => of && ranks.map((rank) => of[order[rank]!]!);
  const x = ranks.map((rank) => rank + 1);
  const [own, others] = [pick(values)!, pick(beside?.values) ?? []];
  // Intervals of hopeless units reach far: they must not squeeze the others.
  const reach = [quantile(pick(low) ?? [], 0.1), quantile(pick(high) ?? [], 0.9), guide ?? Number.NaN];
  const range = extent([...robustExtent([...own, ...others])!, ...reach])!;
  const series: Series = { name, x, y: own, low: pick(low), high: pick(high), mark: "dots", colour: 1 };
  const panel: Panel = {
    key: [
      { name: low === undefined ? name : `${name}, with its confidence interval`, classes: "dot c1", swatch: "dot" },
      ...(beside === undefined ? [] : [{ name: beside.name, classes: "dot c2", swatch: "dot" } as const]),
    ],
    x: {
      label: full.x,
      range: [0, order.length + 1],
      ...(order.length < 7 ? { ticks: x.map((at) => ({ at, text: String(at) })) } : {}),
    },
    y: { label: full.y, range, isRound: true },
    marks: (toX, toY) => {
      const clamped = clampedTo(toY);
      const line =
        guide === undefined
          ? ""
          : `<path class="guide" d="M${fixed(toX.position(toX.min))} ${fixed(clamped(guide))}H${fixed(toX.position(toX.max))}"/>`;
      const scale: Scale = { ...toY, position: clamped };
      const dots =
        beside === undefined ? "" : drawSeries({ name: beside.name, x, y: others, mark: "dots" }, 2, toX, scale);
      return line + drawSeries(series, 1, toX, scale) + dots;
    },
  };
  return { svg: panelFigure(full.description, panel, full), order, drawn: count };
}

function clampedTo({ min, max, position }: Scale): (value: number) => number {
  return (value) => position(Math.max(min, Math.min(max, value)));
}
