/**
 * @file A run that is set up and tried, but not run: what it would need and how long it would take.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { totalCost } from "../models/shape-rules.ts";
import { describeModel } from "../models/shapes.ts";
import { deviceMemory, scope, synchronize } from "../torch/index.ts";
import { sessionSpec } from "./model-file.ts";
import type { TrainOptions } from "./options.ts";
import { disposeRun, type Run, setUpRun } from "./setup.ts";
import { Validation } from "./validate.ts";

/** What a run would be. */
export interface DryRun {
  /** Name its folder would have. */
  readonly name: string;
  readonly sessions: number;
  readonly units: number;
  readonly samples: { readonly train: number; readonly val: number };
  readonly parameters: { readonly all: number; readonly trainable: number };
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  /** Optimiser steps of the whole run. */
  readonly steps: number;
  /** Bytes, estimated: of parameters, gradients and moments; of what a batch's forward pass keeps; of the data. */
  readonly memory: { readonly parameters: number; readonly activations: number; readonly data: number };
  /** Bytes, measured over the steps that were tried: resident set of the process, or peak of the device. */
  readonly peak: number;
  /** Measured over the steps that were tried. */
  readonly samplesPerSecond: number;
  /** Expected seconds: of an epoch's training, of its validation, and of all epochs. */
  readonly seconds: { readonly epoch: number; readonly validation: number; readonly total: number };
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** Steps that are not timed: memory is fetched, kernels are chosen. */
const WARM_UP = 2;

/**
 * Sets a run up, takes a few steps and forgets them; nothing is written.
 *
 * @param steps batches to time
 * @throws UserError as training would
 */
export function dryRun(options: TrainOptions, steps = 5): DryRun {
  // A run has a folder; this one is thrown away.
  const folder = mkdtempSync(join(tmpdir(), "dry-run-"));
  try {
    const named = options.resume === undefined ? {} : { experimentName: options.experimentName ?? "dry-run" };
    const run = setUpRun({ ...options, ...named, checkpointDir: folder });
    try {
      return measure(run, steps);
    } finally {
      disposeRun(run);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function measure(run: Run, steps: number): DryRun {
  const { device, settings, sampler, trainLoader, valLoader, valBatches, twin, step, state } = run;
  const { accumulateGradBatches: accumulate, batchSize } = settings;
  const seconds = (body: () => void): number => {
    synchronize(device);
    const started = performance.now();
    body();
    synchronize(device);
    return (performance.now() - started) / 1000;
  };
  const trainBatch = () => {
    const batch = scope(() => step.startBackward(trainLoader.load(sampler.next()).groups, state.epoch));
    // Read now and then in training, so not at all here.
    for (const reading of [batch, step.startUpdate(state.epoch)]) reading.dispose();
  };
  twin.train();
  for (let i = 0; i < WARM_UP; i++) trainBatch();
  const perBatch =
    seconds(() => {
      for (let i = 0; i < steps; i++) trainBatch();
    }) / steps;
  twin.eval();
  using validation = new Validation(twin, run.lossOptions);
  const validate = (plan: Int32Array) => scope(() => validation.add(valLoader.load(plan).groups));
  const [first] = valBatches;
  if (first) validate(first);
  const perValidation = first === undefined ? 0 : seconds(() => validate(first));

  const parameters = [...twin.namedParameters()].map(({ tensor }) => tensor);
  const count = (tensors: typeof parameters) => tensors.reduce((sum, { numel }) => sum + numel, 0);
  const trainable = count(parameters.filter((tensor) => tensor.requiresGrad));
  const batchesPerEpoch = sampler.batchesPerEpoch;
  const epochs = Math.max(0, state.plannedEpochs - state.epoch);
  const epoch = perBatch * batchesPerEpoch;
  const validationSeconds = perValidation * valBatches.length;
  return {
    name: run.name,
    sessions: run.sessions.length,
    units: run.sessions.reduce((sum, { nUnits }) => sum + nUnits, 0),
    samples: { train: trainLoader.offsets.at(-1)!, val: valLoader.offsets.at(-1)! },
    parameters: { all: count(parameters), trainable },
    epochs,
    batchesPerEpoch,
    steps: epochs * Math.ceil(batchesPerEpoch / accumulate),
    memory: {
      // A gradient and two moments beside each trainable parameter, float32.
      parameters: 4 * (count(parameters) + 3 * trainable),
      activations: batchSize * activationBytes(run),
      data: run.dataBytes,
    },
    peak: deviceMemory(device)?.peak ?? process.resourceUsage().maxRSS * 1024,
    samplesPerSecond: batchSize / perBatch,
    seconds: { epoch, validation: validationSeconds, total: epochs * (epoch + validationSeconds) },
    warnings: run.warnings,
    notes: run.notes,
  };
}

/** Bytes that the forward pass of one sample keeps for the backward pass, by a rule of thumb. */
function activationBytes({ modelConfig, input, sessions, settings }: Run): number {
  if (input === null) return 0;
  const { activations, float32 } = totalCost(describeModel(modelConfig, input, [sessionSpec(sessions[0]!)]));
  return settings.precision === "32" ? 4 * activations : 2 * (activations - float32) + 4 * float32;
}
