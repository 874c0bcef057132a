/**
 * @file The course of a session: which trial is shown when, where the eye looks, and the crops that fall on the retina.
 */

import { eyeTrace, type Saccade } from "./eye-traces.ts";
import { measuredGaze } from "./eye-tracker.ts";
import { GAZE_STYLES, type GazeStyle } from "./gaze-styles.ts";
import type { GreyImage } from "./images.ts";
import type { BlockSpec, SessionSpec } from "./presets.ts";
import type { Random } from "./random.ts";
import {
  backimageScene,
  fixrsvpScene,
  gaboriumScene,
  gratingsScene,
  rapidImages,
  type Scene,
  type Screen,
  STIMULUS_TYPES,
  type StimulusType,
} from "./stimuli.ts";

/** Frames per second of every recording. */
export const RATE_HZ = 240;
/** Trials last whole multiples of this, so that no bin of 120 or 60 Hz mixes two trials. */
const FRAME_STEP = 4;
/** Share of trial numbers that the experiment used up without a usable trial. */
const ABORTED_SHARE = 0.12;
/** Share of trials in which the eye tracker loses the eye once. */
const DROPOUT_SHARE = 0.1;

/** A trial before anything is drawn for it. */
export interface PlannedTrial {
  type: StimulusType;
  /** Position among the trials of its type, and number in the experiment (ascending, with gaps). */
  index: number;
  number: number;
  /** Onset on the recording clock, seconds. */
  start: number;
  frames: number;
}

/** A trial as recorded. */
export interface Trial extends PlannedTrial {
  /** Gaze as the eye tracker reports it, [frames, 2] degrees. */
  gaze: Float64Array;
  /** Of the eye itself. */
  saccades: Saccade[];
  /** [frames] 1 where the eye tracker is valid. */
  valid: Uint8Array;
  /** Crops around the gaze that the tracker reports, [frames, size, size] grey levels. */
  stim: Uint8Array;
  /** Crops around where the eye really looked; the same array when the tracker is perfect. */
  retina: Uint8Array;
  /** Spatial frequency and orientation in a frame; only gratings have them. */
  grating: ((frame: number) => { sf: number; ori: number }) | undefined;
  /** Phases of `stim`, [frames, size, size] radians in (0, 2π]; only gratings have them, if the session stores them. */
  phase: Float32Array | undefined;
}

/** The screen of a session: 40 × 22.5 degrees, of which the gaze uses the central 10 × 10. */
export function sessionScreen(ppd: number): Screen {
  return { ppd, width: Math.round(40 * ppd), height: Math.round(22.5 * ppd), fieldDeg: 5 };
}

/** All trials of a session in the order they are run: types interleaved at random, pauses between trials. */
export function planTrials(random: Random, blocks: Record<StimulusType, BlockSpec>): PlannedTrial[] {
  const order = random.stream("order");
  const turns = order.shuffled(
    STIMULUS_TYPES.flatMap((type) => Array.from({ length: blocks[type].trials }, () => type)),
  );
  const done: Record<StimulusType, number> = { backimage: 0, gaborium: 0, gratings: 0, fixrsvp: 0 };
  let number = 0;
  let start = 5;
  return turns.map((type) => {
    const index = done[type]++;
    const seconds = random.stream("duration", type, index).uniform(...blocks[type].trialSeconds);
    const frames = FRAME_STEP * Math.round((seconds * RATE_HZ) / FRAME_STEP);
    number += order.chance(ABORTED_SHARE) ? 2 : 1;
    const trial = { type, index, number, start, frames };
    start += frames / RATE_HZ + order.uniform(0.6, 1.4);
    return trial;
  });
}

/** The images of the session's rapid sequence. */
export function sessionImages(random: Random, spec: SessionSpec): GreyImage[] {
  return rapidImages(random.stream("fixrsvp", "images"), sessionScreen(spec.ppd), spec.cropSize, spec.rapidImages);
}

/**
 * Runs a trial: eye trace, tracker validity, scene and crops.
 * Units see the scene around where the eye looks, recordings hold the scene around where the tracker says it looks.
 *
 * @param random the session's stream; each type, trial and purpose uses a stream below it
 * @param images of {@link sessionImages}
 */
export function runTrial(
  random: Random,
  spec: SessionSpec,
  images: readonly GreyImage[],
  planned: PlannedTrial,
): Trial {
  const { type, index, frames } = planned;
  const screen = sessionScreen(spec.ppd);
  const style: GazeStyle = GAZE_STYLES[spec.gaze ?? "ideal"];
  const trace = eyeTrace(random.stream(type, "gaze", index), {
    mode: type === "fixrsvp" ? "fixation" : "free-viewing",
    frames,
    rateHz: RATE_HZ,
    fieldDeg: screen.fieldDeg,
    style,
  });
  const gaze =
    style.tracker === null
      ? trace.gaze
      : measuredGaze(random.stream(type, "tracker noise", index), trace, RATE_HZ, style.tracker);
  const valid = trackerValidity(random.stream(type, "tracker", index), frames);
  const content = random.stream(type, "stimulus", index);
  const gratings = type === "gratings" ? gratingsScene(content, screen, frames) : undefined;
  const scene = gratings ?? otherScene(type, content, screen, spec.cropSize, images);
  const crops = (around: Float64Array) => paintCrops(scene.paint, screen, spec.cropSize, around, Uint8Array);
  const stim = crops(gaze);
  return {
    ...planned,
    gaze,
    saccades: trace.saccades,
    valid,
    stim,
    retina: gaze === trace.gaze ? stim : crops(trace.gaze),
    grating: gratings?.at,
    phase:
      gratings === undefined || spec.stimPhase !== true
        ? undefined
        : paintCrops(gratings.paintPhase, screen, spec.cropSize, gaze, Float32Array),
  };
}

/** Paints the crop around every gaze position, [frames, size, size]. */
function paintCrops<T extends Uint8Array | Float32Array>(
  paint: (frame: number, row: number, col: number, size: number, crop: T) => void,
  screen: Screen,
  size: number,
  gaze: Float64Array,
  Values: new (length: number) => T,
): T {
  const frames = gaze.length / 2;
  const pixels = size * size;
  const crops = new Values(frames * pixels);
  for (let t = 0; t < frames; t++) {
    const [row, col] = cropCorner(screen, size, gaze[2 * t]!, gaze[2 * t + 1]!);
    paint(t, row, col, size, crops.subarray(t * pixels, (t + 1) * pixels) as T);
  }
  return crops;
}

function otherScene(
  type: StimulusType,
  content: Random,
  screen: Screen,
  cropSize: number,
  images: readonly GreyImage[],
): Scene {
  if (type === "backimage") return backimageScene(content, screen, cropSize);
  return type === "gaborium" ? gaboriumScene(content, screen) : fixrsvpScene(images, screen);
}

/** Gaze in screen pixels, row down and column right, for gaze in degrees. */
export function gazePixel(screen: Screen, x: number, y: number): [row: number, col: number] {
  return [screen.height / 2 - y * screen.ppd, screen.width / 2 + x * screen.ppd];
}

/** Rows and columns of the crop relative to the gaze pixel, [[row0, row1], [col0, col1]] half-open. */
export function cropAroundGaze(cropSize: number): [[number, number], [number, number]] {
  const before = Math.floor(cropSize / 2);
  return [
    [-before, cropSize - before],
    [-before, cropSize - before],
  ];
}

/** First row and column of the crop for gaze in degrees. */
export function cropCorner(screen: Screen, cropSize: number, x: number, y: number): [row: number, col: number] {
  const [row, col] = gazePixel(screen, x, y);
  const [[row0], [col0]] = cropAroundGaze(cropSize);
  return [Math.trunc(row) + row0, Math.trunc(col) + col0];
}

function trackerValidity(random: Random, frames: number): Uint8Array {
  const valid = new Uint8Array(frames).fill(1);
  if (random.chance(DROPOUT_SHARE)) {
    const start = random.integer(frames);
    valid.fill(0, start, start + 8 + random.integer(24));
  }
  return valid;
}
