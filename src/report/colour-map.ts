/**
 * @file Maps of numbers as images: frames in grey, signed maps such as receptive fields from blue over white to red.
 */
import { encodePng } from "../formats/png.ts";
import { extent } from "./scale.ts";

/** A map of numbers, row-major from the top left corner. */
export interface NumberMap {
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
  /** `signed` is blue below zero, white at zero, red above; `grey` is black at the minimum, white at the maximum. */
  readonly colours: "grey" | "signed";
}

const LOW = [33, 102, 172] as const;
const ZERO = [247, 247, 247] as const;
const HIGH = [178, 24, 43] as const;

/** The values at both ends of the colours: minimum and maximum, or the largest distance from zero either way. */
export function colourRange({ values, colours }: Pick<NumberMap, "values" | "colours">): [low: number, high: number] {
  const [min, max] = extent(Array.from(values)) ?? [0, 1];
  if (colours === "grey") return [min, max];
  const largest = Math.max(Math.abs(min), Math.abs(max)) || 1;
  return [-largest, largest];
}

/**
 * Address of an image that holds its own pixels, one per value. Values that are not finite are drawn as the minimum in grey
 * and as zero in colour.
 *
 * @throws RangeError when `values` has another length than `rows * columns`
 */
export function mapImage(
  { rows, columns, values, colours }: NumberMap,
  range = colourRange({ values, colours }),
): string {
  const pixels = colours === "grey" ? greyPixels(values, range) : signedPixels(values, range[1]);
  const channels = colours === "grey" ? 1 : 3;
  const png = encodePng({ width: columns, height: rows, channels, data: pixels });
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}

function greyPixels(values: ArrayLike<number>, [min, max]: readonly [number, number]): Uint8Array {
  const scale = max > min ? 255 / (max - min) : 0;
  return Uint8Array.from(values, (value) => Math.round(Number.isFinite(value) ? (value - min) * scale : 0));
}

function signedPixels(values: ArrayLike<number>, largest: number): Uint8Array {
  const pixels = new Uint8Array(values.length * 3);
  for (let i = 0; i < values.length; i++) {
    const part = Number.isFinite(values[i]) ? values[i]! / largest : 0;
    const end = part < 0 ? LOW : HIGH;
    for (let c = 0; c < 3; c++) pixels[i * 3 + c] = Math.round(ZERO[c]! + (end[c]! - ZERO[c]!) * Math.abs(part));
  }
  return pixels;
}
