/**
 * @file The four stimulus types, as scenes on a screen that the gaze moves over.
 *
 * A scene paints the square of the screen around the gaze, so every stimulus is gaze-contingent in the same way: eye
 * movements shift what falls on the retina. Grey levels are 0 … 254 with 127 for mean grey. Positions on the screen
 * are whole pixels, row down and column right; orientations follow x right and y up.
 */
import { type GreyImage, greyLevel, MEAN_GREY, naturalImage } from "./images.ts";
import type { Random } from "./random.ts";

/** The four stimulus types, in the order recordings are made. */
export const STIMULUS_TYPES = ["backimage", "gaborium", "gratings", "fixrsvp"] as const;
export type StimulusType = (typeof STIMULUS_TYPES)[number];

/** Geometry shared by all scenes of a session. */
export interface Screen {
  /** Pixels per degree. */
  ppd: number;
  /** Pixels. */
  width: number;
  height: number;
  /** Half the side of the square that gaze stays in, degrees. */
  fieldDeg: number;
}

/** What a trial shows. */
export interface Scene {
  /**
   * Paints the crop that starts at a screen position, as shown in a frame of the trial.
   *
   * @param crop [size, size] grey levels, overwritten
   */
  paint(frame: number, row: number, col: number, size: number, crop: Uint8Array): void;
}

/** A grating trial also tells what is on the screen. */
export interface GratingsScene extends Scene {
  /** Spatial frequency (cycles per degree) and orientation of the wave vector (degrees) in a frame. */
  at(frame: number): { sf: number; ori: number };
}

/** Frames for which an image of a rapid sequence stays (100 ms at 240 Hz). */
export const FRAMES_PER_IMAGE = 24;
/** Frames for which a Gabor field stays (33 ms). */
const FRAMES_PER_FIELD = 8;
/** Frames for which a grating stays (67 ms). */
const FRAMES_PER_GRATING = 16;
const GRATING_SF = [1.5, 2.5, 4] as const;
const GRATING_ORIENTATIONS = 8;
const GRATING_CONTRAST = 0.7;
/** Drift of a grating, cycles per frame (4 Hz at 240 Hz). */
const GRATING_DRIFT = 4 / 240;

/** Free viewing of one natural image that fills the field of gaze. */
export function backimageScene(random: Random, screen: Screen, cropSize: number): Scene {
  const image = naturalImage(random, Math.ceil(2 * (screen.fieldDeg + 0.5) * screen.ppd) + cropSize, screen.ppd);
  return { paint: (_frame, row, col, size, crop) => paintImage(image, screen, row, col, size, crop) };
}

/** The images of a session's rapid sequences; every trial shows them in the same order. */
export function rapidImages(random: Random, screen: Screen, cropSize: number, count: number): GreyImage[] {
  // Fixation wanders less than a degree and a half from the centre.
  const size = Math.ceil(3 * screen.ppd) + cropSize;
  return Array.from({ length: count }, () => naturalImage(random, size, screen.ppd));
}

/** A rapid series of images at the screen's centre; frame 0 is the first frame of the first image. */
export function fixrsvpScene(images: readonly GreyImage[], screen: Screen): Scene {
  return {
    paint(frame, row, col, size, crop) {
      const image = images[Math.floor(frame / FRAMES_PER_IMAGE) % images.length]!;
      paintImage(image, screen, row, col, size, crop);
    },
  };
}

function paintImage(image: GreyImage, screen: Screen, row: number, col: number, size: number, crop: Uint8Array): void {
  const top = row - Math.round((screen.height - image.size) / 2);
  const left = col - Math.round((screen.width - image.size) / 2);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const y = top + i;
      const x = left + j;
      const inside = y >= 0 && y < image.size && x >= 0 && x < image.size;
      crop[i * size + j] = inside ? image.pixels[y * image.size + x]! : MEAN_GREY;
    }
  }
}

/**
 * Full-screen gratings, each of random spatial frequency, orientation, phase and drift direction from a fixed grid of
 * values, so that tuning curves can be read off cell by cell.
 */
export function gratingsScene(random: Random, screen: Screen, frames: number): GratingsScene {
  const shown = Array.from({ length: Math.ceil(frames / FRAMES_PER_GRATING) }, () => ({
    sf: random.pick(GRATING_SF),
    ori: (180 / GRATING_ORIENTATIONS) * random.integer(GRATING_ORIENTATIONS),
    phase: random.uniform(0, 2 * Math.PI),
    drift: 2 * Math.PI * GRATING_DRIFT * random.pick([-1, 1]),
  }));
  const grating = (frame: number) => shown[Math.floor(frame / FRAMES_PER_GRATING)]!;
  return {
    at: grating,
    paint(frame, row, col, size, crop) {
      const { sf, ori, phase, drift } = grating(frame);
      const perPixel = (2 * Math.PI * sf) / screen.ppd;
      const alongCol = perPixel * Math.cos((ori * Math.PI) / 180);
      const alongRow = -perPixel * Math.sin((ori * Math.PI) / 180);
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          const angle = alongCol * (col + j) + alongRow * (row + i) + phase + drift * frame;
          crop[i * size + j] = greyLevel(GRATING_CONTRAST * Math.cos(angle));
        }
      }
    },
  };
}

/** Side of the squares that hold at most one Gabor each, degrees; a Gabor never reaches past the next square. */
const GABOR_CELL_DEG = 0.75;
const GABOR_DENSITY = 0.55;
const GABOR_REACH = 2.7;

/**
 * Sparse random Gabors all over the screen, replaced every {@link FRAMES_PER_FIELD} frames.
 *
 * The screen is tiled with squares; the Gabor of a square comes from a stream named after field and square. The crop
 * can thus be painted wherever the gaze goes, without ever painting the whole screen.
 */
export function gaboriumScene(random: Random, screen: Screen): Scene {
  const cell = GABOR_CELL_DEG * screen.ppd;
  let painted = "";
  let last = new Uint8Array(0);
  return {
    paint(frame, row, col, size, crop) {
      const field = Math.floor(frame / FRAMES_PER_FIELD);
      const key = `${field}/${row}/${col}/${size}`;
      if (key !== painted) {
        painted = key;
        last = new Uint8Array(size * size);
        const contrast = new Float32Array(size * size);
        for (let y = Math.floor(row / cell) - 1; y <= (row + size) / cell + 1; y++) {
          for (let x = Math.floor(col / cell) - 1; x <= (col + size) / cell + 1; x++) {
            const own = random.stream(field, y, x);
            if (own.chance(GABOR_DENSITY))
              addGabor(own, screen.ppd, cell, y * cell - row, x * cell - col, contrast, size);
          }
        }
        for (let i = 0; i < contrast.length; i++) last[i] = greyLevel(contrast[i]!);
      }
      crop.set(last);
    },
  };
}

/** Adds one random Gabor whose centre lies in the square with the given corner (crop pixels). */
function addGabor(
  random: Random,
  ppd: number,
  cell: number,
  top: number,
  left: number,
  contrast: Float32Array,
  size: number,
): void {
  const centreRow = top + random.uniform(0, cell);
  const centreCol = left + random.uniform(0, cell);
  const sigma = random.uniform(0.13, 0.26) * ppd;
  const perPixel = (2 * Math.PI * random.logUniform(1.2, 5)) / ppd;
  const angle = random.uniform(0, 2 * Math.PI);
  const phase = random.uniform(0, 2 * Math.PI);
  const peak = random.uniform(0.6, 1);
  const reach = GABOR_REACH * sigma;
  const lastRow = Math.min(size - 1, Math.floor(centreRow + reach));
  const lastCol = Math.min(size - 1, Math.floor(centreCol + reach));
  for (let i = Math.max(0, Math.ceil(centreRow - reach)); i <= lastRow; i++) {
    for (let j = Math.max(0, Math.ceil(centreCol - reach)); j <= lastCol; j++) {
      const y = i - centreRow;
      const x = j - centreCol;
      const envelope = Math.exp(-(x * x + y * y) / (2 * sigma * sigma));
      contrast[i * size + j]! +=
        peak * envelope * Math.cos(perPixel * (x * Math.cos(angle) - y * Math.sin(angle)) + phase);
    }
  }
}
