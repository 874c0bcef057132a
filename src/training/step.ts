/**
 * @file One training step: forward, loss, backward; then clip, update, project (training specification, sections 7, 8, 12
 * and 14).
 *
 * A step reads two small things from the device: the losses after the forward pass, to drop those that are not finite, and
 * the norm of the gradients before the update, to skip one that is not.
 */

import type { SessionBatch } from "../data/loader.ts";
import { poissonLoss } from "../models/losses.ts";
import type { Twin } from "../models/twin.ts";
import { type AdamW, autocast, clearGrads, clipGradNorm, scope, stack, type Tensor } from "../torch/index.ts";
import type { GroupLoss } from "./metrics.ts";
import type { Regularizers } from "./regularizers.ts";

/** float32 throughout, or bfloat16 for convolutions and products under autocast. */
export type Precision = "32" | "bf16-mixed";

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
 */
export function predict(
  twin: Twin,
  groups: readonly SessionBatch[],
  { logInput, precision, device }: LossOptions,
): Tensor[] {
  const outputs = autocast(device, precision === "32" ? null : "bfloat16", () => twin.forward(groups));
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
  /** Loss of every group, in the batch's order; those that are not finite took no part. */
  losses: GroupLoss[];
  /** Mean of the finite group losses, weighed by their samples with `weighSamples`; 0 when there are none. */
  baseLoss: number;
  /** Penalties that took part. */
  penalties: { name: string; value: number }[];
  /** `baseLoss` plus penalties: what was differentiated. */
  totalLoss: number;
}

/** What one update did. */
export interface UpdateReport {
  /** Norm of all gradients before clipping. */
  gradNorm: number;
  /** Whether the update was left out because the norm is not finite. */
  skipped: boolean;
}

export interface TrainingStepOptions extends LossOptions {
  twin: Twin;
  optimizer: AdamW;
  regularizers: Regularizers;
  /** Largest norm of the gradients; 0 or less does not clip. */
  gradientClipVal: number;
  /** Batches per update. */
  accumulateGradBatches: number;
  /** Every sample of a batch counts alike in the loss, instead of every session. */
  weighSamples?: boolean;
}

/** Trains a twin: {@link backward} for every batch, {@link update} after the last batch of an accumulation window. */
export class TrainingStep {
  private readonly options: TrainingStepOptions;
  private readonly parameters: Tensor[];

  constructor(options: TrainingStepOptions) {
    this.options = options;
    this.parameters = [...options.twin.namedParameters()].map(({ tensor }) => tensor);
  }

  /** Adds a batch's gradients, divided by the number of batches per update. */
  backward(groups: readonly SessionBatch[], epoch: number): BatchReport {
    return scope(() => {
      const { regularizers, accumulateGradBatches, weighSamples } = this.options;
      const losses = this.losses(groups);
      // Outside autocast, unlike the reference's: penalties are float32.
      const penalties = regularizers.penalties(epoch);
      const values = stack([...losses, ...penalties.map(({ value }) => value)])
        .detach()
        .toTypedArray();
      const lossValues = Array.from(values.subarray(0, losses.length), Number);
      const penaltyValues = Array.from(values.subarray(losses.length), Number);

      // Dropped sessions must be absent from the graph: in a shared pass their adapters would get a gradient of zero instead
      // of none, and a NaN among their activations would reach the core.
      const kept = groups.filter((_, i) => Number.isFinite(lossValues[i]));
      const keptLosses = kept.length === groups.length ? losses : this.losses(kept);
      // A penalty of exactly 0 would turn "no gradient" into "gradient 0", which the optimiser treats differently.
      const isActive = (_: unknown, i: number) => Number.isFinite(penaltyValues[i]) && penaltyValues[i] !== 0;
      const terms = penalties.filter(isActive).map(({ value }) => value);
      const shares = sampleShares(kept);
      if (weighSamples) terms.unshift(...keptLosses.map((loss, i) => loss.mul(shares[i]!)));
      else if (keptLosses.length > 0) terms.unshift(stack(keptLosses).mean());
      if (terms.length > 0)
        terms
          .reduce((total, term) => total.add(term))
          .div(accumulateGradBatches)
          .backward();

      const finite = lossValues.filter(Number.isFinite);
      const total = sum(weighSamples ? finite.map((loss, i) => loss * shares[i]!) : finite);
      const baseLoss = weighSamples ? total : total / Math.max(1, kept.length);
      const active = penalties.map(({ name }, i) => ({ name, value: penaltyValues[i]! })).filter(isActive);
      return {
        losses: groups.map(({ name, indices }, i) => ({
          session: name,
          loss: lossValues[i]!,
          samples: indices.length,
        })),
        baseLoss,
        penalties: active,
        totalLoss: baseLoss + sum(active.map(({ value }) => value)),
      };
    });
  }

  private losses(groups: readonly SessionBatch[]): Tensor[] {
    if (groups.length === 0) return [];
    return groupLosses(predict(this.options.twin, groups, this.options), groups, this.options);
  }

  /** Clips the gradients, updates the parameters, clears the gradients and projects. */
  update(epoch: number): UpdateReport {
    return scope(() => {
      const { optimizer, regularizers, gradientClipVal } = this.options;
      const gradNorm = clipGradNorm(this.parameters, gradientClipVal).item();
      const skipped = !Number.isFinite(gradNorm);
      if (!skipped) optimizer.step();
      clearGrads(this.parameters);
      if (!skipped) regularizers.project(epoch, optimizer);
      return { gradNorm, skipped };
    });
  }
}

/** Share of the samples that every group holds. */
function sampleShares(groups: readonly SessionBatch[]): number[] {
  const samples = sum(groups.map(({ indices }) => indices.length));
  return groups.map(({ indices }) => indices.length / samples);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
