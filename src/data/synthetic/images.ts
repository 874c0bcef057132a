/**
 * @file Synthetic natural images: overlapping textured discs of all sizes ("dead leaves") over noise with equal
 * contrast in every octave. Such images share the 1/f spectrum, the sharp edges and the local textures of photographs.
 */
import type { Random } from "./random.ts";

/** A square grey image, 127 = mean grey. */
export interface GreyImage {
  /** Pixels per side. */
  size: number;
  /** [size, size] rows first. */
  pixels: Uint8Array;
}

/** Grey level of zero contrast, and grey levels per unit of contrast. */
export const MEAN_GREY = 127;
/** Root mean square contrast of an image. */
const IMAGE_CONTRAST = 0.38;
/** Smallest radius of a disc, degrees. */
const SMALLEST_DISC_DEG = 0.13;
/** How often, on average, a point is painted over. */
const LAYERS = 4;

/**
 * One image.
 *
 * @param size pixels per side
 * @param ppd pixels per degree; sets the scale of discs and textures
 */
export function naturalImage(random: Random, size: number, ppd: number): GreyImage {
  const canvas = octaveNoise(random, size);
  const smallest = Math.max(1.5, SMALLEST_DISC_DEG * ppd);
  const largest = size / 3;
  // Mean area of discs whose radius has a density proportional to 1/r³ between the two bounds.
  const meanArea = (2 * Math.PI * Math.log(largest / smallest)) / (smallest ** -2 - largest ** -2);
  const discs = Math.ceil((LAYERS * size * size) / meanArea);
  for (let i = 0; i < discs; i++) {
    const radius = (smallest ** -2 - random.uniform() * (smallest ** -2 - largest ** -2)) ** -0.5;
    paintDisc(random, canvas, size, radius, ppd);
  }
  return { size, pixels: toGrey(canvas, IMAGE_CONTRAST) };
}

/** Grey level of a contrast in [-1, 1], clipped to 0 … 254. */
export function greyLevel(contrast: number): number {
  if (contrast >= 1) return 2 * MEAN_GREY;
  if (contrast <= -1) return 0;
  return MEAN_GREY + Math.floor(MEAN_GREY * contrast + 0.5);
}

function paintDisc(random: Random, canvas: Float32Array, size: number, radius: number, ppd: number): void {
  const centreRow = random.uniform(-radius, size + radius);
  const centreCol = random.uniform(-radius, size + radius);
  const shade = random.normal(0, 0.8);
  const texture = random.uniform(0.1, 1);
  const frequency = (2 * Math.PI * random.logUniform(0.8, 6)) / ppd;
  const angle = random.uniform(0, Math.PI);
  const alongCol = frequency * Math.cos(angle);
  const alongRow = frequency * Math.sin(angle);
  const phase = random.uniform(0, 2 * Math.PI);
  const lastRow = Math.min(size - 1, Math.floor(centreRow + radius));
  for (let row = Math.max(0, Math.ceil(centreRow - radius)); row <= lastRow; row++) {
    const half = Math.sqrt(radius * radius - (row - centreRow) ** 2);
    const lastCol = Math.min(size - 1, Math.floor(centreCol + half));
    for (let col = Math.max(0, Math.ceil(centreCol - half)); col <= lastCol; col++) {
      canvas[row * size + col] = shade + texture * Math.cos(alongCol * col + alongRow * row + phase);
    }
  }
}

/** Sum of smooth noise at scales from half the image down to 4 pixels, each of unit variance at its grid points. */
function octaveNoise(random: Random, size: number): Float32Array {
  const out = new Float32Array(size * size);
  for (let scale = size / 2; scale >= 4; scale /= 2) {
    const nodes = Math.ceil(size / scale) + 2;
    const grid = Float32Array.from({ length: nodes * nodes }, () => random.normal(0, 0.4));
    for (let row = 0; row < size; row++) {
      const y = Math.floor(row / scale);
      const fy = row / scale - y;
      for (let col = 0; col < size; col++) {
        const x = Math.floor(col / scale);
        const fx = col / scale - x;
        const at = y * nodes + x;
        const top = grid[at]! * (1 - fx) + grid[at + 1]! * fx;
        const bottom = grid[at + nodes]! * (1 - fx) + grid[at + nodes + 1]! * fx;
        out[row * size + col]! += top * (1 - fy) + bottom * fy;
      }
    }
  }
  return out;
}

/** Grey levels with the given root mean square contrast around mean grey. */
function toGrey(canvas: Float32Array, contrast: number): Uint8Array {
  let sum = 0;
  let squares = 0;
  for (const value of canvas) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / canvas.length;
  const scale = contrast / Math.sqrt(squares / canvas.length - mean * mean);
  return Uint8Array.from(canvas, (value) => greyLevel((value - mean) * scale));
}
