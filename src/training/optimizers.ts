/**
 * @file Which parameters are optimised how (training specification, section 10, with its fixes T-01 and T-02).
 */

import type { RegularizerConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { AdamW, type NamedTensor, type Optimizer, type ParameterGroup, ScheduleFreeAdamW } from "../torch/index.ts";
import type { ScheduleKind } from "./schedules.ts";

export const OPTIMIZERS = ["adamw", "schedule_free"] as const;

export type OptimizerKind = (typeof OPTIMIZERS)[number];

/** Rates and decay of a run. */
export interface ParameterGroupOptions {
  /** Rate of adapters, recurrent stage, readouts and history networks, the "head". */
  learningRate: number;
  /** The core's rate as a multiple of `learningRate`. */
  coreLrScale: number;
  weightDecay: number;
  /** Parameters that a penalty already shrinks, by name. */
  excludedFromDecay?: ReadonlySet<string>;
}

/**
 * AdamW's parameter groups: "core, decayed", "core", "head, decayed", "head", those that have members.
 *
 * The core is frontend, convnet and modulator; the recurrent stage counts as head, as in the reference. Decayed are plain
 * weights with two or more axes; weight-normalised and windowed kernels go by other names and never are. Frozen parameters
 * are in no group.
 *
 * @param parameters in module order
 */
export function parameterGroups(
  parameters: Iterable<NamedTensor>,
  { learningRate, coreLrScale, weightDecay, excludedFromDecay = new Set() }: ParameterGroupOptions,
): ParameterGroup[] {
  const coreRate = learningRate * coreLrScale;
  const groups: ParameterGroup[] = [
    { name: "core, decayed", parameters: [], lr: coreRate, weightDecay },
    { name: "core", parameters: [], lr: coreRate, weightDecay: 0 },
    { name: "head, decayed", parameters: [], lr: learningRate, weightDecay },
    { name: "head", parameters: [], lr: learningRate, weightDecay: 0 },
  ];
  for (const parameter of parameters) {
    const { name, tensor } = parameter;
    if (!tensor.requiresGrad) continue;
    const decayed = name.endsWith(".weight") && tensor.ndim >= 2 && !excludedFromDecay.has(name);
    groups[(isCore(name) ? 0 : 2) + (decayed ? 0 : 1)]!.parameters.push(parameter);
  }
  return groups.filter((group) => group.parameters.length > 0);
}

function isCore(name: string): boolean {
  return /frontend|convnet|modulator/.test(name);
}

/** An optimiser and its numbers. */
export interface OptimizerOptions {
  optimizer: OptimizerKind;
  /** Steps over which the rate of `schedule_free` rises from 0. */
  optimizerWarmupSteps: number;
}

/** @throws UserError for `schedule_free` with a regulariser that goes by AdamW's step sizes */
export function makeOptimizer(
  groups: ParameterGroup[],
  { optimizer, optimizerWarmupSteps }: OptimizerOptions,
  regularization: readonly RegularizerConfig[],
): Optimizer {
  if (optimizer === "adamw") return new AdamW(groups);
  const shrinking = regularization.find(({ type }) => type === "proximal_l1");
  if (shrinking) {
    throw new UserError(
      `Cannot train with optimizer schedule_free: regulariser "${shrinking.name}" is of type proximal_l1, ` +
        "which goes by AdamW's step sizes",
      { hint: "Use optimizer adamw, or a regulariser of type l1." },
    );
  }
  return new ScheduleFreeAdamW(groups, { warmupSteps: optimizerWarmupSteps });
}

/**
 * Checks an optimiser's settings.
 *
 * @throws UserError that names the setting, what was found and what is allowed
 */
export function checkOptimizer(
  { optimizer, optimizerWarmupSteps: steps }: OptimizerOptions,
  lrScheduler: ScheduleKind,
): void {
  if (!OPTIMIZERS.includes(optimizer)) {
    throw new UserError(`Cannot train: optimizer is ${optimizer}, expected ${OPTIMIZERS.join(", ")}`);
  }
  if (!(Number.isInteger(steps) && steps >= 0)) {
    throw new UserError(`Cannot train: optimizerWarmupSteps is ${steps}, expected a whole number from 0`);
  }
  if (optimizer === "schedule_free" && lrScheduler !== "none") {
    throw new UserError(`Cannot train with optimizer schedule_free and lrScheduler ${lrScheduler}`, {
      hint: "The one takes the place of the other: leave out --lr-scheduler; --optimizer-warmup-steps raises the rate slowly.",
    });
  }
  if (optimizer === "adamw" && steps > 0) {
    throw new UserError(`Cannot train: optimizerWarmupSteps is ${steps}, but optimizer adamw has no warm-up`, {
      hint: "Use --lr-scheduler cosine_warmup, or --optimizer schedule_free.",
    });
  }
}

const LOGGED_AS: Record<OptimizerKind, string> = { adamw: "AdamW", schedule_free: "AdamWScheduleFree" };

/** Names under which trackers know the groups' rates: `lr-AdamW`, or `lr-AdamW/pg1`, `lr-AdamW/pg2`, ... for several. */
export function rateKeys({ groups }: Optimizer, kind: OptimizerKind): string[] {
  const key = `lr-${LOGGED_AS[kind]}`;
  return groups.length === 1 ? [key] : groups.map((_, i) => `${key}/pg${i + 1}`);
}
