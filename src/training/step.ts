/**
 * @file One training step: forward, loss, backward; then clip, update, project (training specification, sections 7, 8, 12
 * to 15).
 *
 * A step decides two things by numbers: sessions whose loss is not finite have no part in it, and an update whose gradients
 * are not finite is left out. On the CPU the host decides. On a GPU it would wait for the device twice per step, so there the
 * device decides (`defer`), and the numbers are read later, see reading.ts.
 */

import type { SessionBatch } from "../data/loader.ts";
import type { DType } from "../formats/array.ts";
import { poissonLoss } from "../models/losses.ts";
import type { Observer } from "../models/modules/layer.ts";
import type { Twin } from "../models/twin.ts";
import {
  autocast,
  cat,
  clearGrads,
  clipGradNorm,
  type Optimizer,
  ops,
  scope,
  stack,
  type Tensor,
  zeros,
} from "../torch/index.ts";
import type { AuxiliaryLosses } from "./aux-loss.ts";
import { globalObjective, type Replica } from "./distributed.ts";
import type { LossScaler } from "./loss-scaling.ts";
import type { GroupLoss } from "./metrics.ts";
import { Reading } from "./reading.ts";
import type { Penalty, Regularizers } from "./regularizers.ts";

/** Element types of convolutions and products under autocast; null computes in float32 throughout. */
const AUTOCAST = { "32": null, "bf16-mixed": "bfloat16", "16-mixed": "float16" } as const satisfies Record<
  string,
  DType | null
>;

export type Precision = keyof typeof AUTOCAST;

export const PRECISIONS = Object.keys(AUTOCAST) as readonly Precision[];

/** How predictions become losses. */
export interface LossOptions {
  /** Whether the model puts out log rates. */
  logInput: boolean;
  precision: Precision;
  device: string;
  /** Weigh a mask of one column, and NaN under the mask, as the reference does. */
  legacyMask?: boolean;
}

/** Lower bounds of what a model puts out. */
const SMALLEST_RATE = 1e-8;
const SMALLEST_LOG_RATE = -20;

/**
 * Predictions for the groups of a batch in one pass of the core: rates in counts per bin, or log rates, bounded from
 * below. One [samples, units] float32 tensor per group.
 *
 * @param observe sees the results of the model's parts, see {@link Twin.forward}
 */
export function predict(
  twin: Twin,
  groups: readonly SessionBatch[],
  { logInput, precision, device }: LossOptions,
  observe?: Observer,
): Tensor[] {
  const outputs = autocast(device, AUTOCAST[precision], () => twin.forward(groups, observe));
  return outputs.map((output) => output.float().clamp(logInput ? SMALLEST_LOG_RATE : SMALLEST_RATE));
}

/** Masked Poisson loss of every group, float32 scalars. */
export function groupLosses(
  predictions: readonly Tensor[],
  groups: readonly SessionBatch[],
  { logInput, legacyMask = false }: LossOptions,
): Tensor[] {
  return predictions.map((prediction, i) =>
    poissonLoss(prediction, groups[i]!.robs, groups[i]!.dfs, { logInput, legacyMask }),
  );
}

/** What one batch contributed. */
export interface BatchReport {
  /**
   * Loss of every group, in the batch's order, or with a global objective of every session in the batches of all processes;
   * those that are not finite took no part.
   */
  losses: GroupLoss[];
  /** Mean of the finite group losses, weighed by their samples with `weighSamples`; 0 when there are none. */
  baseLoss: number;
  /** Penalties that took part. */
  penalties: { name: string; value: number }[];
  /** What parts of the model added, see {@link AuxiliaryLosses}; null where none do. */
  auxiliaryLoss: number | null;
  /** `baseLoss` plus penalties and auxiliary losses: what was differentiated. */
  totalLoss: number;
}

/** What one update did. */
export interface UpdateReport {
  /** Norm of all gradients before clipping. */
  gradNorm: number;
  /** Whether the update was left out because the norm is not finite. */
  skipped: boolean;
  /** By which the losses were multiplied; absent without scaling. */
  lossScale?: number;
}

export interface TrainingStepOptions extends LossOptions {
  twin: Twin;
  optimizer: Optimizer;
  regularizers: Regularizers;
  /** Of the twin's parts; absent for none. */
  auxiliary?: AuxiliaryLosses | undefined;
  /** For gradients too small for float16. */
  scaler?: LossScaler | undefined;
  /** Largest norm of the gradients; 0 or less does not clip. */
  gradientClipVal: number;
  /** Batches per update. */
  accumulateGradBatches: number;
  /** Every sample of a batch counts alike in the loss, instead of every session. */
  weighSamples?: boolean;
  /** Part of a run of several processes, whose gradients are averaged. */
  replica?: Replica | undefined;
  /** With `replica`: the objective is that of one process with the batches of all. */
  globalObjective?: boolean;
  /**
   * Lets the device decide what has no part in the step, so that the host need not wait for it. Only for one process, and for
   * optimisers that can skip on the device; others ignore it.
   *
   * A session that is left out then has gradients of zero, not none; what is not finite inside the network, not only in its
   * loss, costs the whole update; and without any finite loss penalties do not act either.
   */
  defer?: boolean;
}

/** A batch, and the update that followed if it was the last of its accumulation window. */
export interface StartedStep {
  batch: Reading<BatchReport>;
  update: Reading<UpdateReport> | null;
}

/** A batch with its update. */
export interface WholeStep extends StartedStep {
  update: Reading<UpdateReport>;
}

/** Trains a twin: {@link backward} for every batch, {@link update} after the last batch of an accumulation window. */
export class TrainingStep {
  /** Whether reports come later than what they report. */
  readonly deferred: boolean;
  private readonly options: TrainingStepOptions;
  private readonly parameters: Tensor[];
  /** Deferred: 1 if there was a finite loss since the last update, else 0. */
  private anyFinite: Tensor | null = null;

  constructor(options: TrainingStepOptions) {
    this.options = options;
    this.parameters = [...options.twin.namedParameters()].map(({ tensor }) => tensor);
    this.deferred = (options.defer ?? false) && options.replica === undefined && options.optimizer.skipsOnDevice;
  }

  /** Adds a batch's gradients, divided by the number of batches per update. */
  backward(groups: readonly SessionBatch[], epoch: number): BatchReport {
    return this.startBackward(groups, epoch).read();
  }

  /** Averages the gradients over processes, clips them, updates the parameters, clears the gradients and projects. */
  update(epoch: number): UpdateReport {
    return this.startUpdate(epoch).read();
  }

  /** {@link backward} whose report may come later. */
  startBackward(groups: readonly SessionBatch[], epoch: number): Reading<BatchReport> {
    return scope(() => (this.deferred ? this.backwardOnDevice(groups, epoch) : this.backwardOnHost(groups, epoch)));
  }

  /** {@link update} whose report may come later. */
  startUpdate(epoch: number): Reading<UpdateReport> {
    this.prepareUpdate();
    return scope(() => (this.deferred ? this.updateOnDevice(epoch) : this.updateOnHost(epoch)));
  }

  /** {@link startBackward}, and {@link startUpdate} if it `isLast` of its window. */
  start(groups: readonly SessionBatch[], epoch: number, isLast: boolean): StartedStep {
    return { batch: this.startBackward(groups, epoch), update: isLast ? this.startUpdate(epoch) : null };
  }

  // --- a step that is recorded, see graphed-step.ts --------------------------------------------------------------------

  /** The part of an update that is the host's: numbers that differ from step to step go to the device. */
  prepareUpdate(): void {
    if (this.deferred) this.options.optimizer.sendRates();
  }

  /**
   * A whole step but {@link prepareUpdate}. Where it is recorded, it may be done again with other values in the same tensors
   * as long as {@link constants} stays the same.
   *
   * @throws RangeError unless deferred
   */
  startOnDevice(groups: readonly SessionBatch[], epoch: number): WholeStep {
    if (!this.deferred) throw new RangeError("Cannot leave a step to the device: the host decides in it");
    return {
      batch: scope(() => this.backwardOnDevice(groups, epoch)),
      update: scope(() => this.updateOnDevice(epoch)),
    };
  }

  /** All by which the steps of two epochs differ, given the same batch: which penalties there are, what can be shrunk how. */
  constants(epoch: number): string {
    const { optimizer, regularizers } = this.options;
    return JSON.stringify([optimizer.state.size, regularizers.strengths(epoch)]);
  }

  /** Forgets a step that was begun and failed. */
  abandon(): void {
    const { auxiliary, scaler } = this.options;
    clearGrads(this.parameters);
    auxiliary?.drop();
    scaler?.abandon();
    this.dispose();
  }

  // --- what a step does ------------------------------------------------------------------------------------------------

  private backwardOnHost(groups: readonly SessionBatch[], epoch: number): Reading<BatchReport> {
    const { twin, regularizers, weighSamples = false, replica } = this.options;
    const losses = this.losses(groups);
    let auxiliary = this.options.auxiliary?.take() ?? null;
    // Outside autocast, unlike the reference's: penalties are float32.
    const penalties = regularizers.penalties(epoch);
    const values = stack([...losses, ...penalties.map(({ value }) => value)])
      .detach()
      .toTypedArray();
    const lossValues = Array.from(values.subarray(0, losses.length), Number);
    const penaltyValues = Array.from(values.subarray(losses.length), Number);

    const together =
      replica && this.options.globalObjective
        ? globalObjective(replica, twin.sessionNames, groups, lossValues, weighSamples)
        : undefined;
    const isKept = (i: number) => (together ? together.weights[i] !== 0 : Number.isFinite(lossValues[i]));
    // Dropped sessions must be absent from the graph: in a shared pass their adapters would get a gradient of zero instead
    // of none, and a NaN among their activations would reach the core.
    const kept = groups.filter((_, i) => isKept(i));
    let keptLosses = losses;
    if (kept.length < groups.length) {
      keptLosses = this.losses(kept);
      auxiliary = this.options.auxiliary?.take() ?? null;
    }
    const terms = penalties.filter((_, i) => isActive(penaltyValues[i]!)).map(({ value }) => value);
    const auxiliaryLoss = auxiliary?.item() ?? null;
    if (auxiliary !== null && Number.isFinite(auxiliaryLoss)) terms.unshift(auxiliary);
    const shares = together ? together.weights.filter((_, i) => isKept(i)) : sampleShares(kept.map(samplesOf));
    if (weighSamples || together) terms.unshift(...keptLosses.map((loss, i) => loss.mul(shares[i]!)));
    else if (keptLosses.length > 0) terms.unshift(stack(keptLosses).mean());
    if (terms.length > 0) this.differentiate(terms.reduce((total, term) => total.add(term)));

    const own = groups.map(sizeOf).map((size, i) => ({ ...size, loss: lossValues[i]! }));
    const objective = together ?? { losses: own, baseLoss: meanLoss(own, weighSamples) };
    return Reading.of(summarise(objective, penalties.map(nameOf), penaltyValues, auxiliaryLoss));
  }

  private backwardOnDevice(groups: readonly SessionBatch[], epoch: number): Reading<BatchReport> {
    const { twin, regularizers, weighSamples = false } = this.options;
    const predictions = predict(twin, groups, this.options);
    const auxiliary = this.options.auxiliary?.take() ?? null;
    const penalties = regularizers.penalties(epoch);
    const { losses, objective } = this.guardedObjective(predictions, groups, weighSamples);
    const terms = [objective, ...(auxiliary ? [auxiliary] : []), ...penalties.map(({ value }) => value)];
    this.differentiate(terms.reduce((total, term) => total.add(term)));

    const sizes = groups.map(sizeOf);
    const names = penalties.map(nameOf);
    const values = [losses, ...penalties.map(({ value }) => value), ...(auxiliary ? [auxiliary] : [])];
    return new Reading(cat(values.map((value) => value.detach().reshape([-1]))), (read) => {
      const own = sizes.map((size, i) => ({ ...size, loss: read[i]! }));
      const objective = { losses: own, baseLoss: meanLoss(own, weighSamples) };
      return summarise(objective, names, read.slice(sizes.length), auxiliary ? read.at(-1)! : null);
    });
  }

  /**
   * Losses [groups] without gradients, and a scalar whose gradients are those of the mean of the finite ones. Its value means
   * nothing.
   *
   * Losses are differentiated as far as the predictions first. There the gradients of those that are not finite are replaced
   * by zeros, which they would not be further down: zero times infinity is not a number.
   */
  private guardedObjective(
    predictions: readonly Tensor[],
    groups: readonly SessionBatch[],
    weighSamples: boolean,
  ): { losses: Tensor; objective: Tensor } {
    const leaves = predictions.map((prediction) => prediction.detach().setRequiresGrad());
    const each = stack(groupLosses(leaves, groups, this.options));
    const losses = each.detach();
    const device = losses.device;
    const mask = ops.isfinite(losses);
    const finite = mask.float();
    const any = this.anyFinite ? ops.maximum(this.anyFinite, finite.amax()) : finite.amax();
    this.anyFinite?.dispose();
    this.anyFinite = any.keep();
    const weights = weighSamples
      ? stack(ops._foreach_mul.ScalarList(ops.unbind.int(finite), groups.map(samplesOf)))
      : finite;
    const shares = weights.div(weights.sum().clamp(1));
    const zero = zeros([], { device });
    ops.where.self(mask, each, zero).mul(shares).sum().backward();
    const objective = predictions.map((prediction, i) => {
      const gradient = ops.where.self(mask.select(0, i), leaves[i]!.grad!, zero);
      return prediction.mul(gradient).reshape([-1]);
    });
    return { losses, objective: cat(objective).sum() };
  }

  private losses(groups: readonly SessionBatch[]): Tensor[] {
    if (groups.length === 0) return [];
    return groupLosses(predict(this.options.twin, groups, this.options), groups, this.options);
  }

  private differentiate(total: Tensor): void {
    const { accumulateGradBatches, scaler } = this.options;
    const share = total.div(accumulateGradBatches);
    (scaler ? scaler.scaled(share) : share).backward();
  }

  private updateOnHost(epoch: number): Reading<UpdateReport> {
    const { optimizer, regularizers, scaler } = this.options;
    const gradNorm = this.finishGradients().item();
    const skipped = !Number.isFinite(gradNorm);
    if (!skipped) optimizer.step();
    clearGrads(this.parameters);
    if (!skipped) regularizers.project(epoch, optimizer);
    const report = { gradNorm, skipped, ...(scaler && { lossScale: scaler.scale.item() }) };
    scaler?.update();
    return Reading.of(report);
  }

  private updateOnDevice(epoch: number): Reading<UpdateReport> {
    const { optimizer, regularizers, scaler } = this.options;
    const norm = this.finishGradients();
    const mustSkip = ops.logical_not(ops.isfinite(norm)).float();
    const skip = this.anyFinite ? ops.maximum(mustSkip, this.anyFinite.rsub(1)) : mustSkip;
    this.anyFinite?.dispose();
    this.anyFinite = null;
    optimizer.step(skip);
    clearGrads(this.parameters);
    regularizers.project(epoch, optimizer, skip);
    const values = stack(scaler ? [norm, scaler.scale] : [norm]);
    scaler?.update();
    return new Reading(values, ([gradNorm, lossScale]) => ({
      gradNorm: gradNorm!,
      skipped: !Number.isFinite(gradNorm),
      ...(lossScale !== undefined && { lossScale }),
    }));
  }

  /** Makes accumulated gradients those of the update; their norm before clipping. */
  private finishGradients(): Tensor {
    const { gradientClipVal, replica, scaler } = this.options;
    replica?.averageGradients(this.parameters);
    scaler?.unscale(this.parameters);
    return clipGradNorm(this.parameters, gradientClipVal);
  }

  /** Frees what an update that never came would have used. */
  dispose(): void {
    this.anyFinite?.dispose();
    this.anyFinite = null;
  }
}

interface GroupSize {
  session: string;
  samples: number;
}

function sizeOf({ name, indices }: SessionBatch): GroupSize {
  return { session: name, samples: indices.length };
}

function samplesOf({ indices }: SessionBatch): number {
  return indices.length;
}

function nameOf({ name }: Penalty): string {
  return name;
}

/** A penalty of exactly 0 would turn "no gradient" into "gradient 0", which the optimiser treats differently. */
function isActive(penalty: number): boolean {
  return Number.isFinite(penalty) && penalty !== 0;
}

/** Mean of the finite losses, weighed by their samples with `weighSamples`; 0 when there are none. */
export function meanLoss(losses: readonly GroupLoss[], weighSamples = false): number {
  const finite = losses.filter(({ loss }) => Number.isFinite(loss));
  if (!weighSamples) return sum(finite.map(({ loss }) => loss)) / Math.max(1, finite.length);
  const shares = sampleShares(finite.map(({ samples }) => samples));
  return sum(finite.map(({ loss }, i) => loss * shares[i]!));
}

/** The report of a batch by its numbers. */
function summarise(
  { losses, baseLoss }: Pick<BatchReport, "losses" | "baseLoss">,
  penaltyNames: readonly string[],
  penaltyValues: readonly number[],
  auxiliaryLoss: number | null,
): BatchReport {
  const penalties = penaltyNames
    .map((name, i) => ({ name, value: penaltyValues[i]! }))
    .filter(({ value }) => isActive(value));
  const added = auxiliaryLoss !== null && Number.isFinite(auxiliaryLoss) ? auxiliaryLoss : 0;
  const totalLoss = baseLoss + added + sum(penalties.map(({ value }) => value));
  return { losses, baseLoss, penalties, auxiliaryLoss, totalLoss };
}

/** Share of the samples that every group holds. */
function sampleShares(samples: readonly number[]): number[] {
  const all = sum(samples);
  return samples.map((n) => n / all);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
