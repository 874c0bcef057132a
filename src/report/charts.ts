/**
 * @file Charts as SVG text: lines, scatter and bars. Colours and fonts come from the page's style sheet (page.ts), so
 * that they follow its light and dark theme.
 */
import {
  CHART,
  chartFrame,
  drawAxes,
  drawKey,
  extent,
  fixed,
  horizontalScale,
  linear,
  type Scale,
  verticalScale,
} from "./axes.ts";
import { escapeMarkup, formatNumber } from "./markup.ts";

/** One line of a chart. A value that is not finite leaves a gap. */
export interface Series {
  readonly name: string;
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  /** `area` fills down to zero, `stems` are upright strokes from zero, as counts are drawn behind rates. */
  readonly mark?: "line" | "area" | "stems";
  /** 1 to 4, a colour of the style sheet; by default the series' place in the list. */
  readonly colour?: 1 | 2 | 3 | 4;
}

/** Words around a chart. */
export interface Labels {
  /** What a screen reader says: what is drawn and what it shows. */
  readonly description: string;
  readonly x: string;
  readonly y: string;
}

/**
 * Lines over a common horizontal axis. The vertical axis includes zero unless all are plain lines.
 *
 * @example
 * lineChart({ description: "Loss over 3 epochs", x: "epoch", y: "loss" }, [{ name: "train", x: [0, 1, 2], y: [3, 2, 1] }]);
 */
export function lineChart(labels: Labels, series: readonly Series[]): string {
  const baseline = series.some(({ mark = "line" }) => mark !== "line") ? [0] : [];
  const xRange = extent(series.flatMap(({ x }) => Array.from(x)));
  const yRange = extent([...baseline, ...series.flatMap(({ y }) => Array.from(y))]);
  if (xRange === undefined || yRange === undefined) return emptyChart(labels);
  const x = horizontalScale(xRange);
  const y = verticalScale(yRange);
  const colours = series.map(({ colour }, i) => colour ?? i + 1);
  const marks = series.map((one, i) =>
    segments(one)
      .map((points) => drawSegment(points, one.mark ?? "line", colours[i]!, x, y))
      .join(""),
  );
  const key = drawKey(
    series.map(({ name }) => name),
    (i) => `swatch c${colours[i]}`,
  );
  return chartFrame(labels.description, drawAxes(x, y, labels.x, labels.y) + marks.join("") + key);
}

function drawSegment(
  points: readonly (readonly [number, number])[],
  mark: "line" | "area" | "stems",
  colour: number,
  x: Scale,
  y: Scale,
): string {
  const places = points.map(([px, py]) => [fixed(x.position(px)), fixed(y.position(py))] as const);
  const floor = fixed(y.position(0));
  if (mark === "stems") {
    const stems = places.filter((_, i) => points[i]![1] !== 0).map(([px, py]) => `M${px} ${floor}V${py}`);
    return `<path class="stems c${colour}" d="${stems.join("")}"/>`;
  }
  const path = places.map((place) => place.join(" ")).join("L");
  if (mark === "area") {
    return `<path class="area c${colour}" d="M${places[0]![0]} ${floor}L${path}L${places.at(-1)![0]} ${floor}Z"/>`;
  }
  // A line of one point would be invisible.
  return places.length > 1
    ? `<path class="line c${colour}" d="M${path}"/>`
    : `<circle class="dot c${colour}" cx="${places[0]![0]}" cy="${places[0]![1]}" r="3"/>`;
}

/** A dot of a scatter chart; its name appears when the pointer rests on it. */
export interface Dot {
  readonly x: number;
  readonly y: number;
  readonly name: string;
}

/** Dots on two equal axes with the line where both are the same. Dots without finite coordinates are left out. */
export function scatterChart(labels: Labels, dots: readonly Dot[]): string {
  const drawn = dots.filter((dot) => Number.isFinite(dot.x) && Number.isFinite(dot.y));
  const range = extent([0, ...drawn.flatMap((dot) => [dot.x, dot.y])]);
  if (drawn.length === 0 || range === undefined) return emptyChart(labels);
  const y = verticalScale(range);
  const x = linear(y.min, y.max, CHART.left, CHART.width - CHART.right, 6);
  const [from, to] = [y.min, y.max];
  const diagonal =
    `<line class="diagonal" x1="${fixed(x.position(from))}" y1="${fixed(y.position(from))}"` +
    ` x2="${fixed(x.position(to))}" y2="${fixed(y.position(to))}"/>`;
  const marks = drawn.map(
    (dot) =>
      `<circle class="dot c1" cx="${fixed(x.position(dot.x))}" cy="${fixed(y.position(dot.y))}" r="3.2">` +
      `<title>${escapeMarkup(dot.name)}</title></circle>`,
  );
  return chartFrame(labels.description, drawAxes(x, y, labels.x, labels.y) + diagonal + marks.join(""));
}

/** A bar, and optionally a mark for the value it could have reached. */
export interface Bar {
  readonly name: string;
  readonly value: number | null;
  readonly limit?: number | null;
}

const BAR_HEIGHT = 26;

/** Horizontal bars from zero, one row each, with the value written at the right end of the row. */
export function barChart(labels: Omit<Labels, "y">, bars: readonly Bar[]): string {
  const range = extent([0, ...bars.flatMap(({ value, limit }) => [value ?? Number.NaN, limit ?? Number.NaN])]);
  if (bars.length === 0 || range === undefined) return emptyChart({ ...labels, y: "" });
  const nameWidth = Math.min(200, 20 + 7 * Math.max(...bars.map(({ name }) => name.length)));
  const scale = linear(range[0], Math.max(range[1], range[0] + 1e-9), nameWidth, CHART.width - 60, 5);
  const zero = scale.position(0);
  const rows = bars.map(({ name, value, limit }, i) => {
    const top = 8 + i * BAR_HEIGHT;
    const middle = top + BAR_HEIGHT / 2 - 3;
    const end = scale.position(value ?? 0);
    const parts = [
      `<text x="${nameWidth - 8}" y="${middle}" dy="0.32em" text-anchor="end">${escapeMarkup(name)}</text>`,
      `<rect class="bar c1" x="${fixed(Math.min(zero, end))}" y="${top}" width="${fixed(Math.abs(end - zero))}"` +
        ` height="${BAR_HEIGHT - 6}"/>`,
    ];
    if (typeof limit === "number" && Number.isFinite(limit)) {
      const at = scale.position(limit);
      parts.push(
        `<line class="limit" x1="${fixed(at)}" x2="${fixed(at)}" y1="${top - 2}" y2="${top + BAR_HEIGHT - 4}"/>`,
      );
    }
    parts.push(`<text x="${CHART.width}" y="${middle}" dy="0.32em" text-anchor="end">${formatNumber(value, 3)}</text>`);
    return parts.join("");
  });
  const height = 8 + bars.length * BAR_HEIGHT + 24;
  const caption = `<text x="${fixed((nameWidth + CHART.width - 60) / 2)}" y="${height - 6}" text-anchor="middle">`;
  return chartFrame(labels.description, `${rows.join("")}${caption}${escapeMarkup(labels.x)}</text>`, height);
}

function emptyChart({ description }: Labels): string {
  const [x, y] = [CHART.width / 2, CHART.height / 2];
  return chartFrame(`${description}: no data`, `<text x="${x}" y="${y}" text-anchor="middle">no data</text>`);
}

/** The points of a series, split at gaps and thinned to what the chart's width can show. */
function segments({ x, y }: Series): [x: number, y: number][][] {
  const result: [number, number][][] = [[]];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (Number.isFinite(x[i]) && Number.isFinite(y[i])) result.at(-1)!.push([x[i]!, y[i]!]);
    else if (result.at(-1)!.length > 0) result.push([]);
  }
  return result.filter((points) => points.length > 0).map(thinned);
}

/** Keeps the lowest and highest point of every bucket, so that no peak disappears. */
function thinned(points: [number, number][]): [number, number][] {
  const buckets = CHART.width;
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
