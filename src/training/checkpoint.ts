/**
 * @file Checkpoints: a model file, and beside it what continuing the run needs.
 *
 * ```
 * <name>.safetensors         the model file: all it takes to use the twin, see model-file.ts
 * <name>.state.safetensors   the optimiser's and loss scaling's state, random states, and the trainer's counters
 * ```
 *
 * Both are written beside their final places first and then put there, the state before the model. Meanwhile the state that
 * was there stays under another name, so that at every moment there is a model file whose state is there too: a crash, a full
 * disk or a killed process leaves the previous checkpoint or the new one.
 */

import { randomUUID } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import { UserError } from "../errors.ts";
import type { SafetensorsFile } from "../formats/safetensors.ts";
import {
  defaultGeneratorState,
  fromArray,
  type Module,
  type Optimizer,
  type ReadStateTensor,
  scope,
  setDefaultGeneratorState,
  type Tensor,
} from "../torch/index.ts";
import { previousStatePath, statePath } from "./checkpoint-files.ts";
import type { LossScaler } from "./loss-scaling.ts";
import { startModelFile } from "./model-file.ts";
import type { ModelInfo } from "./model-info.ts";
import { MODEL_KEY, openTensorFile, SCHEMA, STATE_KEY, startTensorFile } from "./tensor-file.ts";

/** What continuing a run needs. `run` is whatever the trainer counts, as JSON. */
export interface TrainingState {
  optimizer: Optimizer;
  scaler?: LossScaler | undefined;
  device: string;
  run: unknown;
  /** Random states of the other processes of the run, under {@link randomStateName}. */
  otherStates?: ReadonlyMap<string, Tensor> | undefined;
}

/** Under which name the random state of a process's device is stored. */
export function randomStateName(device: string, rank: number): string {
  return rank === 0 ? `rng.${device}` : `rng.${device.split(":")[0]}.rank${rank}`;
}

/**
 * Writes a checkpoint, replacing one of the same name.
 *
 * @param path of the model file, ending in `.safetensors`
 * @throws UserError when the disk is full, permission is missing and the like; the previous checkpoint is intact then
 */
export function saveCheckpoint(path: string, twin: Module, info: ModelInfo, training: TrainingState): void {
  training.optimizer.setMode("eval");
  try {
    writeCheckpoint(path, twin, info, training);
  } finally {
    training.optimizer.setMode("train");
  }
}

function writeCheckpoint(path: string, twin: Module, info: ModelInfo, training: TrainingState): void {
  const save_id = randomUUID();
  scope(() => {
    const state = { schema: SCHEMA, save_id, run: training.run };
    using stateFile = startTensorFile(statePath(path), stateTensors(training), STATE_KEY, state);
    using modelFile = startModelFile(path, twin, info, save_id);
    const [current, previous] = [statePath(path), previousStatePath(path)];
    // One that a killed process left behind belongs to the model file that is there, unless its own state does.
    if (existsSync(current) && !belongs(path, previous)) renameSync(current, previous);
    stateFile.finish();
    modelFile.finish();
    rmSync(previous, { force: true });
  });
}

/** Whether a file is the training state of the model file that is there now. */
function belongs(path: string, state: string): boolean {
  return existsSync(path) && existsSync(state) && saveId(path, MODEL_KEY) === saveId(state, STATE_KEY);
}

function saveId(path: string, key: string): unknown {
  const { file, description } = openTensorFile(path, key);
  file.close();
  return description.save_id;
}

function stateTensors({ optimizer, scaler, device, otherStates = new Map() }: TrainingState): Map<string, Tensor> {
  const tensors = new Map([...optimizer.stateTensors(), ...(scaler?.stateTensors() ?? [])]);
  for (const where of new Set(["cpu", device])) tensors.set(randomStateName(where, 0), defaultGeneratorState(where));
  for (const [name, state] of otherStates) tensors.set(name, state);
  return tensors;
}

/**
 * Restores optimiser and random states of a run, and gives back what the trainer counted.
 *
 * @param path of the checkpoint, whose parameters are loaded separately
 * @param optimizer with the groups of the same model and no state yet
 * @param own loss scaling to restore, and the rank of this process, whose random states are restored
 * @throws UserError when the state's file is missing, damaged or belongs to another checkpoint or model
 */
export function loadTrainingState<Run>(
  path: string,
  optimizer: Optimizer,
  device: string,
  { rank = 0, scaler }: { rank?: number | undefined; scaler?: LossScaler | undefined } = {},
): Run {
  const stored = [statePath(path), previousStatePath(path)].find((state) => belongs(path, state)) ?? statePath(path);
  if (!existsSync(stored)) {
    throw new UserError(`Cannot resume from "${path}": there is no "${statePath(path)}"`, {
      hint: "The checkpoint can be evaluated, but to continue the run its training state is needed as well.",
    });
  }
  const { file, description } = openTensorFile(stored, STATE_KEY);
  try {
    if (description.save_id !== saveId(path, MODEL_KEY)) {
      throw new UserError(`Cannot resume from "${path}": "${statePath(path)}" was saved with another checkpoint`, {
        hint: "One of the two was replaced. Resume from one of the epoch=… checkpoints beside it.",
      });
    }
    scope(() => {
      const read = stateReader(file);
      optimizer.loadStateTensors(read);
      scaler?.loadStateTensors(read);
      for (const where of new Set(["cpu", device])) {
        const state = file.tensors.get(randomStateName(where, rank));
        // Absent when the run moves to another kind of device or has more processes; dropout then starts a new stream.
        if (state) setDefaultGeneratorState(fromArray(state.read()), where);
      }
    });
    return description.run as Run;
  } finally {
    file.close();
  }
}

function stateReader(file: SafetensorsFile): ReadStateTensor {
  return (name, { shape, device, isNeeded = false }) => {
    if (!isNeeded && !file.tensors.has(name)) return null;
    const array = file.tensor(name).read();
    if (array.shape.join() !== shape.join()) {
      throw new UserError(
        `Cannot resume from "${file.path}": "${name}" is [${array.shape.join(", ")}], the parameter is [${shape.join(", ")}]`,
      );
    }
    // A copy of its own: the array belongs to the file's bytes.
    return fromArray(array).clone().to({ device }).keep();
  };
}
