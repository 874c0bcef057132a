/**
 * @file Synthetic V1 populations: sessions of recordings (spec data 4.2) whose true rates are known.
 *
 * Each recording carries, beside the usual keys, `true_rates` (T, N): the expected count of each unit in each 240 Hz
 * frame, given the stimulus and the eye movements. On average no twin scores better than these rates do.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { didYouMean, UserError } from "../../errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { makeFolder } from "../../formats/folder.ts";
import { Recording } from "../recording.ts";
import { parentConfigText, sessionConfigText } from "./dataset-config.ts";
import type { PlantedUnit } from "./neurons.ts";
import { PRESETS, type Preset, type PresetChanges, requireWhole, type SessionSpec, sessionSpec } from "./presets.ts";
import { RecordingStream } from "./recording-stream.ts";
import {
  GENERATOR,
  joinRows,
  recordingMetadata,
  type SaccadeRecord,
  saccadeRecords,
  trialColumns,
} from "./recordings.ts";
import { SessionGenerator } from "./session-generator.ts";
import { STIMULUS_TYPES, type StimulusType } from "./stimuli.ts";
import { RATE_HZ } from "./trials.ts";
import { hasTruthOf, type Origin, writeTruth } from "./truth.ts";

/** A generated session. */
export interface SyntheticSession {
  name: string;
  /** Planted units, one per column of `robs`. */
  units: PlantedUnit[];
  /** One per stimulus type that has trials. */
  recordings: Recording[];
  /** All saccades in order. */
  saccades: SaccadeRecord[];
}

/**
 * Generates one session in memory. Equal specs and seeds give equal sessions; each type, trial and purpose draws from a
 * stream of its own.
 *
 * @param preset name of the preset, for the metadata
 */
export function generateSession(spec: SessionSpec, seed: number, preset = "custom"): SyntheticSession {
  const generator = new SessionGenerator(spec, seed);
  for (const _ of generator.calibrate());
  const saccades: SaccadeRecord[] = [];
  const parts = new Map(shownTypes(generator).map((type) => [type, [] as ReturnType<typeof trialColumns>[]]));
  for (const trial of generator.respond()) {
    parts.get(trial.type)!.push(trialColumns(trial, spec));
    saccades.push(...saccadeRecords(trial));
  }
  const units = [...generator.units];
  const metadata = (type: StimulusType) => recordingMetadata(type, spec, units, { seed, preset });
  return {
    name: spec.name,
    units,
    recordings: [...parts].map(([type, trials]) => new Recording(type, joinRows(trials), metadata(type), spec.name)),
    saccades,
  };
}

/** What {@link synthesize} makes, and where. */
export interface SynthesizeOptions extends PresetChanges {
  /** Folder to write to; made if missing. */
  out: string;
  /** A name in `PRESETS`. */
  preset: string;
  seed: number;
  /** Number of sessions; default the preset's. The first ones do not depend on how many there are. */
  sessions?: number;
  /** Called after each trial. */
  onProgress?: (progress: SynthesisProgress) => void;
  /** Stops before the next trial; the session it belongs to leaves no recordings. */
  signal?: AbortSignal;
}

/** How far {@link synthesize} is. */
export interface SynthesisProgress {
  /** Frames done, and in all; those that set the gains of a session count twice. */
  done: number;
  total: number;
  /** The session at work. */
  session: string;
}

/** What {@link synthesize} wrote. */
export interface Synthesis {
  /** Path of the dataset file, ready for training. */
  dataset: string;
  sessions: string[];
  /** 240 Hz frames over all recordings. */
  frames: number;
  /** Sessions that were there already, from a run that was stopped. */
  kept: number;
}

/**
 * Writes a synthetic population: `<out>/dataset.yaml`, `<out>/sessions/<session>.yaml`, and per session
 * `<out>/<session>/<type>.safetensors` with its `.json`, `saccades/saccades.json` and the planted truth in `truth/`.
 * Memory does not grow with its size.
 *
 * The session's own file comes after its recordings, the dataset file last: a folder that has one is complete. Sessions
 * that an earlier run with the same options completed are kept.
 *
 * @throws UserError for an unknown preset, a bad seed or size, or a folder that already holds a dataset or cannot be
 * written
 */
export async function synthesize(options: SynthesizeOptions): Promise<Synthesis> {
  const { out, preset: presetName, seed, sessions, onProgress, signal, ...changes } = options;
  const preset = findPreset(presetName);
  const count = sessions ?? preset.sessions;
  requireWhole("seed", seed, 0);
  requireWhole("sessions", count, 1);
  const names = Array.from({ length: count }, (_, i) => sessionName(i));
  const specs = names.map((name) => sessionSpec(preset, name, seed, changes));
  const dataset = join(out, "dataset.yaml");
  if (existsSync(dataset)) {
    throw new UserError(`Cannot write a synthetic population to "${out}": it already has a dataset.yaml`, {
      hint: "Use that dataset, choose another folder, or remove this one.",
    });
  }

  makeFolder(join(out, "sessions"));
  const generator = { ...GENERATOR, seed, preset: presetName };
  const isKept = specs.map((spec) => isComplete(out, { generator, spec }));
  const work = specs.map((spec) => new SessionGenerator(spec, seed));
  const total = work.reduce((sum, session, i) => sum + (isKept[i] ? 0 : session.framesOfWork), 0);
  let done = 0;
  for (const [i, spec] of specs.entries()) {
    if (isKept[i]) continue;
    for (const frames of writeSession(out, new SessionGenerator(spec, seed), { generator, spec })) {
      done += frames;
      onProgress?.({ done, total, session: spec.name });
      // Lets an abort or an interrupt in: generation itself never yields.
      await setImmediate();
      signal?.throwIfAborted();
    }
  }
  writeFileAtomic(dataset, parentConfigText(names, preset.lags));
  const frames = work.reduce((sum, { plan }) => plan.reduce((part, trial) => part + trial.frames, sum), 0);
  return { dataset, sessions: names, frames, kept: isKept.filter(Boolean).length };
}

/** Writes a session, trial by trial; yields frames of work done. Left early, it takes back its unfinished recordings. */
function* writeSession(out: string, generator: SessionGenerator, origin: Origin): Generator<number> {
  const { spec } = origin;
  const folder = join(out, spec.name);
  const sessionFile = join(out, "sessions", `${spec.name}.yaml`);
  makeFolder(join(folder, "saccades"));
  removeEarlier(folder, sessionFile);
  yield* generator.calibrate();

  const { units } = generator;
  const recordings = new Map(
    shownTypes(generator).map((type) => {
      const frames = generator.plan.reduce((sum, trial) => sum + (trial.type === type ? trial.frames : 0), 0);
      const metadata = recordingMetadata(type, spec, units, origin.generator);
      return [type, new RecordingStream({ folder, type, frames, rateHz: RATE_HZ, metadata })];
    }),
  );
  const saccades: SaccadeRecord[] = [];
  try {
    for (const trial of generator.respond()) {
      recordings.get(trial.type)!.append(trialColumns(trial, spec));
      saccades.push(...saccadeRecords(trial));
      yield trial.frames;
    }
    for (const recording of recordings.values()) recording.finish();
  } finally {
    for (const recording of recordings.values()) recording.abort();
  }
  writeFileAtomic(join(folder, "saccades", "saccades.json"), `${JSON.stringify(saccades)}\n`);
  writeTruth(folder, origin, units, generator.layout);
  writeFileAtomic(sessionFile, sessionConfigText(spec.name, units.length));
}

/** Removes what an earlier run with other options may have left: its types may be others. */
function removeEarlier(folder: string, sessionFile: string): void {
  const recordings = STIMULUS_TYPES.flatMap((type) => [`${type}.safetensors`, `${type}.json`]);
  for (const path of [sessionFile, ...recordings.map((file) => join(folder, file))]) rmSync(path, { force: true });
}

/** Whether a session of just this origin was written to its end: its own file is the last of it. */
function isComplete(out: string, origin: Origin): boolean {
  const { name } = origin.spec;
  return existsSync(join(out, "sessions", `${name}.yaml`)) && hasTruthOf(join(out, name), origin);
}

/** The types that a session has trials of, in the order of recordings. */
function shownTypes({ spec }: SessionGenerator): StimulusType[] {
  return STIMULUS_TYPES.filter((type) => spec.blocks[type].trials > 0);
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
