/**
 * @file Scatter charts as SVG text: a dot for every unit, or whatever it is that two numbers are known of.
 */
import { drawSeries, finiteIndices, type Series } from "./line-chart.ts";
import { escapeMarkup } from "./markup.ts";
import { emptyChart, fixed, type Labels, type Panel, panelFigure } from "./panel.ts";
import { type Axis, axisEnds, countOutside, extent, robustExtent } from "./scale.ts";

/** Points of a scatter chart. */
export interface Dots {
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  /** What appears when the pointer rests on a dot; left out where there are many dots. */
  readonly names?: ((i: number) => string) | undefined;
}

export interface ScatterOptions {
  /** Equal axes, with the line where both values are the same. */
  readonly hasDiagonal?: boolean | undefined;
  readonly kind?: "linear" | "log" | undefined;
  /** Of both axes, where it is known beforehand. */
  readonly ends?: readonly [min: number, max: number] | undefined;
  /** A curve through the dots. */
  readonly line?: Pick<Series, "name" | "x" | "y"> | undefined;
}

/** A chart, and how many of its points lie beyond its axes, where they are drawn on the frame. */
export interface ClippedChart {
  readonly svg: string;
  readonly outside: number;
}

/** Beyond this number dots have no names, which would be most of the page. */
const NAMED_DOTS = 400;

/** Dots on two axes. Dots without finite coordinates are left out. */
export function scatterChart(
  labels: Labels,
  dots: Dots,
  { hasDiagonal, kind, ends, line }: ScatterOptions = {},
): ClippedChart {
  const known = finiteIndices(dots).filter((i) => kind !== "log" || (dots.x[i]! > 0 && dots.y[i]! > 0));
  if (known.length === 0) return { svg: emptyChart(labels), outside: 0 };
  const [xs, ys] = [known.map((i) => dots.x[i]!), known.map((i) => dots.y[i]!)];
  const rangeOf = (values: number[]) => (kind === "log" ? extent(values)! : robustExtent(values)!);
  const [xRange, yRange] = hasDiagonal
    ? [rangeOf([...xs, ...ys]), rangeOf([...xs, ...ys])]
    : [rangeOf(xs), rangeOf(ys)];
  // The diagonal means something only where both axes have the same ends.
  const axis = (label: string, range: [number, number]): Axis =>
    hasDiagonal
      ? { label, range: ends ?? axisEnds({ label, range, kind, isRound: true }, 5), kind }
      : { label, range, kind, isRound: true };
  const panel: Panel = {
    key: line === undefined ? [] : [{ name: line.name, classes: "line c2" }],
    x: axis(labels.x, xRange),
    y: axis(labels.y, yRange),
    isSquare: hasDiagonal,
    marks: (toX, toY) => {
      const clampX = (value: number) => toX.position(Math.min(toX.max, Math.max(toX.min, value)));
      const clampY = (value: number) => toY.position(Math.min(toY.max, Math.max(toY.min, value)));
      const diagonal = hasDiagonal
        ? `<path class="guide" d="M${fixed(toX.position(toX.min))} ${fixed(toY.position(toY.min))}L${fixed(toX.position(toX.max))} ${fixed(toY.position(toY.max))}"/>`
        : "";
      const places = known.map((i) => [fixed(clampX(dots.x[i]!)), fixed(clampY(dots.y[i]!))] as const);
      const marks =
        known.length > NAMED_DOTS || dots.names === undefined
          ? `<path class="cloud c1" d="${places.map(([x, y]) => `M${x} ${y}h0`).join("")}"/>`
          : places
              .map(
                ([x, y], k) =>
                  `<circle class="dot c1" cx="${x}" cy="${y}" r="2.6"><title>${escapeMarkup(dots.names!(known[k]!))}</title></circle>`,
              )
              .join("");
      return marks + diagonal + (line === undefined ? "" : drawSeries(line, 2, toX, toY));
    },
  };
  const outside = kind === "log" ? 0 : countOutside(xs, xRange) + countOutside(ys, yRange);
  return { svg: panelFigure(labels.description, panel, labels), outside };
}
