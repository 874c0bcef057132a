/**
 * @file Charts with a row for every session, or whatever has a name: bars, and medians with quartiles.
 */
import { escapeMarkup, formatNumber } from "./markup.ts";
import { type Box, drawPanel, emptyChart, fixed, type Labels, type Panel, svgElement, WIDTH } from "./panel.ts";
import { extent, type Scale } from "./scale.ts";
import { textWidth } from "./text-width.ts";

/** A bar, and optionally a mark for the value it could have reached. */
export interface Bar {
  readonly name: string;
  readonly value: number | null;
  readonly limit?: number | null;
}

const BAR_HEIGHT = 20;

/** Horizontal bars from zero, one row each, with the value written at the right end of the row. */
export function barChart(labels: Omit<Labels, "y">, bars: readonly Bar[]): string {
  const range = extent([0, ...bars.flatMap(({ value, limit }) => [value ?? Number.NaN, limit ?? Number.NaN])]);
  if (bars.length === 0 || range === undefined) return emptyChart({ ...labels, y: "" });
  return rowChart(
    labels,
    [range[0], range[1] > range[0] ? range[1] : range[0] + 1],
    bars,
    ({ value, limit }, top, x) => {
      const [zero, end] = [x.position(0), x.position(value ?? 0)];
      const bar =
        `<rect class="bar c1" x="${fixed(Math.min(zero, end))}" y="${top + 3}" width="${fixed(Math.abs(end - zero))}"` +
        ` height="${BAR_HEIGHT - 6}"/>`;
      if (typeof limit !== "number" || !Number.isFinite(limit)) return bar;
      return `${bar}<path class="limit" d="M${fixed(x.position(limit))} ${top + 1}v${BAR_HEIGHT - 2}"/>`;
    },
  );
}

/** Quartiles of a group of values. */
export interface Spread {
  readonly name: string;
  readonly low: number;
  /** Median. */
  readonly value: number;
  readonly high: number;
}

/** Median and quartiles, one row a group, with the median written at the right end of the row. */
export function spreadChart(labels: Omit<Labels, "y">, groups: readonly Spread[]): string {
  const range = extent(groups.flatMap(({ low, value, high }) => [low, value, high]));
  if (range === undefined) return emptyChart({ ...labels, y: "" });
  const [min, max] = [Math.min(0, range[0]), Math.max(range[1], range[0] + 1e-9)];
  return rowChart(labels, [min, max], groups, ({ low, value, high }, top, x) => {
    if (!Number.isFinite(value)) return "";
    const middle = top + BAR_HEIGHT / 2;
    return (
      `<path class="interval c1" d="M${fixed(x.position(low))} ${middle}H${fixed(x.position(high))}"/>` +
      `<circle class="dot c1" cx="${fixed(x.position(value))}" cy="${middle}" r="3.4"/>`
    );
  });
}

/** Rows with a name to the left and a value to the right. */
function rowChart<Row extends { readonly name: string; readonly value: number | null }>(
  labels: Omit<Labels, "y">,
  range: [number, number],
  rows: readonly Row[],
  draw: (row: Row, top: number, x: Scale) => string,
): string {
  const names = Math.max(...rows.map(({ name }) => textWidth(name))) + 8;
  const values = 44;
  const width = Math.max(labels.width ?? WIDTH.single, names + values + 150);
  const top = 4;
  const height = top + rows.length * BAR_HEIGHT + 40;
  const box: Box = { left: names, top, width: width - names - values, height: height - top };
  const panel: Panel = {
    x: { label: labels.x, range, isRound: false },
    y: { label: "", range: [0, 1], ticks: [] },
    marks: (x) =>
      rows
        .map((row, i) => {
          const at = top + 8 + i * BAR_HEIGHT;
          const middle = at + BAR_HEIGHT / 2;
          return (
            `<text x="${fixed(names - 2)}" y="${middle}" dy="0.35em" text-anchor="end">${escapeMarkup(row.name)}</text>` +
            `<text x="${fixed(width)}" y="${middle}" dy="0.35em" text-anchor="end">${formatNumber(row.value, 3)}</text>` +
            draw(row, at, x)
          );
        })
        .join(""),
  };
  return svgElement(labels.description, width, height, drawPanel(box, panel));
}
