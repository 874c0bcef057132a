/**
 * @file Checkpoints: a model file, and beside it what continuing the run needs.
 *
 * ```
 * <name>.safetensors         the model file: all it takes to use the twin, see model-file.ts
 * <name>.state.safetensors   AdamW's moments and step counts, random states, and the trainer's counters
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
  type AdamW,
  defaultGeneratorState,
  fromArray,
  type Module,
  scope,
  setDefaultGeneratorState,
  type Tensor,
} from "../torch/index.ts";
import { previousStatePath, statePath } from "./checkpoint-files.ts";
import { startModelFile } from "./model-file.ts";
import type { ModelInfo } from "./model-info.ts";
import { MODEL_KEY, openTensorFile, SCHEMA, STATE_KEY, startTensorFile } from "./tensor-file.ts";

/** What continuing a run needs. `run` is whatever the trainer counts, as JSON. */
export interface TrainingState {
  optimizer: AdamW;
  device: string;
  run: unknown;
}

/**
 * Writes a checkpoint, replacing one of the same name.
 *
 * @param path of the model file, ending in `.safetensors`
 * @throws UserError when the disk is full, permission is missing and the like; the previous checkpoint is intact then
 */
export function saveCheckpoint(path: string, twin: Module, info: ModelInfo, training: TrainingState): void {
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

/**
 * Restores optimiser and random states of a run, and gives back what the trainer counted.
 *
 * @param path of the checkpoint, whose parameters are loaded separately
 * @param optimizer with the groups of the same model and no state yet
 * @throws UserError when the state's file is missing, damaged or belongs to another checkpoint or model
 */
export function loadTrainingState<Run>(path: string, optimizer: AdamW, device: string): Run {
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
      restoreMoments(file, optimizer);
      for (const where of new Set(["cpu", device])) {
        const state = file.tensors.get(`rng.${where}`);
        // Absent when the run moves to another kind of device; dropout then starts a new stream.
        if (state) setDefaultGeneratorState(fromArray(state.read()), where);
      }
    });
    return description.run as Run;
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
