/**
 * @file Where a receptive field lies and how large it is, from a z-map. The reference's contour metrics come from a package
 * that is not public (evaluation specification, section 11.4); this estimate is our own.
 */
import { argmax, gaussianFilter, median } from "./map-statistics.ts";

/** Smallest |z| of a peak that counts: 1 in 1.7 million for one pixel, hence rare among the thousands of a map. */
export const SIGNIFICANT_Z = 5;

/** Centre and size of a receptive field; all numbers NaN, and a reason, where the map shows none. */
export interface ReceptiveField {
  /** Column and row of the centre, pixels from the middle of the first. */
  readonly x: number;
  readonly y: number;
  /** Diameter of the disc with the field's area, pixels. */
  readonly diameter: number;
  /** Centre relative to the middle of the image, right and up, and diameter; NaN unless the pixels per degree are known. */
  readonly xDegrees: number;
  readonly yDegrees: number;
  readonly diameterDegrees: number;
  /** Largest |z| of the map. */
  readonly peak: number;
  readonly reason: string | null;
}

/**
 * The field is the connected region (by edges) around the largest value of the smoothed map |z − median|, σ = 1 pixel, in which
 * it exceeds half the distance from its own median to its maximum: for a Gaussian field, its full width at half height, widened
 * by the smoothing (σ² + 1). The smoothing joins the light and dark parts of fields whose carrier is up to about 10 pixels long;
 * of coarser ones it finds the strongest part. The centre is weighted by the excess over the median.
 *
 * @param map z values, row by row, [height · width]
 * @param pixelsPerDegree of the stimulus, if known
 */
export function receptiveField(
  map: ArrayLike<number>,
  [height, width]: readonly [height: number, width: number],
  pixelsPerDegree?: number | undefined,
): ReceptiveField {
  const middle = median(map);
  const deviations = Float64Array.from(map, (z) => Math.abs(z - middle));
  const peak = Array.from(map).reduce((max, z) => Math.max(max, Math.abs(z)), 0);
  if (!(peak >= SIGNIFICANT_Z)) {
    const reason = Number.isNaN(peak)
      ? "there is no map"
      : `the map's largest |z| is ${peak.toFixed(1)}, a field needs ${SIGNIFICANT_Z}`;
    return { ...NO_FIELD, peak, reason };
  }
  const smooth = gaussianFilter(deviations, [height, width], 1);
  const floor = median(smooth);
  const top = argmax(smooth);
  const region = connectedRegion(smooth, [height, width], top, (floor + smooth[top]!) / 2);
  let [total, x, y] = [0, 0, 0];
  for (const pixel of region) {
    const weight = smooth[pixel]! - floor;
    total += weight;
    x += weight * (pixel % width);
    y += weight * Math.floor(pixel / width);
  }
  const centre = { x: x / total, y: y / total, diameter: 2 * Math.sqrt(region.length / Math.PI) };
  const scale = pixelsPerDegree ?? Number.NaN;
  return {
    ...centre,
    xDegrees: (centre.x - (width - 1) / 2) / scale,
    yDegrees: ((height - 1) / 2 - centre.y) / scale,
    diameterDegrees: centre.diameter / scale,
    peak,
    reason: null,
  };
}

const NO_FIELD = {
  x: Number.NaN,
  y: Number.NaN,
  diameter: Number.NaN,
  xDegrees: Number.NaN,
  yDegrees: Number.NaN,
  diameterDegrees: Number.NaN,
};

/** Pixels above a threshold that can be reached from one of them over edges. */
function connectedRegion(
  values: Float64Array,
  [height, width]: readonly [number, number],
  start: number,
  threshold: number,
): number[] {
  const isSeen = new Uint8Array(values.length);
  isSeen[start] = 1;
  const region = [start];
  // The list grows while it is walked.
  for (const pixel of region) {
    const column = pixel % width;
    const neighbours = [
      ...(column > 0 ? [pixel - 1] : []),
      ...(column < width - 1 ? [pixel + 1] : []),
      ...(pixel >= width ? [pixel - width] : []),
      ...(pixel < (height - 1) * width ? [pixel + width] : []),
    ];
    for (const neighbour of neighbours) {
      if (isSeen[neighbour] || !(values[neighbour]! >= threshold)) continue;
      isSeen[neighbour] = 1;
      region.push(neighbour);
    }
  }
  return region;
}
