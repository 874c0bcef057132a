/**
 * @file One panel of a figure: a title, a key, two axes with ticks, and marks between them. Every margin is as wide as the
 * text in it needs.
 */
import { escapeMarkup } from "./markup.ts";
import { type Axis, type Scale, scaleOf } from "./scale.ts";
import { FONT_SIZE, textWidth, wrapText } from "./text-width.ts";

/** Width of figures in SVG units, one unit being about a pixel: a third of the page, half of it, or all. */
export const WIDTH = { single: 340, half: 522, wide: 1124 } as const;

/** Height of a single panel. */
export const HEIGHT = 230;

/** A rectangle in a figure. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A name in the key of a panel. */
export interface KeyEntry {
  readonly name: string;
  /** Classes of its swatch. */
  readonly classes: string;
  /** `line` unless told otherwise. */
  readonly swatch?: "line" | "box" | "dot" | undefined;
}

/** What a panel shows. */
export interface Panel {
  readonly title?: string | undefined;
  readonly key?: readonly KeyEntry[] | undefined;
  readonly x: Axis;
  readonly y: Axis;
  /** Whether the axes are as long as each other: the panel is then in the middle of its box. */
  readonly isSquare?: boolean | undefined;
  /** What is drawn, by both scales. */
  marks(x: Scale, y: Scale): string;
}

/** Words around a chart. */
export interface Labels {
  /** What a screen reader says: what is drawn and what it shows. */
  readonly description: string;
  readonly x: string;
  readonly y: string;
  /** Whether the vertical axis of lines includes 0 in any case. */
  readonly fromZero?: boolean | undefined;
  readonly width?: number | undefined;
  readonly height?: number | undefined;
}

const LINE = 14;
const TICK = 4;
const GAP = 5;

/** A panel in a box, as the content of an SVG element. */
export function drawPanel(box: Box, panel: Panel): string {
  const right = box.left + box.width;
  const title = panel.title === undefined ? [] : wrapText(panel.title, box.width, FONT_SIZE * 1.08);
  const keyRows = placeKey(panel.key ?? [], box.width);
  const head = box.top + LINE * (title.length + keyRows.length) + (title.length + keyRows.length > 0 ? 6 : 8);
  // The label of the x axis takes one line in all but narrow panels; what it takes is known only when the left margin is.
  const roughHeight = box.top + box.height - head - 2 * LINE - TICK - GAP;
  const yCount = Math.max(2, Math.min(6, Math.round(roughHeight / 38)));
  const yTicks = scaleOf(panel.y, 0, 1, yCount).ticks;
  const yLabel = wrapText(panel.y.label, roughHeight);
  const labelWidth = panel.y.label === "" ? 0 : yLabel.length * LINE + 2;
  const left = box.left + labelWidth + Math.max(0, ...yTicks.map(({ text }) => textWidth(text))) + TICK + GAP;
  const x = fittingScale(panel.x, left, right);
  const xLabel = panel.x.label === "" ? [] : wrapText(panel.x.label, right - left);
  const hasTicks = x.ticks.length > 0;
  const bottom = box.top + box.height - xLabel.length * LINE - (hasTicks ? LINE : 0) - TICK - 2;
  const slack = x.end - left - (bottom - head);
  if (panel.isSquare && Math.abs(slack) > 1) {
    const smaller =
      slack > 0 ? { left: box.left + slack / 2, width: box.width - slack } : { height: box.height + slack };
    return drawPanel({ ...box, ...smaller }, panel);
  }
  const y = scaleOf(panel.y, bottom, head, yCount);
  return [
    ...title.map(
      (line, i) =>
        `<text class="title" x="${fixed(box.left)}" y="${fixed(box.top + LINE * i + 10)}">${escapeMarkup(line)}</text>`,
    ),
    ...keyRows.flatMap((row, i) =>
      row.map((entry) => drawKeyEntry(entry, box.left, box.top + LINE * (title.length + i))),
    ),
    ...y.ticks.map(({ at, text }) => yTick(fixed(y.position(at)), left, text)),
    ...x.ticks.map(({ at, text }) => xTick(fixed(x.position(at)), bottom, text)),
    `<path class="axis" d="M${fixed(left)} ${fixed(head)}V${fixed(bottom)}H${fixed(x.end)}"/>`,
    panel.marks(x, y),
    ...xLabel.map(
      (line, i) =>
        `<text x="${fixed((left + x.end) / 2)}" y="${fixed(bottom + TICK + (hasTicks ? LINE : 0) + LINE * (i + 1) - 2)}" text-anchor="middle">${escapeMarkup(line)}</text>`,
    ),
    ...(panel.y.label === "" ? [] : yLabel).map(
      (line, i) =>
        `<text transform="translate(${fixed(box.left + LINE * i + 10)} ${fixed((head + bottom) / 2)}) rotate(-90)" text-anchor="middle">${escapeMarkup(line)}</text>`,
    ),
  ].join("");
}

/** A horizontal scale with as many ticks as have room for their labels, the last one included. */
function fittingScale(axis: Axis, start: number, limit: number): Scale & { readonly end: number } {
  const between = (count: number) => {
    const last = scaleOf(axis, 0, 1, count).ticks.at(-1);
    // The last label may reach beyond the axis, but not beyond the panel.
    const end = limit - 4 - (last === undefined ? 0 : overhang(axis, start, limit - 4, count, last.text));
    return { ...scaleOf(axis, start, end, count), end };
  };
  const scales = [7, 6, 5, 4, 3, 2].map(between);
  const few = scales.at(-1)!;
  return scales.find(fits) ?? { ...few, ticks: thinnedTicks(few) };
}

function overhang(axis: Axis, start: number, end: number, count: number, text: string): number {
  const scale = scaleOf(axis, start, end, count);
  return Math.max(0, scale.position(scale.ticks.at(-1)!.at) + textWidth(text) / 2 - end - 4);
}

function fits({ ticks, position }: Scale): boolean {
  return ticks.every(({ at, text }, i) => {
    const before = ticks[i - 1];
    if (before === undefined) return true;
    return Math.abs(position(at) - position(before.at)) >= (textWidth(text) + textWidth(before.text)) / 2 + 8;
  });
}

/** Every second, third, … tick, until their labels have room. */
function thinnedTicks(scale: Scale): Scale["ticks"] {
  for (let step = 2; step < scale.ticks.length; step++) {
    const ticks = scale.ticks.filter((_, i) => i % step === 0);
    if (fits({ ...scale, ticks })) return ticks;
  }
  return scale.ticks.slice(0, 1);
}

function xTick(at: string, bottom: number, text: string): string {
  return (
    `<path class="axis" d="M${at} ${fixed(bottom)}v${TICK}"/>` +
    `<text x="${at}" y="${fixed(bottom + TICK + 11)}" text-anchor="middle">${escapeMarkup(text)}</text>`
  );
}

function yTick(at: string, left: number, text: string): string {
  return (
    `<path class="axis" d="M${fixed(left)} ${at}h${-TICK}"/>` +
    `<text x="${fixed(left - TICK - 3)}" y="${at}" dy="0.35em" text-anchor="end">${escapeMarkup(text)}</text>`
  );
}

interface PlacedEntry extends KeyEntry {
  readonly x: number;
}

/** Entries in rows that are not wider than the panel. */
function placeKey(entries: readonly KeyEntry[], width: number): PlacedEntry[][] {
  const rows: PlacedEntry[][] = [];
  let x = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const needed = 18 + textWidth(entry.name);
    if (x + needed > width) {
      rows.push([]);
      x = 0;
    }
    rows.at(-1)!.push({ ...entry, x });
    x += needed + 12;
  }
  return rows;
}

function drawKeyEntry({ name, classes, swatch = "line", x }: PlacedEntry, left: number, top: number): string {
  const at = left + x;
  const drawn = {
    line: `<path class="${classes}" d="M${fixed(at)} ${fixed(top + 6)}h14"/>`,
    box: `<rect class="${classes}" x="${fixed(at)}" y="${fixed(top + 1)}" width="14" height="9"/>`,
    dot: `<circle class="${classes}" cx="${fixed(at + 7)}" cy="${fixed(top + 6)}" r="3"/>`,
  };
  return `${drawn[swatch]}<text x="${fixed(at + 18)}" y="${fixed(top + 6)}" dy="0.35em">${escapeMarkup(name)}</text>`;
}

/** The SVG element around panels; `description` is what a screen reader says. */
export function svgElement(description: string, width: number, height: number, content: string): string {
  const size = `viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}"`;
  // Text must stay readable on a phone: wide figures are scrolled there instead of being shrunk.
  const style = `style="min-width:${Math.round(width * 0.8)}px;max-width:${Math.round(width * 1.25)}px"`;
  return `<svg role="img" ${size} ${style} aria-label="${escapeMarkup(description)}">${content}</svg>`;
}

/** A figure of one panel. */
export function panelFigure(
  description: string,
  panel: Panel,
  { width = WIDTH.single, height = HEIGHT }: { width?: number | undefined; height?: number | undefined } = {},
): string {
  return svgElement(description, width, height, drawPanel({ left: 0, top: 0, width, height }, panel));
}

/** A figure of panels beside each other, in rows of `columns`. */
export function panelGrid(
  description: string,
  panels: readonly Panel[],
  { columns, width, height = HEIGHT }: { columns: number; width: number; height?: number | undefined },
): string {
  const gap = 24;
  const each = (width - gap * (columns - 1)) / columns;
  const drawn = panels.map((panel, i) => {
    const [left, top] = [(i % columns) * (each + gap), Math.floor(i / columns) * (height + 16)];
    return drawPanel({ left, top, width: each, height }, panel);
  });
  const rows = Math.ceil(panels.length / columns);
  return svgElement(description, width, rows * (height + 16) - 16, drawn.join(""));
}

/** A figure that says that there is nothing to draw. */
export function emptyChart({ description, width = WIDTH.single, height = HEIGHT }: Labels): string {
  const text = `<text x="${width / 2}" y="${height / 2}" text-anchor="middle">no data</text>`;
  return svgElement(`${description}: no data`, width, height, text);
}

/** A coordinate with one decimal: a tenth of a pixel is finer than anybody sees and keeps files small. */
export function fixed(position: number): string {
  return String(Math.round(position * 10) / 10);
}
