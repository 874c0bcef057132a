/**
 * @file A tiny twin with its training step and a batch, for tests of steps.
 */

import { BatchLoader, type SessionBatch } from "../data/loader.ts";
import { buildModel } from "../models/build.ts";
import type { Twin } from "../models/twin.ts";
import { Generator, type Optimizer, scope } from "../torch/index.ts";
import { makeOptimizer, type OptimizerKind, parameterGroups } from "./optimizers.ts";
import { Regularizers } from "./regularizers.ts";
import { type BatchReport, TrainingStep, type TrainingStepOptions } from "./step.ts";
import { tinyModel, tinySessions } from "./tiny-run.fake.ts";

const sessions = tinySessions();
export const tinyLoader = new BatchLoader(sessions.map(({ train }) => train));
const [, second, third] = tinyLoader.offsets;

/** Two samples of the first session, two of the second, one of the third; others for other `shift`s. */
export function tinyPlan(shift: number): number[] {
  return [3, second! + 8, 40, third!, second! + 1].map((index) => index + shift);
}
export const TINY_PLAN: readonly number[] = tinyPlan(0);

export type TinyStepOptions = Partial<Omit<TrainingStepOptions, "optimizer">>;

/** Batches and updates of a tiny twin. */
export class TinyStep {
  readonly twin: Twin;
  readonly optimizer: Optimizer;
  readonly step: TrainingStep;

  constructor({
    optimizer = "adamw",
    dropout = 0,
    ...options
  }: TinyStepOptions & { optimizer?: OptimizerKind; dropout?: number } = {}) {
    const config = tinyModel({ dropout });
    const regularization = config.regularization.filter(({ type }) => optimizer === "adamw" || type !== "proximal_l1");
    this.twin = buildModel(
      config,
      sessions.map(({ session, nUnits }) => ({ name: session, nUnits })),
      { generator: new Generator(1) },
    );
    const groups = parameterGroups(this.twin.namedParameters(), {
      learningRate: 0.01,
      coreLrScale: 1,
      weightDecay: 0.1,
    });
    this.optimizer = makeOptimizer(groups, { optimizer, optimizerWarmupSteps: 0 }, regularization);
    this.step = new TrainingStep({
      twin: this.twin,
      optimizer: this.optimizer,
      regularizers: new Regularizers(regularization, this.twin.namedParameters()),
      logInput: false,
      precision: "32",
      device: "cpu",
      gradientClipVal: 1,
      accumulateGradBatches: 1,
      ...options,
    });
  }

  /** @param change what happens to the batch before */
  backward(change: (groups: SessionBatch[]) => void = () => {}, epoch = 0): BatchReport {
    return scope(() => {
      const { groups } = tinyLoader.load(TINY_PLAN);
      change(groups);
      return this.step.backward(groups, epoch);
    });
  }

  /** Copies of all parameters by name. */
  weights(): Record<string, number[]> {
    return numbersByName([...this.twin.namedParameters()].map(({ name, tensor }) => [name, tensor]));
  }

  /** Copies of all gradients by name; absent ones are null. */
  gradients(): Record<string, number[] | null> {
    return scope(() =>
      Object.fromEntries(
        [...this.twin.namedParameters()].map(({ name, tensor: { grad } }) => [
          name,
          grad && Array.from(grad.toTypedArray(), Number),
        ]),
      ),
    );
  }

  /** Copies of all that the optimiser remembers. */
  moments(): Record<string, number[]> {
    return numbersByName([...this.optimizer.stateTensors()]);
  }

  dispose(): void {
    this.optimizer.dispose();
    this.step.dispose();
    this.twin.dispose();
  }
}

function numbersByName(
  tensors: readonly (readonly [string, { toTypedArray(): ArrayLike<number | bigint> }])[],
): Record<string, number[]> {
  return Object.fromEntries(tensors.map(([name, tensor]) => [name, Array.from(tensor.toTypedArray(), Number)]));
}
