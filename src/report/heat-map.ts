/**
 * @file Heat maps as inline PNG images: frames in grey, signed maps such as receptive fields from blue to red.
 */
import { encodePng } from "../formats/png.ts";
import { extent } from "./axes.ts";
import { escapeMarkup } from "./markup.ts";

/** A map of numbers, row-major from the top left corner. */
export interface HeatMap {
  /** What a screen reader says. */
  readonly description: string;
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
  /** `signed` is blue below zero, white at zero, red above; `grey` is black at the minimum, white at the maximum. */
  readonly colours: "grey" | "signed";
}

const LOW = [33, 102, 172] as const;
const ZERO = [247, 247, 247] as const;
const HIGH = [178, 24, 43] as const;

/**
 * An `<img>` that holds its own pixels, one per value; the style sheet scales it up without smoothing. Values that are
 * not finite are drawn as the minimum in grey and as zero in colour.
 *
 * @throws RangeError when `values` has another length than `rows * columns`
 */
export function heatMap({ description, rows, columns, values, colours }: HeatMap): string {
  const pixels = colours === "grey" ? greyPixels(values) : signedPixels(values);
  const channels = colours === "grey" ? 1 : 3;
  const png = encodePng({ width: columns, height: rows, channels, data: pixels });
  const url = `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
  return `<img class="heat" alt="${escapeMarkup(description)}" width="${columns}" height="${rows}" src="${url}">`;
}

function greyPixels(values: ArrayLike<number>): Uint8Array {
  const [min, max] = extent(Array.from(values)) ?? [0, 1];
  const scale = max > min ? 255 / (max - min) : 0;
  return Uint8Array.from(values, (value) => Math.round(Number.isFinite(value) ? (value - min) * scale : 0));
}

function signedPixels(values: ArrayLike<number>): Uint8Array {
  const [min, max] = extent(Array.from(values)) ?? [0, 0];
  const largest = Math.max(Math.abs(min), Math.abs(max)) || 1;
  const pixels = new Uint8Array(values.length * 3);
  for (let i = 0; i < values.length; i++) {
    const part = Number.isFinite(values[i]) ? values[i]! / largest : 0;
    const end = part < 0 ? LOW : HIGH;
    for (let c = 0; c < 3; c++) pixels[i * 3 + c] = Math.round(ZERO[c]! + (end[c]! - ZERO[c]!) * Math.abs(part));
  }
  return pixels;
}
