/**
 * @file Sizes of synthetic populations: what a session shows, how large it is, and the ready-made presets.
 */
import type { StimulusType } from "./stimuli.ts";

/** The trials of one stimulus type in a session. */
export interface BlockSpec {
  trials: number;
  /** Shortest and longest trial, seconds. */
  trialSeconds: readonly [shortest: number, longest: number];
}

/** Everything that determines a session besides the seed. */
export interface SessionSpec {
  /** `<subject>_<date>`; also the name of the session's random streams. */
  name: string;
  units: number;
  /** Pixels per side of the gaze-contingent crop, and per degree. */
  cropSize: number;
  ppd: number;
  /** Half the side of the square that receptive field centres fall in, degrees. */
  rfSpreadDeg: number;
  /** Different images in a rapid sequence; it repeats when a trial lasts longer. */
  rapidImages: number;
  blocks: Record<StimulusType, BlockSpec>;
  /** Divide by local contrast. Default true. */
  normalization?: boolean;
  /** Largest planted depth of saccadic modulation; 0 switches it off. Default 0.3. */
  saccadeModulation?: number;
}

/** A population: several sessions of one size, and the lags its dataset serves at 120 Hz. */
export interface Preset extends Omit<SessionSpec, "name"> {
  sessions: number;
  lags: number;
}

/**
 * `tiny` is for tests (a second, a few megabytes). `demo` trains to a meaningful twin on a CPU within minutes; the
 * temporal kernels of its units last 12 of its 14 lags, because windowed model kernels vanish at both ends.
 */
export const PRESETS = {
  tiny: {
    sessions: 2,
    lags: 12,
    units: 6,
    cropSize: 15,
    ppd: 16,
    rfSpreadDeg: 0.15,
    rapidImages: 8,
    blocks: {
      backimage: { trials: 6, trialSeconds: [2, 3] },
      gaborium: { trials: 5, trialSeconds: [2, 3] },
      gratings: { trials: 3, trialSeconds: [2, 2.5] },
      fixrsvp: { trials: 24, trialSeconds: [0.6, 0.8] },
    },
  },
  demo: {
    sessions: 4,
    lags: 14,
    units: 16,
    cropSize: 21,
    ppd: 16,
    rfSpreadDeg: 0.3,
    rapidImages: 16,
    blocks: {
      backimage: { trials: 24, trialSeconds: [3, 5] },
      gaborium: { trials: 12, trialSeconds: [3, 5] },
      gratings: { trials: 8, trialSeconds: [2, 3] },
      fixrsvp: { trials: 32, trialSeconds: [1.4, 1.6] },
    },
  },
} as const satisfies Record<string, Preset>;
