/**
 * @file Schedule-free AdamW (Defazio et al. 2024), spec/training.md section 10.3: no decaying rate, but a running mean of the
 * iterates, which is what predicts.
 *
 * Three versions of every parameter: z, which gradients move; x, the mean of the z so far, to predict with; and
 * y = beta1 x + (1 - beta1) z, where gradients are taken. The parameters hold y, in `eval` mode x.
 */

import { noGrad } from "./autograd.ts";
import type { NamedTensor } from "./module.ts";
import { ops } from "./ops.ts";
import {
  type Optimizer,
  type OptimizerMode,
  type ParameterGroup,
  parametersOf,
  type ReadStateTensor,
  withGradients,
} from "./optim.ts";
import { scope } from "./scope.ts";
import { type Tensor, tensor } from "./tensor.ts";

export interface ScheduleFreeOptions {
  beta1?: number;
  beta2?: number;
  eps?: number;
  /** Steps over which the rate rises from 0. */
  warmupSteps?: number;
}

interface State {
  /** z */
  iterate: Tensor;
  /** Second moment of the gradients at y. */
  expAvgSq: Tensor;
  /** y, while the parameter holds x. */
  y?: Tensor;
}

/** What a parameter group counts. */
interface Progress {
  steps: number;
  /** Largest rate so far. */
  largestRate: number;
  /** Of the weights that the iterates have in their mean. */
  weightSum: number;
}

export class ScheduleFreeAdamW implements Optimizer {
  readonly groups: ParameterGroup[];
  readonly skipsOnDevice = false;
  readonly isRecordable = false;
  /** By parameter name; absent until a parameter has had its first gradient. */
  readonly state = new Map<string, State>();
  /** Of each group. */
  readonly progress: Progress[];
  readonly #beta1: number;
  readonly #beta2: number;
  readonly #eps: number;
  readonly #warmupSteps: number;
  #mode: OptimizerMode = "train";

  constructor(
    groups: ParameterGroup[],
    { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, warmupSteps = 0 }: ScheduleFreeOptions = {},
  ) {
    this.groups = groups;
    this.progress = groups.map(() => ({ steps: 0, largestRate: 0, weightSum: 0 }));
    this.#beta1 = beta1;
    this.#beta2 = beta2;
    this.#eps = eps;
    this.#warmupSteps = warmupSteps;
  }

  parameters(): Tensor[] {
    return parametersOf(this.groups);
  }

  /** @throws RangeError in `eval` mode */
  step(): void {
    if (this.#mode === "eval") throw new RangeError("Cannot take a step: the parameters hold their means");
    noGrad(() =>
      scope(() => {
        for (const [i, group] of this.groups.entries()) this.#stepGroup(group, this.progress[i]!);
      }),
    );
  }

  /** The host counts and weighs. */
  sendRates(): void {}

  #stepGroup(group: ParameterGroup, progress: Progress): void {
    const [beta1, beta2] = [this.#beta1, this.#beta2];
    const steps = ++progress.steps;
    const rate = group.lr * Math.min(1, this.#warmupSteps > 0 ? steps / this.#warmupSteps : 1);
    progress.largestRate = Math.max(progress.largestRate, rate);
    const weight = progress.largestRate ** 2;
    progress.weightSum += weight;
    const share = progress.weightSum > 0 ? weight / progress.weightSum : 0;

    const active = withGradients(group).map(({ parameter, grad }) => ({
      parameter,
      grad,
      ...this.#stateOf(parameter),
    }));
    if (!active.length) return;
    const y = active.map(({ parameter }) => parameter.tensor);
    const z = active.map(({ iterate }) => iterate);
    const v = active.map(({ expAvgSq }) => expAvgSq);
    const grads = active.map(({ grad }) => grad);
    ops._foreach_mul_.Scalar(v, beta2);
    ops._foreach_addcmul_.Scalar(v, grads, grads, 1 - beta2);
    const denominators = ops._foreach_sqrt(
      ops._foreach_div.ScalarList(
        v,
        v.map(() => 1 - beta2 ** steps),
      ),
    );
    ops._foreach_add_.Scalar(denominators, this.#eps);
    const directions = ops._foreach_div.List(grads, denominators);
    if (group.weightDecay !== 0) ops._foreach_add_.List(directions, y, { alpha: group.weightDecay });
    ops._foreach_lerp_.Scalar(y, z, share);
    ops._foreach_add_.List(y, directions, { alpha: rate * (beta1 * (1 - share) - 1) });
    ops._foreach_sub_.List(z, directions, { alpha: rate });
  }

  #stateOf({ name, tensor: values }: NamedTensor): State {
    let state = this.state.get(name);
    if (!state) {
      state = { iterate: values.detach().clone().keep(), expAvgSq: ops.zeros_like(values).keep() };
      this.state.set(name, state);
    }
    return state;
  }

  setMode(mode: OptimizerMode): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    noGrad(() =>
      scope(() => {
        for (const { parameter, state } of this.#started()) {
          const { tensor: values } = parameter;
          if (mode === "eval") {
            // Kept, not computed again: going there and back must not change a bit.
            state.y = values.detach().clone().keep();
            values.copy_(this.#mean(values, state));
          } else {
            values.copy_(state.y!);
            state.y!.dispose();
            delete state.y;
          }
        }
      }),
    );
  }

  /** x */
  #mean(y: Tensor, { iterate }: State): Tensor {
    return y.add(iterate.sub(y).mul(1 - 1 / this.#beta1));
  }

  /** Changes x and z, and so y between them. */
  project({ name, tensor: y }: NamedTensor, body: (values: Tensor) => void): void {
    noGrad(() =>
      scope(() => {
        const state = this.state.get(name);
        if (!state) {
          body(y);
          return;
        }
        const x = this.#mean(y, state);
        body(x);
        body(state.iterate);
        y.copy_(x.add(state.iterate.sub(x).mul(1 - this.#beta1)));
      }),
    );
  }

  /** Nothing that shrinks a parameter could go by. */
  stepSize(): undefined {
    return undefined;
  }

  /** @throws RangeError in `train` mode */
  stateTensors(): Map<string, Tensor> {
    if (this.#mode === "train") throw new RangeError("Cannot list what belongs to the parameters' means");
    const tensors = new Map<string, Tensor>();
    for (const [i, { steps, largestRate, weightSum }] of this.progress.entries()) {
      tensors.set(`schedule_free.${i}`, tensor(Float64Array.of(steps, largestRate, weightSum), [3]));
    }
    for (const { parameter, state } of this.#started()) {
      tensors.set(`y.${parameter.name}`, state.y!);
      tensors.set(`z.${parameter.name}`, state.iterate);
      tensors.set(`exp_avg_sq.${parameter.name}`, state.expAvgSq);
    }
    return tensors;
  }

  loadStateTensors(read: ReadStateTensor): void {
    this.#mode = "eval";
    for (const [i, progress] of this.progress.entries()) {
      const stored = read(`schedule_free.${i}`, { shape: [3], device: "cpu" });
      if (!stored) continue;
      const [steps, largestRate, weightSum] = Array.from(stored.toTypedArray(), Number) as [number, number, number];
      Object.assign(progress, { steps, largestRate, weightSum });
      stored.dispose();
    }
    for (const { name, tensor: values } of this.groups.flatMap(({ parameters }) => parameters)) {
      const { shape, device } = values;
      const y = read(`y.${name}`, { shape, device });
      if (!y) continue;
      const [iterate, expAvgSq] = ["z", "exp_avg_sq"].map((kind) =>
        read(`${kind}.${name}`, { shape, device, isNeeded: true }),
      ) as [Tensor, Tensor];
      this.state.set(name, { y, iterate, expAvgSq });
    }
    this.setMode("train");
  }

  #started(): { parameter: NamedTensor; state: State }[] {
    return this.groups.flatMap(({ parameters }) =>
      parameters.flatMap((parameter) => {
        const state = this.state.get(parameter.name);
        return state ? [{ parameter, state }] : [];
      }),
    );
  }

  dispose(): void {
    for (const { y, iterate, expAvgSq } of this.state.values()) for (const t of [y, iterate, expAvgSq]) t?.dispose();
    this.state.clear();
  }
}
