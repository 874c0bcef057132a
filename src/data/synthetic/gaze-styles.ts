/**
 * @file What kind of eye movements a synthetic animal makes, and how faithfully the eye tracker follows them.
 *
 * `marmoset` was fitted to fixational traces of two marmosets, recorded with a dual-Purkinje tracker at 120 Hz; see
 * docs/data/synthetic.md for how close it comes.
 */

/** Intervals between eye movements: log-normal, redrawn until they lie between two bounds; seconds. */
export interface IntervalSpec {
  median: number;
  logDeviation: number;
  shortest: number;
  longest: number;
}

/** The eye tracker: what it adds to gaze. */
export interface TrackerSpec {
  /** Standard deviation of the noise per axis, degrees, and its spread (standard deviation of the log) over trials. */
  noiseDeg: number;
  noiseVariation: number;
  /** The noise is an oscillation at this frequency (Hz) that forgets its phase over this time (seconds). */
  noiseHz: number;
  noiseCoherenceS: number;
  /** The lens lags behind a saccade of one degree and then overshoots, by these shares of its amplitude. */
  lensLag: number;
  lensOvershoot: number;
  /** Both grow with amplitude to one minus this power only, and scatter over saccades (standard deviation of the log). */
  lensPower: number;
  lensVariation: number;
}

/** Eye movements of a session. */
export interface GazeStyle {
  /** Spread of the drift around the fixation point (degrees) and the time over which it forgets (seconds). */
  driftDeg: number;
  driftS: number;
  /** Spread of `driftDeg` over trials: standard deviation of its log. */
  driftVariation: number;
  /** Intervals between saccades in free viewing, and between microsaccades in fixation. */
  freeViewing: IntervalSpec;
  fixation: IntervalSpec;
  /** Spread of fixation points around the target while fixating, degrees; their differences are the microsaccades. */
  fixationSpreadDeg: number;
  /** How far a microsaccade carries gaze past the target to the other side, as a share of the distance, 0 … 1. */
  fixationReturn: number;
  /** Duration of a saccade: seconds at amplitude 0, and more per degree. */
  saccadeS: number;
  saccadeSPerDeg: number;
  /** null for a perfect tracker. */
  tracker: TrackerSpec | null;
}

export type GazeStyleName = keyof typeof GAZE_STYLES;

/** `ideal` has a perfect tracker and a lively drift; `marmoset` resembles recordings, tracker artefacts included. */
export const GAZE_STYLES = {
  ideal: {
    driftDeg: 0.05,
    driftS: 0.4,
    driftVariation: 0,
    freeViewing: { median: 0.26, logDeviation: 0.4, shortest: 0.1, longest: 1 },
    fixation: { median: 0.5, logDeviation: 0.4, shortest: 0.1, longest: 2 },
    fixationSpreadDeg: 0.15,
    fixationReturn: 0,
    saccadeS: 0.021,
    saccadeSPerDeg: 0.0022,
    tracker: null,
  },
  marmoset: {
    driftDeg: 0.045,
    driftS: 2,
    driftVariation: 0.4,
    freeViewing: { median: 0.26, logDeviation: 0.4, shortest: 0.1, longest: 1 },
    fixation: { median: 0.82, logDeviation: 0.55, shortest: 0.35, longest: 4 },
    fixationSpreadDeg: 0.172,
    fixationReturn: 0.7,
    saccadeS: 0.003,
    saccadeSPerDeg: 0.006,
    tracker: {
      noiseDeg: 0.0295,
      noiseVariation: 0.15,
      noiseHz: 54,
      noiseCoherenceS: 0.017,
      lensLag: 0.14,
      lensOvershoot: 0.42,
      lensPower: 0.7,
      lensVariation: 0.5,
    },
  },
} as const satisfies Record<string, GazeStyle>;
