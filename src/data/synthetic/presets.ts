/**
 * @file Sizes of synthetic populations: what a session shows, how large it is, and the ready-made presets.
 */
import { UserError } from "../../errors.ts";
import type { GazeStyleName } from "./gaze-styles.ts";
import { Random } from "./random.ts";
import { STIMULUS_TYPES, type StimulusType } from "./stimuli.ts";

/** The trials of one stimulus type in a session. */
export interface BlockSpec {
  trials: number;
  /** Shortest and longest trial, seconds. */
  trialSeconds: readonly [shortest: number, longest: number];
}

/** What a population can be given or spared. */
export interface PopulationFeatures {
  /** Eye movements and eye tracker. Default `ideal`. */
  gaze?: GazeStyleName;
  /** Divide by local contrast. Default true. */
  normalization?: boolean;
  /** Largest planted depth of saccadic modulation; 0 switches it off. Default 0.3. */
  saccadeModulation?: number;
  /** Median strength of adaptation. Default 0, none. */
  adaptation?: number;
  /** Mean strength of the gain that all units share: standard deviation of its log. Default 0, none. */
  gainFluctuations?: number;
  /** Mean absolute refractory period, and time constant of the recovery, milliseconds. Default 0, none. */
  refractoryMs?: number;
  /** Store `stim_phase` of gratings, four bytes per pixel. Default false. */
  stimPhase?: boolean;
}

/** Everything that determines a session besides the seed. */
export interface SessionSpec extends PopulationFeatures {
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
}

/** Numbers of units that differ from session to session: log-normal, kept between two bounds. */
export interface UnitRange {
  median: number;
  logDeviation: number;
  least: number;
  most: number;
}

/** A population: several sessions of one kind, and the lags its dataset serves at 120 Hz. */
export interface Preset extends Omit<SessionSpec, "name" | "units"> {
  sessions: number;
  lags: number;
  units: number | UnitRange;
  /** Chance that a session lacks a type. */
  missing?: Partial<Record<StimulusType, number>>;
}

/**
 * `tiny` is for tests (a second, a few megabytes). `demo` trains to a meaningful twin on a CPU within minutes; the
 * temporal kernels of its units last 12 of its 14 lags, because windowed model kernels vanish at both ends. `lab` has the
 * size of a laboratory's data set, 100 GB; it is usually made smaller.
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
  lab: {
    sessions: 30,
    lags: 33,
    units: { median: 82, logDeviation: 0.5, least: 23, most: 181 },
    cropSize: 51,
    ppd: 16,
    rfSpreadDeg: 0.9,
    rapidImages: 60,
    gaze: "marmoset",
    saccadeModulation: 0.3,
    adaptation: 0.5,
    gainFluctuations: 0.2,
    refractoryMs: 1.2,
    blocks: {
      backimage: { trials: 180, trialSeconds: [8, 12] },
      gaborium: { trials: 75, trialSeconds: [10, 14] },
      gratings: { trials: 45, trialSeconds: [6, 10] },
      fixrsvp: { trials: 270, trialSeconds: [1.5, 2.5] },
    },
    missing: { gaborium: 0.05, gratings: 0.15, fixrsvp: 0.1 },
  },
} as const satisfies Record<string, Preset>;

/** Changes to a preset's size and features. */
export interface PresetChanges extends PopulationFeatures {
  /** Units of every session. */
  units?: number;
  /** Time of trials per session, minutes; the number of trials changes, at least two of each type stay. */
  minutes?: number;
  /** Pixels per side of the crop; receptive fields keep their size and move closer together. */
  cropSize?: number;
}

/**
 * What a session of a preset consists of. Sessions differ in their numbers of units and in what they lack, by seed.
 *
 * @throws UserError for sizes that make no session
 */
export function sessionSpec(preset: Preset, name: string, seed: number, changes: PresetChanges = {}): SessionSpec {
  const { sessions: _, lags: __, missing = {}, ...shared } = preset;
  const { units, minutes, cropSize = preset.cropSize, ...features } = changes;
  if (units !== undefined) requireWhole("units", units, 1);
  requireWhole("crop size", cropSize, 9);
  if (minutes !== undefined && !(minutes > 0)) throw wrongValue("minutes", "a number above 0", minutes);
  const random = new Random(seed).stream("session", name, "size");
  return {
    ...shared,
    ...features,
    name,
    units: units ?? unitCount(random.stream("units"), preset.units),
    cropSize,
    rfSpreadDeg: (preset.rfSpreadDeg * cropSize) / preset.cropSize,
    blocks: Object.fromEntries(
      STIMULUS_TYPES.map((type) => {
        const block = preset.blocks[type];
        const isMissing = random.stream("missing", type).chance(missing[type] ?? 0);
        return [type, { ...block, trials: isMissing ? 0 : scaledTrials(block.trials, preset, minutes) }];
      }),
    ) as Record<StimulusType, BlockSpec>,
  };
}

function unitCount(random: Random, units: number | UnitRange): number {
  if (typeof units === "number") return units;
  const drawn = Math.round(random.logNormal(units.median, units.logDeviation));
  return Math.max(units.least, Math.min(units.most, drawn));
}

function scaledTrials(trials: number, { blocks }: Preset, minutes: number | undefined): number {
  if (minutes === undefined || trials === 0) return trials;
  const seconds = Object.values(blocks).reduce(
    (sum, block) => sum + (block.trials * (block.trialSeconds[0] + block.trialSeconds[1])) / 2,
    0,
  );
  return Math.max(2, Math.round((trials * 60 * minutes) / seconds));
}

/**
 * Throws a UserError unless the value is a whole number of at least `least`.
 *
 * @param what name of the value in the message
 */
export function requireWhole(what: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) throw wrongValue(what, `a whole number from ${least} up`, value);
}

function wrongValue(what: string, expected: string, found: number): UserError {
  return new UserError(`Cannot make a synthetic population: ${what} must be ${expected}, got ${found}`);
}
