/**
 * @file Figures of maps: images beside each other, each with its title and a bar that says what the colours mean.
 */
import { colourRange, mapImage, type NumberMap } from "./colour-map.ts";
import { escapeMarkup, formatNumber } from "./markup.ts";
import { fixed, svgElement } from "./panel.ts";
import { FONT_SIZE, textWidth, wrapText } from "./text-width.ts";

/** A circle in a map, in pixels from the middle of the first one: the outline of a receptive field for example. */
export interface Outline {
  readonly x: number;
  readonly y: number;
  readonly diameter: number;
}

/** One map of a figure. */
export interface MapPanel extends NumberMap {
  readonly title: string;
  /** Second line, smaller. */
  readonly subtitle?: string | undefined;
  readonly outline?: Outline | undefined;
}

export interface MapFigureOptions {
  /** What a screen reader says. */
  readonly description: string;
  /** Maps in a row. */
  readonly columns: number;
  readonly width: number;
  /** What the numbers are, `z` for example: written at the bar of colours. */
  readonly quantity: string;
  /** Width of a map in degrees, if known: a bar of a round length is drawn below the maps. */
  readonly degrees?: number | null | undefined;
}

const GAP = 16;
const LINE = 14;
const BAR = { width: 7, gap: 5 } as const;

/** Maps in rows. Each has a scale of colours of its own. */
export function mapFigure(maps: readonly MapPanel[], options: MapFigureOptions): string {
  const { columns, width, description } = options;
  const ends = maps.map((map) => colourRange(map).map((value) => formatNumber(value, decimalsOf(map))));
  const barSpace =
    BAR.gap + BAR.width + 4 + Math.max(...ends.flat().map((text) => textWidth(text)), textWidth(options.quantity));
  const each = (width - GAP * (columns - 1)) / columns;
  const side = each - barSpace;
  const titles = maps.map(({ title }) => wrapText(title, each, FONT_SIZE));
  const subtitles = maps.map(({ subtitle }) => (subtitle === undefined ? [] : wrapText(subtitle, each)));
  const rows = Array.from({ length: Math.ceil(maps.length / columns) }, (_, row) => {
    const members = maps.slice(row * columns, (row + 1) * columns).map((_, i) => row * columns + i);
    const head = Math.max(...members.map((i) => titles[i]!.length + subtitles[i]!.length)) * LINE + 4;
    const imageHeight = Math.max(...members.map((i) => (side * maps[i]!.rows) / maps[i]!.columns));
    return { members, head, imageHeight };
  });
  const parts: string[] = [];
  let top = 0;
  for (const { members, head, imageHeight } of rows) {
    for (const [column, i] of members.entries()) {
      const left = column * (each + GAP);
      const texts = [
        ...titles[i]!.map((line) => `<text class="title"`.concat(`>${escapeMarkup(line)}`)),
        ...subtitles[i]!.map((line) => `<text>${escapeMarkup(line)}`),
      ];
      parts.push(
        ...texts.map(
          (text, k) => `${text.replace("<text", `<text x="${fixed(left)}" y="${fixed(top + LINE * k + 10)}"`)}</text>`,
        ),
        drawMap(maps[i]!, left, top + head, side),
        colourBar(
          maps[i]!,
          left + side + BAR.gap,
          top + head,
          (side * maps[i]!.rows) / maps[i]!.columns,
          options.quantity,
        ),
      );
    }
    top += head + imageHeight + 12;
  }
  const { degrees } = options;
  if (typeof degrees === "number") parts.push(scaleBar(side, degrees, top));
  return svgElement(description, width, top + (typeof degrees === "number" ? 18 : 0), parts.join(""));
}

function decimalsOf(map: NumberMap): number {
  const [low, high] = colourRange(map);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  return largest >= 9.95 ? 0 : largest >= 0.995 ? 1 : 2;
}

function drawMap(map: MapPanel, left: number, top: number, side: number): string {
  const pixel = side / map.columns;
  const height = pixel * map.rows;
  const size = `x="${fixed(left)}" y="${fixed(top)}" width="${fixed(side)}" height="${fixed(height)}"`;
  const image = `<image class="map" ${size} preserveAspectRatio="none" href="${mapImage(map)}"/>`;
  const frame = `<rect class="frame" ${size}/>`;
  const { outline } = map;
  if (outline === undefined || !Number.isFinite(outline.x + outline.y + outline.diameter)) return image + frame;
  const [cx, cy] = [(outline.x + 0.5) * pixel, (outline.y + 0.5) * pixel];
  const circle = `<circle class="outline" cx="${fixed(cx)}" cy="${fixed(cy)}" r="${fixed((outline.diameter / 2) * pixel)}"/>`;
  // An element of its own cuts the circle at the edge of the map.
  return `${image}<svg ${size}>${circle}</svg>${frame}`;
}

function colourBar(map: NumberMap, left: number, top: number, height: number, quantity: string): string {
  const range = colourRange(map);
  const steps = 64;
  const values = Float64Array.from({ length: steps }, (_, i) => range[1] - ((range[1] - range[0]) * i) / (steps - 1));
  const image = mapImage({ rows: steps, columns: 1, values, colours: map.colours }, range);
  const label = (at: number, text: string) =>
    `<text x="${fixed(left + BAR.width + 3)}" y="${fixed(at)}" dy="0.35em">${escapeMarkup(text)}</text>`;
  const decimals = decimalsOf(map);
  return (
    `<image class="map" x="${fixed(left)}" y="${fixed(top)}" width="${BAR.width}" height="${fixed(height)}" preserveAspectRatio="none" href="${image}"/>` +
    label(top + 5, formatNumber(range[1], decimals)) +
    label(top + height / 2, quantity) +
    label(top + height - 5, formatNumber(range[0], decimals))
  );
}

/** A bar of 1, 2 or 5 times a power of ten degrees, at most half as wide as a map. */
function scaleBar(side: number, degrees: number, top: number): string {
  const power = 10 ** Math.floor(Math.log10(degrees / 2));
  const length = power * [5, 2, 1].find((factor) => factor * power <= degrees / 2)!;
  const width = (side * length) / degrees;
  const text = length === 1 ? "1 degree" : `${+length.toPrecision(3)} degrees`;
  return (
    `<path class="scale-bar" d="M0 ${fixed(top + 4)}h${fixed(width)}"/>` +
    `<text x="${fixed(width + 6)}" y="${fixed(top + 4)}" dy="0.35em">${text}</text>`
  );
}
