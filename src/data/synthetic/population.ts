/**
 * @file Synthetic V1 populations: sessions of recordings (spec data 4.2) whose true rates are known.
 *
 * Each recording carries, beside the usual keys, `true_rates` (T, N): the expected count of each unit in each 240 Hz
 * frame, from which `robs` is drawn. On average no twin scores better than these rates do.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { didYouMean, UserError } from "../../errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { makeFolder } from "../../formats/folder.ts";
import { Recording } from "../recording.ts";
import { writeRecording } from "../recording-files.ts";
import { parentConfigText, sessionConfigText } from "./dataset-config.ts";
import { drawUnits, type PlantedUnit } from "./neurons.ts";
import { PRESETS, type Preset, type SessionSpec } from "./presets.ts";
import { Random } from "./random.ts";
import { recordingColumns, recordingMetadata, type SaccadeRecord, saccadeRecords } from "./recordings.ts";
import { expectedCounts, poissonCounts, saccadicCourse, unitDrive, withCalibratedGains } from "./responses.ts";
import { STIMULUS_TYPES } from "./stimuli.ts";
import { planTrials, RATE_HZ, runTrial, sessionImages } from "./trials.ts";

/** A generated session. */
export interface SyntheticSession {
  name: string;
  /** Planted units, one per column of `robs`. */
  units: PlantedUnit[];
  /** One per stimulus type. */
  recordings: Recording[];
  /** All saccades in order. */
  saccades: SaccadeRecord[];
}

/**
 * Generates one session. Equal specs and seeds give equal sessions; each type, trial and purpose draws from a stream of
 * its own.
 *
 * @param preset name of the preset, for the metadata
 */
export function generateSession(spec: SessionSpec, seed: number, preset = "custom"): SyntheticSession {
  const random = new Random(seed).stream("session", spec.name);
  const drawn = drawUnits(random.stream("units"), spec);
  const images = sessionImages(random, spec);
  const trials = planTrials(random.stream("plan"), spec.blocks).map((plan) => runTrial(random, spec, images, plan));

  const layout = { size: spec.cropSize, ppd: spec.ppd, rateHz: RATE_HZ };
  const drives = trials.map((trial) => unitDrive(drawn, trial.stim, layout));
  const units = withCalibratedGains(drawn, drives);
  const responded = trials.map((trial, i) => {
    const course = saccadicCourse(trial.saccades, trial.frames, RATE_HZ);
    const expected = expectedCounts(units, drives[i]!, course, RATE_HZ);
    const counts = poissonCounts(random.stream(trial.type, "spikes", trial.index), expected);
    return { ...trial, expected, counts };
  });
  return {
    name: spec.name,
    units,
    recordings: STIMULUS_TYPES.map((type) => {
      const columns = recordingColumns(
        responded.filter((trial) => trial.type === type),
        spec,
      );
      return new Recording(type, columns, recordingMetadata(type, spec, units, { seed, preset }), spec.name);
    }),
    saccades: trials.flatMap(saccadeRecords),
  };
}

/** What {@link synthesize} makes, and where. */
export interface SynthesizeOptions {
  /** Folder to write to; made if missing. */
  out: string;
  /** A name in `PRESETS`. */
  preset: string;
  seed: number;
  /** Number of sessions; default the preset's. The first ones do not depend on how many there are. */
  sessions?: number;
  /** Called after each session. */
  onProgress?: (progress: SynthesisProgress) => void;
  /** Stops before the next session; the dataset file is then missing and the next run starts over. */
  signal?: AbortSignal;
}

/** How far {@link synthesize} is. */
export interface SynthesisProgress {
  /** Sessions done, and in all. */
  done: number;
  total: number;
  /** The session just written. */
  session: string;
}

/** What {@link synthesize} wrote. */
export interface Synthesis {
  /** Path of the dataset file, ready for training. */
  dataset: string;
  sessions: string[];
  /** 240 Hz frames over all recordings. */
  frames: number;
}

/**
 * Writes a synthetic population: `<out>/dataset.yaml`, `<out>/sessions/<session>.yaml`, and per session
 * `<out>/<session>/<type>.safetensors` with its `.json` and `<out>/<session>/saccades/saccades.json`.
 *
 * The dataset file comes last, so a folder that has one is complete.
 *
 * @throws UserError for an unknown preset, a bad seed or number of sessions, or a folder that already holds a dataset or
 * cannot be written
 */
export async function synthesize(options: SynthesizeOptions): Promise<Synthesis> {
  const { out, seed, onProgress, signal } = options;
  const preset = findPreset(options.preset);
  const total = options.sessions ?? preset.sessions;
  requireInteger("seed", seed, 0);
  requireInteger("sessions", total, 1);
  const dataset = join(out, "dataset.yaml");
  if (existsSync(dataset)) {
    throw new UserError(`Cannot write a synthetic population to "${out}": it already has a dataset.yaml`, {
      hint: "Use that dataset, choose another folder, or remove this one.",
    });
  }

  makeFolder(join(out, "sessions"));
  const names = Array.from({ length: total }, (_, i) => sessionName(i));
  let frames = 0;
  for (const [i, name] of names.entries()) {
    // Lets an abort or an interrupt in: generation itself never yields.
    await setImmediate();
    signal?.throwIfAborted();
    const session = generateSession({ ...preset, name }, seed, options.preset);
    frames += writeSession(out, session);
    onProgress?.({ done: i + 1, total, session: name });
  }
  writeFileAtomic(dataset, parentConfigText(names, preset.lags));
  return { dataset, sessions: names, frames };
}

/** Writes a session's recordings, saccades and configuration; returns its number of frames. */
function writeSession(out: string, { name, units, recordings, saccades }: SyntheticSession): number {
  const folder = join(out, name);
  makeFolder(join(folder, "saccades"));
  for (const recording of recordings) writeRecording(folder, recording, { rateHz: RATE_HZ });
  writeFileAtomic(join(folder, "saccades", "saccades.json"), `${JSON.stringify(saccades)}\n`);
  writeFileAtomic(join(out, "sessions", `${name}.yaml`), sessionConfigText(name, units.length));
  return recordings.reduce((frames, { length }) => frames + length, 0);
}

/** `<subject>_<date>`, one day per session. */
function sessionName(index: number): string {
  const day = new Date(Date.UTC(2024, 0, 1 + index));
  return `Synth_${day.toISOString().slice(0, 10)}`;
}

function findPreset(name: string): Preset {
  const presets: Record<string, Preset> = PRESETS;
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset !== undefined) return preset;
  const known = Object.keys(presets);
  const close = didYouMean(name, known);
  throw new UserError(`Cannot make a synthetic population: there is no preset "${name}"`, {
    hint: close === undefined ? `Presets are ${known.join(", ")}.` : `Did you mean "${close}"?`,
  });
}

function requireInteger(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new UserError(
    `Cannot make a synthetic population: ${name} must be a whole number from ${least} up, got ${value}`,
  );
}
