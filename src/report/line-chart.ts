/**
 * @file Line charts as SVG text. Colours and fonts come from the style sheet (style.ts), so that they follow the page's light
 * and dark theme.
 */
import { emptyChart, fixed, type KeyEntry, type Labels, type Panel, panelFigure } from "./panel.ts";
import { type Axis, extent, type Scale } from "./scale.ts";

/** Colours of the style sheet: `ink` for data, 1 for predictions, 2 to 4 for what is beside them. */
export type Colour = "ink" | 1 | 2 | 3 | 4;

/** One line of a chart. A value that is not finite leaves a gap. */
export interface Series {
  readonly name: string;
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  /**
   * `line` when absent. `area` fills down to zero, `stems` are upright strokes from zero, as counts are drawn behind rates;
   * `dots` are single points.
   */
  readonly mark?: "line" | "area" | "stems" | "dots" | undefined;
  /** A band around the line, or error bars of dots. */
  readonly low?: ArrayLike<number> | undefined;
  readonly high?: ArrayLike<number> | undefined;
  readonly isDashed?: boolean | undefined;
  /** By default the series' place in the list, from 1. */
  readonly colour?: Colour | undefined;
}

/**
 * Lines over a common horizontal axis. The vertical axis includes zero unless all are plain lines.
 *
 * @example
 * lineChart({ description: "Loss over 3 epochs", x: "epoch", y: "loss" }, [{ name: "train", x: [0, 1, 2], y: [3, 2, 1] }]);
 */
export function lineChart(labels: Labels, series: readonly Series[], more: LinePanelOptions = {}): string {
  const panel = linePanel(labels, series, more);
  return panel === undefined ? emptyChart(labels) : panelFigure(labels.description, panel, labels);
}

/** What a chart of lines can have beside them. */
export interface LinePanelOptions extends Pick<Panel, "title"> {
  /** Replaces parts of the horizontal axis. */
  readonly xAxis?: Partial<Axis> | undefined;
  /** Where an upright dashed line marks an event. */
  readonly eventAt?: number | undefined;
}

/** The panel of a {@link lineChart}; undefined when there is nothing to draw. */
export function linePanel(
  { x, y, fromZero }: Pick<Labels, "x" | "y" | "fromZero">,
  series: readonly Series[],
  { title, xAxis, eventAt }: LinePanelOptions = {},
): Panel | undefined {
  const hasFloor = series.some(({ mark = "line" }) => mark === "area" || mark === "stems");
  const xRange = extent(series.flatMap((one) => Array.from(one.x)));
  const values = series.flatMap(({ y: middle, low = [], high = [] }) =>
    [middle, low, high].flatMap((part) => Array.from(part)),
  );
  const known = extent(values);
  if (xRange === undefined || known === undefined) return undefined;
  const yRange = extent(fromZero || hasFloor ? [0, ...known] : known)!;
  const colours = series.map(({ colour }, i) => colour ?? ((i + 1) as Colour));
  return {
    title,
    key: series.length < 2 ? [] : series.map((one, i) => keyOf(one, colours[i]!)),
    x: { label: x, range: xRange, ...xAxis },
    y: { label: y, range: yRange, isRound: true },
    marks: (toX, toY) => {
      const upright = eventAt === undefined ? "" : uprightLine(fixed(toX.position(eventAt)), toY);
      return upright + series.map((one, i) => drawSeries(one, colours[i]!, toX, toY)).join("");
    },
  };
}

function keyOf({ name, mark = "line", isDashed }: Series, colour: Colour): KeyEntry {
  if (mark === "dots") return { name, classes: `dot c${colour}`, swatch: "dot" };
  if (mark === "area") return { name, classes: `area c${colour}`, swatch: "box" };
  return { name, classes: `line${isDashed ? " dashed" : ""} c${colour}` };
}

function uprightLine(at: string, { position, min, max }: Scale): string {
  return `<path class="guide" d="M${at} ${fixed(position(max))}V${fixed(position(min))}"/>`;
}

/** A series between two axes. */
export function drawSeries(series: Series, colour: Colour, x: Scale, y: Scale): string {
  const { mark = "line", isDashed, low, high } = series;
  const place = (px: number, py: number) => `${fixed(x.position(px))} ${fixed(y.position(py))}`;
  if (mark === "dots") {
    const known = finiteIndices(series);
    const bars =
      low === undefined || high === undefined ? "" : errorBars(known, { ...series, low, high }, colour, x, y);
    return (
      bars +
      known
        .map(
          (i) =>
            `<circle class="dot c${colour}" cx="${fixed(x.position(series.x[i]!))}" cy="${fixed(y.position(series.y[i]!))}" r="2.6"/>`,
        )
        .join("")
    );
  }
  const band =
    low === undefined || high === undefined
      ? ""
      : runs(finiteIndices(series).filter((i) => Number.isFinite(low[i]) && Number.isFinite(high[i])))
          .map((run) => {
            const there = run.map((i) => place(series.x[i]!, high[i]!));
            const back = run.toReversed().map((i) => place(series.x[i]!, low[i]!));
            return `<path class="band c${colour}" d="M${[...there, ...back].join("L")}Z"/>`;
          })
          .join("");
  const lines = segments(series).map((points) => {
    const places = points.map(([px, py]) => place(px, py));
    const floor = fixed(y.position(0));
    if (mark === "stems") {
      const stems = points.flatMap(([px, py]) =>
        py === 0 ? [] : [`M${fixed(x.position(px))} ${floor}V${fixed(y.position(py))}`],
      );
      return `<path class="stems c${colour}" d="${stems.join("")}"/>`;
    }
    if (mark === "area") {
      const [first, last] = [points[0]!, points.at(-1)!].map(([px]) => fixed(x.position(px)));
      return `<path class="area c${colour}" d="M${first} ${floor}L${places.join("L")}L${last} ${floor}Z"/>`;
    }
    // A line of one point would be invisible.
    if (places.length === 1) {
      const [cx, cy] = places[0]!.split(" ");
      return `<circle class="dot c${colour}" cx="${cx}" cy="${cy}" r="2.6"/>`;
    }
    return `<path class="line${isDashed ? " dashed" : ""} c${colour}" d="M${places.join("L")}"/>`;
  });
  return band + lines.join("");
}

/** Where both coordinates are finite. */
export function finiteIndices({ x, y }: Pick<Series, "x" | "y">): number[] {
  return Array.from({ length: Math.min(x.length, y.length) }, (_, i) => i).filter(
    (i) => Number.isFinite(x[i]) && Number.isFinite(y[i]),
  );
}

/** Stretches of neighbouring indices. */
function runs(indices: readonly number[]): number[][] {
  const result: number[][] = [];
  for (const [k, i] of indices.entries()) {
    if (k > 0 && indices[k - 1] === i - 1) result.at(-1)!.push(i);
    else result.push([i]);
  }
  return result;
}

function errorBars(
  indices: readonly number[],
  { x: xs, low, high }: { x: ArrayLike<number>; low: ArrayLike<number>; high: ArrayLike<number> },
  colour: Colour,
  x: Scale,
  y: Scale,
): string {
  const bars = indices
    .filter((i) => Number.isFinite(low[i]) && Number.isFinite(high[i]))
    .map((i) => `M${fixed(x.position(xs[i]!))} ${fixed(y.position(low[i]!))}V${fixed(y.position(high[i]!))}`);
  return bars.length === 0 ? "" : `<path class="interval c${colour}" d="${bars.join("")}"/>`;
}

/** The points of a series, split at gaps and thinned to what the chart's width can show. */
function segments(series: Pick<Series, "x" | "y">): [x: number, y: number][][] {
  return runs(finiteIndices(series)).map((run) =>
    thinned(run.map((i): [number, number] => [series.x[i]!, series.y[i]!])),
  );
}

/** Keeps the lowest and highest point of every bucket, so that no peak disappears. */
function thinned(points: [number, number][]): [number, number][] {
  const buckets = 600;
  if (points.length <= 2 * buckets) return points;
  return Array.from({ length: buckets }, (_, b) => {
    const start = Math.floor((b * points.length) / buckets);
    const end = Math.floor(((b + 1) * points.length) / buckets);
    let [low, high] = [start, start];
    for (let i = start; i < end; i++) {
      if (points[i]![1] < points[low]![1]) low = i;
      if (points[i]![1] > points[high]![1]) high = i;
    }
    return [points[Math.min(low, high)]!, points[Math.max(low, high)]!];
  }).flat();
}
