/**
 * @file Where in a batch numbers stop being finite, for the message that ends a run (training specification, section 24).
 */

import type { BatchLoader, SessionBatch } from "../data/loader.ts";
import type { Twin } from "../models/twin.ts";
import { clearGrads, clipGradNorm, noGrad, ops, scope, stack, type Tensor } from "../torch/index.ts";
import { groupLosses, type LossOptions, predict } from "./step.ts";

/** What it takes to repeat a batch. */
export interface Repeatable {
  twin: Twin;
  trainLoader: BatchLoader;
  lossOptions: LossOptions;
}

/** Sample indices of a session that a message lists. */
const MOST_LISTED = 8;

/**
 * Repeats a batch and says which samples it has and what is not finite first: a parameter, an input, the output of a part, a
 * loss, or a gradient. Gradients are lost.
 *
 * @param plan global indices of its samples
 */
export function explainNonFinite({ twin, trainLoader, lossOptions }: Repeatable, plan: ArrayLike<number>): string {
  return scope(() => {
    const { groups } = trainLoader.load(plan);
    const samples = groups.map(({ name, indices }) => `${name} ${listed(indices)}`).join("; ");
    const cause =
      brokenParameter(twin) ??
      brokenInput(groups) ??
      brokenOutput(twin, groups, lossOptions) ??
      brokenLoss(twin, groups, lossOptions) ??
      brokenGradient(twin, groups, lossOptions) ??
      "Repeated, all its numbers are finite";
    return `${cause}. The batch's samples, by session: ${samples}`;
  });
}

function listed(indices: Int32Array): string {
  const shown = Array.from(indices.subarray(0, MOST_LISTED)).join(", ");
  return indices.length > MOST_LISTED ? `${shown} and ${indices.length - MOST_LISTED} more` : shown;
}

function allFinite(values: Tensor): boolean {
  return scope(() => ops.all(ops.isfinite(values)).item() === 1);
}

function brokenParameter(twin: Twin): string | undefined {
  const broken = [...twin.namedParameters()].find(({ tensor }) => !allFinite(tensor));
  return broken && `The parameter ${broken.name} is not finite any more`;
}

function brokenInput(groups: readonly SessionBatch[]): string | undefined {
  for (const { name, stimulus, behavior, history } of groups) {
    for (const [key, values] of Object.entries({ stimulus, behavior, history })) {
      if (values && !allFinite(values)) return `The ${key} of ${name} is not finite`;
    }
  }
  return undefined;
}

function brokenOutput(twin: Twin, groups: readonly SessionBatch[], options: LossOptions): string | undefined {
  let first: string | undefined;
  const observe = (stage: string, values: Tensor) => {
    if (first === undefined && !allFinite(values)) first = stage;
  };
  const predictions = noGrad(() => predict(twin, groups, options, observe));
  if (first === undefined) {
    const i = predictions.findIndex((values) => !allFinite(values));
    if (i >= 0) first = `readouts.${groups[i]!.session}`;
  }
  return first && `The first part whose output is not finite is ${first}`;
}

function brokenLoss(twin: Twin, groups: readonly SessionBatch[], options: LossOptions): string | undefined {
  const losses = noGrad(() => stack(groupLosses(predict(twin, groups, options), groups, options)).toTypedArray());
  const i = groups.findIndex((_, k) => !Number.isFinite(Number(losses[k])));
  if (i < 0) return undefined;
  const { name, dfs } = groups[i]!;
  const isEmpty = dfs.float().sum().item() === 0;
  return isEmpty
    ? `The mask (dfs) of ${name} leaves no valid entry`
    : `The model's outputs are finite, the loss of ${name} is not: look at its counts (robs) and mask (dfs)`;
}

function brokenGradient(twin: Twin, groups: readonly SessionBatch[], options: LossOptions): string | undefined {
  const parameters = [...twin.namedParameters()];
  const tensors = parameters.map(({ tensor }) => tensor);
  clearGrads(tensors);
  stack(groupLosses(predict(twin, groups, options), groups, options))
    .mean()
    .backward();
  // The backward pass comes from the end.
  const broken = parameters.findLast(({ tensor }) => tensor.grad && !allFinite(tensor.grad));
  const norm = clipGradNorm(tensors, 0).item();
  clearGrads(tensors);
  if (broken) return `All outputs are finite, the gradient of ${broken.name} is not`;
  return Number.isFinite(norm) ? undefined : "All gradients are finite, but too large for their norm";
}
