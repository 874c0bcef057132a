/**
 * @file The stored form of a session's trials: the keys of a recording (spec data 4.2), its metadata, and the saccade
 * list (spec eval 9.1).
 */
import { arrayBytes, type DType, type NdArray, type TypedArray, zerosArray } from "../../formats/array.ts";
import type { PlantedUnit } from "./neurons.ts";
import type { SessionSpec } from "./presets.ts";
import type { StimulusType } from "./stimuli.ts";
import { cropAroundGaze, cropCorner, gazePixel, RATE_HZ, sessionScreen, type Trial } from "./trials.ts";

/** The version is raised whenever the same seed starts to give other recordings. */
export const GENERATOR = { name: "visioncore synth", version: 1 } as const;

/** A trial with its responses. */
export interface RespondedTrial extends Trial {
  /** Expected counts per frame that stimulus and eye movements explain, and the counts drawn, both [frames, units]. */
  expected: Float32Array;
  counts: Float32Array;
  /** The latent [frames] of the shared gain and the expected counts [frames, units] given it; undefined without one. */
  shared: { latent: Float32Array; expected: Float32Array } | undefined;
}

/** A saccade of a session: seconds and 240 Hz samples on the recording clock, positions in degrees. */
export interface SaccadeRecord {
  start_idx: number;
  end_idx: number;
  start_time: number;
  end_time: number;
  start_x: number;
  start_y: number;
  end_x: number;
  end_y: number;
  /** Speed profile A·exp(−(t−mu)²/2σ²) + b, degrees per second; σ before and after the peak. */
  mu: number;
  A: number;
  sigma1: number;
  sigma2: number;
  b: number;
}

/**
 * The keys of a trial's recording in storage order; rows are frames. A recording is its trials, one below the other.
 *
 * `psth_inds` exists for `fixrsvp` only, `sf`, `ori` and `stim_phase` for `gratings` only. `trial_inds` is int64 for the
 * image stimuli and float64 for the others, as laboratories store it.
 */
export function trialColumns(trial: RespondedTrial, spec: SessionSpec): Map<string, NdArray> {
  const { type, frames, gaze } = trial;
  const screen = sessionScreen(spec.ppd);
  const perFrame = <T extends Float64Array | BigInt64Array>(data: T, value: (t: number) => T[number]): T => {
    for (let t = 0; t < frames; t++) data[t] = value(t);
    return data;
  };
  const float64 = (value: (t: number) => number) => perFrame(new Float64Array(frames), value);
  const int64 = (value: (t: number) => number) => perFrame(new BigInt64Array(frames), (t) => BigInt(value(t)));

  const gazePixels = new Float64Array(2 * frames);
  const roi = new BigInt64Array(4 * frames);
  for (let t = 0; t < frames; t++) {
    const x = gaze[2 * t]!;
    const y = gaze[2 * t + 1]!;
    gazePixels.set(gazePixel(screen, x, y), 2 * t);
    const [row, col] = cropCorner(screen, spec.cropSize, x, y);
    roi.set([row, row + spec.cropSize, col, col + spec.cropSize].map(BigInt), 4 * t);
  }

  const imageStimulus = type === "backimage" || type === "fixrsvp";
  const columns = new Map<string, NdArray>();
  const add = (key: string, dtype: DType, row: readonly number[], data: TypedArray) =>
    columns.set(key, { dtype, shape: [frames, ...row], data });
  add(
    "t_bins",
    "float64",
    [],
    float64((t) => trial.start + (t + 0.5) / RATE_HZ),
  );
  if (imageStimulus)
    add(
      "trial_inds",
      "int64",
      [],
      int64(() => trial.number),
    );
  else
    add(
      "trial_inds",
      "float64",
      [],
      float64(() => trial.number),
    );
  add("stim", "uint8", [spec.cropSize, spec.cropSize], trial.stim);
  add("robs", "float32", [spec.units], trial.counts);
  add("dpi_pix", "float64", [2], gazePixels);
  add("eyepos", "float64", [2], gaze);
  add(
    "dpi_valid",
    "float64",
    [],
    float64((t) => trial.valid[t]!),
  );
  add("roi", "int64", [2, 2], roi);
  if (type === "fixrsvp")
    add(
      "psth_inds",
      "int64",
      [],
      int64((t) => t),
    );
  if (trial.grating !== undefined) {
    const { grating } = trial;
    add(
      "sf",
      "float64",
      [],
      float64((t) => grating(t).sf),
    );
    add(
      "ori",
      "float64",
      [],
      float64((t) => grating(t).ori),
    );
  }
  if (trial.phase !== undefined) add("stim_phase", "float32", [spec.cropSize, spec.cropSize], trial.phase);
  add("true_rates", "float32", [spec.units], trial.expected);
  if (trial.shared !== undefined) {
    add("full_rates", "float32", [spec.units], trial.shared.expected);
    add("shared_gain", "float32", [], trial.shared.latent);
  }
  return columns;
}

/** Tables with the same keys, one below the other. */
export function joinRows(parts: readonly Map<string, NdArray>[]): Map<string, NdArray> {
  const joined = new Map<string, NdArray>();
  for (const [key, first] of parts[0] ?? []) {
    const columns = parts.map((part) => part.get(key)!);
    const rows = columns.reduce((sum, column) => sum + column.shape[0]!, 0);
    const array = zerosArray(first.dtype, [rows, ...first.shape.slice(1)]);
    const bytes = arrayBytes(array);
    let offset = 0;
    for (const column of columns) {
      bytes.set(arrayBytes(column), offset);
      offset += arrayBytes(column).byteLength;
    }
    joined.set(key, array);
  }
  return joined;
}

/** Metadata of a recording: geometry, origin, and the planted units under `planted`. */
export function recordingMetadata(
  type: StimulusType,
  spec: SessionSpec,
  units: readonly PlantedUnit[],
  origin: { seed: number; preset: string },
): Record<string, unknown> {
  const { ppd, width, height } = sessionScreen(spec.ppd);
  return {
    name: type,
    session: spec.name,
    eye: "right",
    sampling_rate: RATE_HZ,
    ppd,
    screen_resolution: [width, height],
    roi_src: cropAroundGaze(spec.cropSize),
    generator: { ...GENERATOR, ...origin },
    planted: { units },
  };
}

/** The saccades of a trial on the recording clock. */
export function saccadeRecords(trial: Trial): SaccadeRecord[] {
  return trial.saccades.map(({ onset, duration, from, to, peakSpeed }) => {
    const start = trial.start + (onset + 0.5) / RATE_HZ;
    // Standard deviation of the minimum-jerk speed profile, 30 s²(1−s)², as a share of its duration.
    const sigma = Math.sqrt(1 / 28) * duration;
    return {
      start_idx: Math.floor(start * RATE_HZ),
      end_idx: Math.floor((start + duration) * RATE_HZ),
      mu: start + duration / 2,
      A: peakSpeed,
      sigma1: sigma,
      sigma2: sigma,
      b: 0,
      start_time: start,
      end_time: start + duration,
      start_x: from[0],
      start_y: from[1],
      end_x: to[0],
      end_y: to[1],
    };
  });
}
