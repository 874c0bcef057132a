/**
 * @file Synthetic gaze: drift, microsaccades and saccades in degrees, x right and y up.
 *
 * Gaze is a sequence of fixation points joined by saccades, plus a slow drift. Saccades move along a minimum-jerk path
 * whose duration grows linearly with amplitude, which by itself gives the main sequence (peak speed rises and
 * saturates with amplitude). Rates and sizes are those of marmosets looking at images, or holding fixation.
 */
import { GAZE_STYLES, type GazeStyle, type IntervalSpec } from "./gaze-styles.ts";
import type { Random } from "./random.ts";

/** `free-viewing` explores a square field; `fixation` stays near its centre and makes microsaccades. */
export type GazeMode = "free-viewing" | "fixation";

/** What {@link eyeTrace} needs to know. */
export interface EyeTraceOptions {
  mode: GazeMode;
  /** Samples to make. */
  frames: number;
  /** Samples per second. */
  rateHz: number;
  /** Half the side of the square that fixation points fall in, degrees (free viewing only). */
  fieldDeg: number;
  /** Default `GAZE_STYLES.ideal`. */
  style?: GazeStyle;
}

/** One saccade or microsaccade of a trace. */
export interface Saccade {
  /** Sample at which the eye starts to move. */
  onset: number;
  /** Seconds from start to end. */
  duration: number;
  /** Gaze at the start and at the end, degrees. */
  from: readonly [x: number, y: number];
  to: readonly [x: number, y: number];
  /** Highest speed on the way, degrees per second. */
  peakSpeed: number;
}

/** Gaze of one trial. */
export interface EyeTrace {
  /** [frames, 2] degrees. */
  gaze: Float64Array;
  /** Saccades whose end lies inside the trace, in order. */
  saccades: Saccade[];
}

type Point = readonly [x: number, y: number];

/** Inertia of the eye: drift is smoothed over this time, seconds. */
const DRIFT_SMOOTHING_S = 0.015;
/** Share of free-viewing eye movements that only adjust the fixation point. */
const CORRECTIVE_SHARE = 0.15;
const SMALLEST_SACCADE_DEG = 0.1;

/** Gaze of one trial, with its saccades. */
export function eyeTrace(random: Random, options: EyeTraceOptions): EyeTrace {
  const { mode, frames, rateHz, fieldDeg, style = GAZE_STYLES.ideal } = options;
  const gaze = driftTrace(random, frames, rateHz, style);
  const saccades: Saccade[] = [];
  let point = firstPoint(random, mode, fieldDeg, style);
  let frame = 0;
  while (frame < frames) {
    const onset =
      frame + Math.round(fixationDuration(random, mode === "fixation" ? style.fixation : style.freeViewing) * rateHz);
    addPoint(gaze, frame, Math.min(onset, frames), point);
    frame = onset;
    if (onset >= frames) break;

    const target = nextPoint(random, mode, fieldDeg, point, style);
    const amplitude = Math.hypot(target[0] - point[0], target[1] - point[1]);
    const duration = (style.saccadeS + style.saccadeSPerDeg * amplitude) * random.logNormal(1, 0.07);
    const moving = Math.ceil(duration * rateHz);
    for (let k = 0; k < moving && onset + k < frames; k++) {
      const progress = minimumJerk(k / (duration * rateHz));
      addPoint(gaze, onset + k, onset + k + 1, [
        point[0] + progress * (target[0] - point[0]),
        point[1] + progress * (target[1] - point[1]),
      ]);
    }
    point = target;
    frame = onset + moving;
    saccades.push({ onset, duration, from: [0, 0], to: [0, 0], peakSpeed: (1.875 * amplitude) / duration });
  }
  const end = (saccade: Saccade) => saccade.onset + Math.ceil(saccade.duration * rateHz);
  return {
    gaze,
    saccades: saccades
      .filter((saccade) => end(saccade) < frames)
      .map((saccade) => ({ ...saccade, from: pointAt(gaze, saccade.onset), to: pointAt(gaze, end(saccade)) })),
  };
}

/** Share of the way covered at a share `s` of the time on the smoothest path from rest to rest. */
function minimumJerk(s: number): number {
  return s ** 3 * (10 - 15 * s + 6 * s * s);
}

/** Ornstein-Uhlenbeck drift with inertia, [frames, 2] degrees. */
function driftTrace(random: Random, frames: number, rateHz: number, style: GazeStyle): Float64Array {
  const out = new Float64Array(2 * frames);
  const { driftVariation } = style;
  const deviation = style.driftDeg * (driftVariation > 0 ? random.logNormal(1, driftVariation) : 1);
  const keep = Math.exp(-1 / (style.driftS * rateHz));
  const kick = deviation * Math.sqrt(1 - keep * keep);
  const follow = 1 - Math.exp(-1 / (DRIFT_SMOOTHING_S * rateHz));
  for (let axis = 0; axis < 2; axis++) {
    let target = random.normal(0, deviation);
    let position = target;
    for (let t = 0; t < frames; t++) {
      target = keep * target + kick * random.normal();
      position += follow * (target - position);
      out[2 * t + axis] = position;
    }
  }
  return out;
}

/** Seconds until the next eye movement. */
function fixationDuration(random: Random, { median, logDeviation, shortest, longest }: IntervalSpec): number {
  let duration: number;
  do duration = random.logNormal(median, logDeviation);
  while (duration < shortest || duration > longest);
  return duration;
}

function firstPoint(random: Random, mode: GazeMode, fieldDeg: number, style: GazeStyle): Point {
  const spread = mode === "free-viewing" ? fieldDeg / 3 : style.fixationSpreadDeg;
  return nearCentre(random, spread, fieldDeg);
}

function nextPoint(random: Random, mode: GazeMode, fieldDeg: number, from: Point, style: GazeStyle): Point {
  const { fixationSpreadDeg, fixationReturn } = style;
  const corrective = mode === "free-viewing" && random.chance(CORRECTIVE_SHARE);
  for (;;) {
    let to: Point;
    if (mode === "fixation") {
      // Points past the target, with the noise that keeps their spread as it is.
      const noise = nearCentre(random, fixationSpreadDeg * Math.sqrt(1 - fixationReturn ** 2), fieldDeg);
      to = [noise[0] - fixationReturn * from[0], noise[1] - fixationReturn * from[1]];
    } else {
      const amplitude = corrective ? random.logNormal(0.4, 0.4) : random.logNormal(2.2, 0.65);
      const direction = random.uniform(0, 2 * Math.PI);
      to = [from[0] + amplitude * Math.cos(direction), from[1] + amplitude * Math.sin(direction)];
    }
    const inside = Math.abs(to[0]) < fieldDeg && Math.abs(to[1]) < fieldDeg;
    if (inside && Math.hypot(to[0] - from[0], to[1] - from[1]) >= SMALLEST_SACCADE_DEG) return to;
  }
}

function nearCentre(random: Random, spread: number, fieldDeg: number): Point {
  const coordinate = () => Math.max(-fieldDeg, Math.min(fieldDeg, random.normal(0, spread)));
  return [coordinate(), coordinate()];
}

function addPoint(gaze: Float64Array, start: number, stop: number, [x, y]: Point): void {
  for (let t = start; t < stop; t++) {
    gaze[2 * t]! += x;
    gaze[2 * t + 1]! += y;
  }
}

function pointAt(gaze: Float64Array, frame: number): Point {
  return [gaze[2 * frame]!, gaze[2 * frame + 1]!];
}
