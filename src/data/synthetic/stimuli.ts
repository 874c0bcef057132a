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
  /**
   * Phases of the grating in the crop that starts at a screen position, radians in (0, 2π]; 2π is brightest.
   *
   * @param phases [size, size], overwritten
   */
  paintPhase(frame: number, row: number, col: number, size: number, phases: Float32Array): void;
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
  const first = Math.max(0, left);
  const last = Math.min(image.size, left + size);
  crop.fill(MEAN_GREY);
  for (let i = 0; i < size; i++) {
    const y = top + i;
    if (y < 0 || y >= image.size || last <= first) continue;
    crop.set(image.pixels.subarray(y * image.size + first, y * image.size + last), i * size + first - left);
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
  /** Phase at a screen pixel is `start + alongCol·col + alongRow·row`. */
  const wave = (frame: number) => {
    const { sf, ori, phase, drift } = grating(frame);
    const perPixel = (2 * Math.PI * sf) / screen.ppd;
    const angle = (ori * Math.PI) / 180;
    return {
      alongCol: perPixel * Math.cos(angle),
      alongRow: -perPixel * Math.sin(angle),
      start: phase + drift * frame,
    };
  };
  return {
    at: grating,
    paint(frame, row, col, size, crop) {
      const { alongCol, alongRow, start } = wave(frame);
      // cos(a + b) from the cosines and sines of rows and columns: far fewer of them than pixels.
      const cosines = new Float64Array(size);
      const sines = new Float64Array(size);
      for (let j = 0; j < size; j++) {
        cosines[j] = GRATING_CONTRAST * Math.cos(alongCol * (col + j) + start);
        sines[j] = GRATING_CONTRAST * Math.sin(alongCol * (col + j) + start);
      }
      for (let i = 0; i < size; i++) {
        const down = alongRow * (row + i);
        const cos = Math.cos(down);
        const sin = Math.sin(down);
        for (let j = 0; j < size; j++) {
          crop[i * size + j] = greyLevel(cos * cosines[j]! - sin * sines[j]!);
        }
      }
    },
    paintPhase(frame, row, col, size, phases) {
      const { alongCol, alongRow, start } = wave(frame);
      const cycle = 2 * Math.PI;
      for (let i = 0; i < size; i++) {
        for (let j = 0; j < size; j++) {
          const phase = alongCol * (col + j) + alongRow * (row + i) + start;
          phases[i * size + j] = phase - cycle * (Math.ceil(phase / cycle) - 1);
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
  let shownField = -1;
  /** Gabors of the field on show, by square; null for an empty square. */
  const gabors = new Map<string, Gabor | null>();
  const gaborAt = (field: number, y: number, x: number) => {
    const square = `${y}/${x}`;
    let gabor = gabors.get(square);
    if (gabor === undefined) {
      const own = random.stream(field, y, x);
      gabor = own.chance(GABOR_DENSITY) ? drawGabor(own, screen.ppd, cell, y * cell, x * cell) : null;
      gabors.set(square, gabor);
    }
    return gabor;
  };
  return {
    paint(frame, row, col, size, crop) {
      const field = Math.floor(frame / FRAMES_PER_FIELD);
      const key = `${field}/${row}/${col}/${size}`;
      if (key !== painted) {
        painted = key;
        if (field !== shownField) gabors.clear();
        shownField = field;
        last = new Uint8Array(size * size);
        const contrast = new Float32Array(size * size);
        for (let y = Math.floor(row / cell) - 1; y <= (row + size) / cell + 1; y++) {
          for (let x = Math.floor(col / cell) - 1; x <= (col + size) / cell + 1; x++) {
            const gabor = gaborAt(field, y, x);
            if (gabor !== null) addGabor(gabor, row, col, contrast, size);
          }
        }
        for (let i = 0; i < contrast.length; i++) last[i] = greyLevel(contrast[i]!);
      }
      crop.set(last);
    },
  };
}

/** A Gabor on the screen: contrast in the rectangle it reaches, [rows, cols]. */
interface Gabor {
  top: number;
  left: number;
  rows: number;
  cols: number;
  contrast: Float64Array;
}

/** A random Gabor whose centre lies in the square with the given corner (screen pixels). */
function drawGabor(random: Random, ppd: number, cell: number, cornerRow: number, cornerCol: number): Gabor {
  const centreRow = cornerRow + random.uniform(0, cell);
  const centreCol = cornerCol + random.uniform(0, cell);
  const sigma = random.uniform(0.13, 0.26) * ppd;
  const perPixel = (2 * Math.PI * random.logUniform(1.2, 5)) / ppd;
  const angle = random.uniform(0, 2 * Math.PI);
  const phase = random.uniform(0, 2 * Math.PI);
  const peak = random.uniform(0.6, 1);
  const reach = GABOR_REACH * sigma;
  const top = Math.ceil(centreRow - reach);
  const left = Math.ceil(centreCol - reach);
  const rows = Math.floor(centreRow + reach) - top + 1;
  const cols = Math.floor(centreCol + reach) - left + 1;
  // Envelope and carrier are products of a function of the row and one of the column.
  const profile = (count: number, first: number, perStep: number, start: number) =>
    Array.from({ length: count }, (_, k) => {
      const at = first + k;
      const envelope = Math.exp(-(at * at) / (2 * sigma * sigma));
      return { cos: envelope * Math.cos(perStep * at + start), sin: envelope * Math.sin(perStep * at + start) };
    });
  const down = profile(rows, top - centreRow, -perPixel * Math.sin(angle), 0);
  const across = profile(cols, left - centreCol, perPixel * Math.cos(angle), phase);
  const contrast = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      contrast[i * cols + j] = peak * (down[i]!.cos * across[j]!.cos - down[i]!.sin * across[j]!.sin);
    }
  }
  return { top, left, rows, cols, contrast };
}

/** Adds a Gabor to the crop that starts at a screen position. */
function addGabor(
  { top, left, rows, cols, contrast }: Gabor,
  row: number,
  col: number,
  crop: Float32Array,
  size: number,
): void {
  const lastRow = Math.min(size, top + rows - row);
  const firstCol = Math.max(0, left - col);
  const lastCol = Math.min(size, left + cols - col);
  for (let i = Math.max(0, top - row); i < lastRow; i++) {
    const from = (row + i - top) * cols + col - left;
    for (let j = firstCol; j < lastCol; j++) crop[i * size + j]! += contrast[from + j]!;
  }
}
