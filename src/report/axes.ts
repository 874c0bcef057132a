/**
 * @file The frame of a chart: scales with round ticks, grid lines, axis labels, and a key to the series.
 */
import { escapeMarkup, formatNumber } from "./markup.ts";

/** Size of every chart in SVG units, one unit being a pixel at full width. */
export const CHART = { width: 560, height: 300, left: 62, right: 14, top: 30, bottom: 46 } as const;

/** Maps values of one axis to positions in the chart. */
export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
  position(value: number): number;
}

/** Smallest and largest finite value, or undefined when there is none. */
export function extent(values: Iterable<number>): [min: number, max: number] | undefined {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min <= max ? [min, max] : undefined;
}

/** About `count` round numbers inside [min, max]: multiples of 1, 2 or 5 times a power of ten. */
export function roundTicks(min: number, max: number, count = 5): number[] {
  const step = tickStep(min, max, count);
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  // Multiples, not running sums: rounding errors do not add up.
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** The scale of a horizontal axis: exactly the range given, a little wider where it is a single value. */
export function horizontalScale(range: readonly [number, number]): Scale {
  const [min, max] = widened(range);
  return linear(min, max, CHART.left, CHART.width - CHART.right, 6);
}

/** The scale of a vertical axis, from a round number below the range to one above it. */
export function verticalScale(range: readonly [number, number]): Scale {
  const [low, high] = widened(range);
  const step = tickStep(low, high, 5);
  const min = Math.floor(low / step + 1e-9) * step;
  const max = Math.ceil(high / step - 1e-9) * step;
  return linear(min, max, CHART.height - CHART.bottom, CHART.top, 5);
}

/** A scale between two positions. */
export function linear(min: number, max: number, start: number, end: number, tickCount: number): Scale {
  const perUnit = (end - start) / (max - min);
  return { min, max, ticks: roundTicks(min, max, tickCount), position: (value) => start + (value - min) * perUnit };
}

/** Grid lines, tick labels and axis titles. */
export function drawAxes(x: Scale | undefined, y: Scale, xLabel: string, yLabel: string): string {
  const { width, height, left, right, bottom, top } = CHART;
  const parts: string[] = [];
  for (const tick of y.ticks) {
    const at = fixed(y.position(tick));
    parts.push(`<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>`);
    parts.push(`<text class="tick" x="${left - 6}" y="${at}" dy="0.32em" text-anchor="end">${label(tick, y)}</text>`);
  }
  for (const tick of x?.ticks ?? []) {
    const at = fixed(x!.position(tick));
    parts.push(`<line class="axis" x1="${at}" x2="${at}" y1="${height - bottom}" y2="${height - bottom + 4}"/>`);
    parts.push(
      `<text class="tick" x="${at}" y="${height - bottom + 16}" text-anchor="middle">${label(tick, x!)}</text>`,
    );
  }
  const [centre, middle] = [(left + width - right) / 2, (top + height - bottom) / 2];
  parts.push(`<line class="axis" x1="${left}" x2="${width - right}" y1="${height - bottom}" y2="${height - bottom}"/>`);
  parts.push(`<text x="${centre}" y="${height - 8}" text-anchor="middle">${escapeMarkup(xLabel)}</text>`);
  parts.push(
    `<text transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${escapeMarkup(yLabel)}</text>`,
  );
  return parts.join("");
}

/** One line of colour swatches and names above the chart. */
export function drawKey(names: readonly string[], markClass: (index: number) => string): string {
  let x: number = CHART.left;
  const parts = names.map((name, i) => {
    const entry =
      `<rect class="${markClass(i)}" x="${x}" y="9" width="14" height="5" rx="1"/>` +
      `<text x="${x + 19}" y="12" dy="0.32em">${escapeMarkup(name)}</text>`;
    // About 7 units a letter at the font size of the style sheet.
    x += 19 + name.length * 7 + 14;
    return entry;
  });
  return parts.join("");
}

/** The SVG element around the marks; `description` is what a screen reader says. */
export function chartFrame(description: string, content: string, height: number = CHART.height): string {
  const size = `viewBox="0 0 ${CHART.width} ${height}"`;
  return `<svg role="img" ${size} aria-label="${escapeMarkup(description)}">${content}</svg>`;
}

/** A coordinate with one decimal: a tenth of a pixel is finer than anybody sees and keeps files small. */
export function fixed(position: number): string {
  return String(Math.round(position * 10) / 10);
}

function label(tick: number, { ticks }: Scale): string {
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : Math.abs(tick) || 1;
  return formatNumber(tick, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

function tickStep(min: number, max: number, count: number): number {
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

function widened([min, max]: readonly [number, number]): [number, number] {
  if (max > min) return [min, max];
  const margin = Math.abs(min) * 0.1 || 1;
  return [min - margin, max + margin];
}
