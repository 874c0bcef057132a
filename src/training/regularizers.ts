/**
 * @file Regularisers: penalties in the loss, and projections after the optimiser's step (training specification,
 * section 14, with its fix T-05).
 */

import type { RegularizerConfig, ScheduleConfig } from "../config/model.ts";
import { type NamedTensor, noGrad, type Optimizer, ops, scope, type Tensor } from "../torch/index.ts";

/**
 * Whether a pattern selects a parameter: every piece between slashes occurs somewhere in its name. Pieces match anywhere,
 * so `readouts.1` also finds `readouts.10`.
 */
export function matchesPattern(pattern: string, parameterName: string): boolean {
  return pattern.split("/").every((piece) => parameterName.includes(piece));
}

/** The strength that is in force in an epoch (from 0). */
export function effectiveLambda(lambda: number, schedule: ScheduleConfig, epoch: number): number {
  const { kind, start_epoch: start, end_epoch: end, start_lambda: startLambda = lambda } = schedule;
  switch (kind) {
    case "constant":
      return lambda;
    case "warmup":
      return epoch >= start && epoch <= (end ?? epoch) ? lambda : 0;
    case "linear_ramp": {
      const last = end ?? start;
      if (epoch < start || epoch > last) return 0;
      return last > start ? (lambda * (epoch - start)) / (last - start) : lambda;
    }
    case "linear_decay": {
      if (epoch < start) return 0;
      if (end === undefined || end <= start || epoch >= end) return lambda;
      return startLambda + ((lambda - startLambda) * (epoch - start)) / (end - start);
    }
  }
}

type Kind = RegularizerConfig["type"];

/** Penalty of the matched tensors for a strength of 1, a scalar with gradients. */
const PENALTIES: Partial<Record<Kind, (tensors: readonly Tensor[]) => Tensor>> = {
  l1: (tensors) => total(tensors, (t) => t.abs().sum()),
  l2: (tensors) => total(tensors, (t) => t.square().sum()),
  // A group is a whole parameter, not a unit.
  group_lasso: (tensors) => total(tensors, (t) => t.norm()),
  ortho: (tensors) => total(tensors, orthogonality),
};

function total(tensors: readonly Tensor[], penalty: (tensor: Tensor) => Tensor): Tensor {
  return tensors.map(penalty).reduce((sum, term) => sum.add(term));
}

/** Squared distance of the rows' Gram matrix from the identity, rows scaled to length 1. */
function orthogonality(tensor: Tensor): Tensor {
  const rows = tensor.reshape([tensor.size(0), -1]); // [rows, rest]
  const unit = rows.div(rows.norm(1, true).clamp(1e-12));
  const gram = unit.matmul(unit.transpose(0, 1)); // [rows, rows]
  return gram
    .sub(ops.eye(tensor.size(0), { dtype: gram.dtype, device: gram.device }))
    .square()
    .sum();
}

/** What a projection needs to know of the optimiser. */
export type ProjectionOptimizer = Pick<Optimizer, "groups" | "project" | "stepSize">;

/** A regulariser of the configuration with the parameters it applies to. */
interface Bound {
  config: RegularizerConfig;
  matched: NamedTensor[];
}

/** A penalty in force. */
export interface Penalty {
  /** The regulariser's name, for logs. */
  name: string;
  /** Strength times penalty, a float32 scalar with gradients. */
  value: Tensor;
}

export interface RegularizersOptions {
  /** Length of the run, for warnings about schedules that end before it. */
  maxEpochs?: number;
  /**
   * How often a step projects. `once`: as it should be. `groups`: once per parameter group, the reference's behaviour, with
   * which proximal L1 shrinks up to four times too much.
   */
  proximalPasses?: "once" | "groups";
}

/** All regularisers of a model. */
export class Regularizers {
  /** Parameters that a penalty keeps small, which weight decay leaves alone. */
  readonly excludedFromDecay: ReadonlySet<string>;
  /** Settings that are allowed but seldom meant, one sentence each. */
  readonly warnings: readonly string[];
  private readonly penalising: Bound[] = [];
  private readonly projecting: Bound[] = [];
  private readonly proximalPasses: "once" | "groups";

  /** @param parameters candidates in module order */
  constructor(
    configs: readonly RegularizerConfig[],
    parameters: Iterable<NamedTensor>,
    { maxEpochs, proximalPasses = "once" }: RegularizersOptions = {},
  ) {
    const candidates = [...parameters];
    const excluded = new Set<string>();
    const warnings: string[] = [];
    for (const config of configs) {
      const matched = candidates.filter(({ name }) => config.apply_to.some((pattern) => matchesPattern(pattern, name)));
      warnings.push(...warningsFor(config, matched, maxEpochs));
      if (config.type === "l2" || config.type === "group_lasso") for (const { name } of matched) excluded.add(name);
      if (matched.length > 0) (config.type in PENALTIES ? this.penalising : this.projecting).push({ config, matched });
    }
    this.excludedFromDecay = excluded;
    this.warnings = warnings;
    this.proximalPasses = proximalPasses;
  }

  /** Of all regularisers in `epoch`: all by which penalties and projections of one epoch differ from those of another. */
  strengths(epoch: number): number[] {
    return [...this.penalising, ...this.projecting].map(({ config }) =>
      effectiveLambda(config.lambda, config.schedule, epoch),
    );
  }

  /** Penalties whose strength is not 0 in `epoch`, in the configuration's order. */
  penalties(epoch: number): Penalty[] {
    return this.penalising.flatMap(({ config, matched }) => {
      const lambda = effectiveLambda(config.lambda, config.schedule, epoch);
      if (lambda === 0) return [];
      const value = PENALTIES[config.type]!(matched.map(({ tensor }) => tensor));
      return [{ name: config.name, value: value.mul(lambda) }];
    });
  }

  /**
   * Applies the proximal regularisers to the parameters. To be called right after an optimiser step.
   *
   * @param skip a float32 scalar on the device, 1 when that step was skipped there: nothing shrinks then, bounds hold anyway
   */
  project(epoch: number, optimizer: ProjectionOptimizer, skip?: Tensor): void {
    const passes = this.proximalPasses === "once" ? 1 : optimizer.groups.length;
    noGrad(() =>
      scope(() => {
        for (let pass = 0; pass < passes; pass++) {
          for (const { config, matched } of this.projecting) {
            const lambda = effectiveLambda(config.lambda, config.schedule, epoch);
            if (lambda === 0) continue;
            for (const parameter of matched) {
              const threshold = () => shrinkage(parameter, lambda, optimizer, pass, skip);
              optimizer.project(parameter, (values) => project(config.type, lambda, values, threshold));
            }
          }
        }
      }),
    );
  }
}

function project(type: Kind, lambda: number, values: Tensor, threshold: () => Tensor | number): void {
  switch (type) {
    case "proximal_l1": {
      const shrunk = values.abs().sub(threshold()).clamp(0);
      values.copy_(ops.sign(values).mul(shrunk));
      break;
    }
    case "proximal_clamp":
      values.clamp_(-lambda, lambda);
      break;
    case "proximal_clamp_positive":
      values.clamp_(0, lambda);
      break;
    case "proximal_clamp_min":
      values.clamp_(lambda);
      break;
  }
}

/** By how much proximal L1 shrinks, per element or everywhere. */
function shrinkage(
  parameter: NamedTensor,
  lambda: number,
  optimizer: ProjectionOptimizer,
  pass: number,
  skip: Tensor | undefined,
): Tensor | number {
  // Parameters that the optimiser has never updated go by the rate alone.
  const { rate, lr } = optimizer.groups[pass]!;
  const stepSize = optimizer.stepSize(parameter) ?? rate ?? lr;
  const threshold = typeof stepSize === "number" ? lambda * stepSize : stepSize.mul(lambda);
  return skip ? skip.rsub(1).mul(threshold) : threshold;
}

function warningsFor(
  { name, apply_to, schedule }: RegularizerConfig,
  matched: readonly NamedTensor[],
  maxEpochs = 0,
): string[] {
  const warnings: string[] = [];
  if (matched.length === 0) {
    warnings.push(`Regulariser "${name}" matches no parameter: apply_to is ${JSON.stringify(apply_to)}`);
  }
  const end = schedule.end_epoch ?? schedule.start_epoch;
  if (schedule.kind === "linear_ramp" && maxEpochs > end + 1) {
    warnings.push(`Regulariser "${name}" has no effect after epoch ${end}: a linear_ramp falls back to 0 at its end`);
  }
  const names = matched.map((parameter) => parameter.name);
  for (const piece of apply_to.flatMap((pattern) => pattern.split("/"))) {
    if (!/\.\d+$/.test(piece)) continue;
    const others = names.filter((other) => new RegExp(`${escapeRegExp(piece)}\\d`).test(other));
    if (others.length > 0) {
      warnings.push(`Regulariser "${name}": "${piece}" also matches ${others[0]}; write "${piece}." to end the number`);
    }
  }
  return warnings;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
