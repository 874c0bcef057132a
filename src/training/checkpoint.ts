/**
 * @file Checkpoints of our own format (architecture, section 7).
 *
 * ```
 * <name>.safetensors         parameters and buffers under the reference's names; metadata: the model's configuration, every
 *                            session with its configuration and units, metrics, versions: all it takes to use the twin
 * <name>.state.safetensors   what continuing the run needs beside it: AdamW's moments and step counts, random states, and
 *                            the trainer's counters
 * ```
 *
 * Both are written beside their final places first and then put there, so that a crash or a full disk leaves the previous
 * pair as it was.
 */

import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ModelConfig } from "../config/model.ts";
import type { SessionConfig } from "../config/session.ts";
import { UserError } from "../errors.ts";
import type { LazyArray } from "../formats/lazy.ts";
import {
  createSafetensorsWriter,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsWriter,
} from "../formats/safetensors.ts";
import { type BuildOptions, buildModel } from "../models/build.ts";
import type { InputShape } from "../models/shapes.ts";
import type { Twin } from "../models/twin.ts";
import {
  type AdamW,
  defaultGeneratorState,
  fromArray,
  Generator,
  libtorchVersion,
  type Module,
  type StateMismatch,
  scope,
  setDefaultGeneratorState,
  type Tensor,
} from "../torch/index.ts";
import type { TrainingSettings } from "./options.ts";

const SCHEMA = 1;
const INFO_KEY = "visioncore";
const STATE_KEY = "visioncore_state";

/** A session of a checkpoint. */
export interface CheckpointSession {
  name: string;
  nUnits: number;
  /** The units' numbers in the recordings, in the order of the readout. */
  cids: number[];
  /** Everything about the session's data, defaults filled in. */
  config: SessionConfig;
  /** Fingerprint of the training data. */
  data: string;
}

/** What a checkpoint says about itself. */
export interface CheckpointInfo {
  model_config: ModelConfig;
  sessions: CheckpointSession[];
  /** Lags and pixels of the stimuli; null for models that see behaviour only, absent in old files. */
  input?: InputShape | null;
  /** Of the last batch, from 0. */
  epoch: number;
  /** Optimiser steps so far. */
  global_step: number;
  /** Of the last validation, finite values only. */
  metrics: Record<string, number>;
  settings: TrainingSettings;
}

/** Provenance, added when saving. */
interface StoredInfo extends CheckpointInfo {
  schema: number;
  versions: { visioncore: string; libtorch: string; node: string };
  saved_at: string;
  /** The same in both files of a pair. */
  save_id: string;
}

/** What continuing a run needs. `run` is whatever the trainer counts, as JSON. */
export interface TrainingState {
  optimizer: AdamW;
  device: string;
  run: unknown;
}

/**
 * Writes a checkpoint, replacing one of the same name.
 *
 * @param path of the parameters' file, ending in `.safetensors`
 * @throws UserError when the disk is full, permission is missing and the like; the previous checkpoint is intact then
 */
export function saveCheckpoint(path: string, twin: Module, info: CheckpointInfo, training: TrainingState): void {
  const save_id = randomUUID();
  const versions = { visioncore: ownVersion(), libtorch: libtorchVersion(), node: process.versions.node };
  const stored: StoredInfo = { schema: SCHEMA, ...info, versions, saved_at: new Date().toISOString(), save_id };
  scope(() => {
    const state = { schema: SCHEMA, save_id, run: training.run };
    using stateFile = startFile(statePath(path), stateTensors(training), { [STATE_KEY]: JSON.stringify(state) });
    using twinFile = startFile(path, twin.stateDict(), { [INFO_KEY]: JSON.stringify(stored) });
    stateFile.finish();
    twinFile.finish();
  });
}

/** Path of the file with the training state beside a checkpoint. */
export function statePath(path: string): string {
  return path.replace(/\.safetensors$/, ".state.safetensors");
}

/** A file with all tensors written but not yet in its place. */
function startFile(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Record<string, string>,
): SafetensorsWriter {
  const writer = createSafetensorsWriter(path, tensors, metadata);
  try {
    // One tensor at a time on the host.
    for (const name of writer.order)
      if (tensors.get(name)!.numel > 0) writer.append(name, tensors.get(name)!.toArray());
    return writer;
  } catch (error) {
    writer.abort();
    throw error;
  }
}

function stateTensors({ optimizer, device }: TrainingState): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, { step, expAvg, expAvgSq }] of optimizer.state) {
    tensors.set(`step.${name}`, step);
    tensors.set(`exp_avg.${name}`, expAvg);
    tensors.set(`exp_avg_sq.${name}`, expAvgSq);
  }
  for (const where of new Set(["cpu", device])) tensors.set(`rng.${where}`, defaultGeneratorState(where));
  return tensors;
}

/** An open checkpoint. */
export interface OpenCheckpoint extends Disposable {
  path: string;
  info: CheckpointInfo & { versions: Record<string, string>; saved_at: string };
  /** Parameters and buffers by name, still in the file. */
  tensors: ReadonlyMap<string, LazyArray>;
}

/**
 * Opens a checkpoint and reads what it says about itself.
 *
 * @throws UserError when the file cannot be read, is damaged or cut short, was written by another program, or by a newer
 *   version of this one
 */
export function openCheckpoint(path: string): OpenCheckpoint {
  const { file, stored } = openOwn<StoredInfo>(path, INFO_KEY);
  return { path, info: stored, tensors: file.tensors, [Symbol.dispose]: () => file.close() };
}

function openOwn<Stored extends { schema: number }>(
  path: string,
  key: string,
): { file: SafetensorsFile; stored: Stored } {
  if (/\.(ckpt|pt|pth)$/.test(path)) {
    throw new UserError(`Cannot load "${path}": it is a PyTorch file`, {
      hint: "Only checkpoints that visioncore train wrote can be loaded; train the model anew.",
    });
  }
  const file = openSafetensors(path);
  try {
    return { file, stored: parseOwn<Stored>(path, file, key) };
  } catch (error) {
    file.close();
    throw error;
  }
}

function parseOwn<Stored extends { schema: number }>(
  path: string,
  { metadata, tensors }: SafetensorsFile,
  key: string,
): Stored {
  const text = metadata[key];
  if (text === undefined) {
    const isState = key === INFO_KEY && metadata[STATE_KEY] !== undefined;
    const what = isState
      ? "it holds the training state of a checkpoint, not its parameters"
      : `its ${tensors.size} tensors carry no description of a VisionCore model`;
    throw new UserError(`Cannot load "${path}": ${what}`, {
      hint: isState
        ? `Load "${path.replace(/\.state\.safetensors$/, ".safetensors")}".`
        : "Another program wrote this file.",
    });
  }
  const stored = parseJson<Stored>(path, text);
  if (stored.schema > SCHEMA) {
    throw new UserError(`Cannot load "${path}": it has format ${stored.schema}, this version reads up to ${SCHEMA}`, {
      hint: "Update VisionCore.",
    });
  }
  return stored;
}

function parseJson<Value>(path: string, text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch (cause) {
    throw new UserError(`Cannot load "${path}": its description is damaged (${(cause as Error).message})`, {
      hint: "Use another checkpoint of the run, or copy this one again.",
      cause,
    });
  }
}

/**
 * Copies a checkpoint's parameters and buffers into a model.
 *
 * @throws UserError that lists what is missing, unexpected and of another shape; the model is unchanged then
 */
export function loadParameters(twin: Module, { path, tensors }: OpenCheckpoint): void {
  scope(() => {
    const state = new Map([...tensors].map(([name, array]) => [name, fromArray(array.read())]));
    const mismatch = twin.loadStateDict(state);
    const problems = describeMismatch(mismatch);
    if (problems.length === 0) return;
    throw new UserError(`Cannot load "${path}" into this model: ${problems.join("; ")}`, {
      hint: "It was trained with another model configuration or other sessions. To resume, leave them out: it knows its own.",
    });
  });
}

const LISTED = 5;

function describeMismatch({ missing, unexpected, misshapen }: StateMismatch): string[] {
  const list = (label: string, names: readonly string[]): string[] => {
    if (names.length === 0) return [];
    const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : "";
    return [`${names.length} ${label} (${names.slice(0, LISTED).join(", ")}${more})`];
  };
  const shapes = misshapen.map(
    ({ name, expected, found }) => `${name}: [${found.join(", ")}] in the file, [${expected.join(", ")}] in the model`,
  );
  return [...list("missing", missing), ...list("unexpected", unexpected), ...list("of another shape", shapes)];
}

/** A trained twin and where it comes from. */
export interface LoadedTwin {
  /** In evaluation mode. */
  twin: Twin;
  config: ModelConfig;
  sessions: CheckpointSession[];
  info: OpenCheckpoint["info"];
  path: string;
}

/** Options of {@link loadTwin}. */
export interface LoadTwinOptions {
  device?: string;
  /** How the twin computes; the values are the same. */
  formulation?: BuildOptions["formulation"];
}

/**
 * Loads a twin from a checkpoint alone; neither configurations nor data are needed.
 *
 * @param path of a checkpoint, or the folder of a run: then its best checkpoint, or the last if no epoch was completed
 * @throws UserError when there is no checkpoint, or it cannot be read, is damaged, or is not a VisionCore checkpoint
 */
export function loadTwin(path: string, { device = "cpu", formulation }: LoadTwinOptions = {}): LoadedTwin {
  using checkpoint = openCheckpoint(findCheckpoint(path));
  const { info } = checkpoint;
  const specs = info.sessions.map(({ name, nUnits, config: { adapter, readout } }) => ({
    name,
    nUnits,
    adapter,
    readout,
  }));
  const twin = buildModel(info.model_config, specs, { generator: new Generator(0), formulation, input: info.input ?? undefined });
  try {
    loadParameters(twin, checkpoint);
  } catch (error) {
    twin.dispose();
    throw error;
  }
  twin.to({ device }).eval();
  return { twin, config: info.model_config, sessions: info.sessions, info, path: checkpoint.path };
}

/**
 * The checkpoint that a path stands for; see {@link loadTwin}.
 *
 * @throws UserError when a folder has no checkpoint
 */
export function findCheckpoint(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  const names = readdirSync(path).filter(
    (name) => name.endsWith(".safetensors") && !name.endsWith(".state.safetensors"),
  );
  const score = (name: string) => Number(/val_bps_overall=(\d+\.\d+)/.exec(name)?.[1] ?? Number.NEGATIVE_INFINITY);
  const best = names
    .sort()
    .reduce<string | undefined>((a, b) => (a === undefined || score(b) > score(a) ? b : a), undefined);
  if (best !== undefined) return join(path, best);
  throw new UserError(`Cannot find a checkpoint in "${path}"`, {
    hint: "Give the folder of a run, which holds last.safetensors, or a .safetensors file.",
  });
}

/**
 * Restores optimiser and random states of a run, and gives back what the trainer counted.
 *
 * @param path of the checkpoint, whose parameters are loaded separately
 * @param optimizer with the groups of the same model and no state yet
 * @throws UserError when the state's file is missing, damaged or belongs to another checkpoint or model
 */
export function loadTrainingState<Run>(path: string, optimizer: AdamW, device: string): Run {
  const { file: twinFile, stored: info } = openOwn<StoredInfo>(path, INFO_KEY);
  twinFile.close();
  if (!existsSync(statePath(path))) {
    throw new UserError(`Cannot resume from "${path}": there is no "${statePath(path)}"`, {
      hint: "The checkpoint can be evaluated, but to continue the run its training state is needed as well.",
    });
  }
  const { file, stored } = openOwn<{ schema: number; save_id: string; run: Run }>(statePath(path), STATE_KEY);
  try {
    if (stored.save_id !== info.save_id) {
      throw new UserError(`Cannot resume from "${path}": "${statePath(path)}" was saved with another checkpoint`, {
        hint: "Saving was interrupted between the two. Resume from one of the epoch=… checkpoints beside it.",
      });
    }
    scope(() => {
      restoreMoments(file, optimizer);
      for (const where of new Set(["cpu", device])) {
        const state = file.tensors.get(`rng.${where}`);
        // Absent when the run moves to another kind of device; dropout then starts a new stream.
        if (state) setDefaultGeneratorState(fromArray(state.read()), where);
      }
    });
    return stored.run;
  } finally {
    file.close();
  }
}

function restoreMoments(file: SafetensorsFile, optimizer: AdamW): void {
  for (const { name, tensor } of optimizer.groups.flatMap(({ parameters }) => parameters)) {
    // Parameters that never had a gradient have no state.
    if (!file.tensors.has(`step.${name}`)) continue;
    const read = (prefix: string, shape: readonly number[]): Tensor => {
      const array = file.tensor(`${prefix}.${name}`).read();
      if (array.shape.join() !== shape.join()) {
        throw new UserError(
          `Cannot resume from "${file.path}": "${prefix}.${name}" is [${array.shape.join(", ")}], the parameter is [${shape.join(", ")}]`,
        );
      }
      // A copy of its own: the array belongs to the file's bytes.
      return fromArray(array).clone().to({ device: tensor.device }).keep();
    };
    optimizer.state.set(name, {
      step: read("step", []),
      expAvg: read("exp_avg", tensor.shape),
      expAvgSq: read("exp_avg_sq", tensor.shape),
    });
  }
}

/** Version of this package. */
function ownVersion(): string {
  const path = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
