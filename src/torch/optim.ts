/**
 * @file AdamW (Loshchilov & Hutter 2019) with libtorch's fused kernel where it exists, and gradient clipping.
 *
 * Follows spec/training.md section 10.2: a parameter without a gradient is skipped completely (no decay, no moments, no
 * step count), so sessions absent from a batch keep their readouts.
 */

import { gradsOf, noGrad } from "./autograd.ts";
import type { NamedTensor } from "./module.ts";
import { hasOperator, ops } from "./ops.ts";
import { scope } from "./scope.ts";
import { ones, stack, type Tensor, zeros } from "./tensor.ts";

/** Parameters that share their hyper-parameters. */
export interface ParameterGroup {
  name: string;
  parameters: NamedTensor[];
  lr: number;
  weightDecay: number;
}

/** What AdamW remembers of one parameter. */
export interface AdamState {
  /** Number of updates of this parameter, a float32 scalar on its device. */
  step: Tensor;
  /** First moment. */
  expAvg: Tensor;
  /** Second moment. */
  expAvgSq: Tensor;
}

export interface AdamWOptions {
  beta1?: number;
  beta2?: number;
  eps?: number;
}

export class AdamW {
  readonly groups: ParameterGroup[];
  /** By parameter name; absent until a parameter has had its first gradient. */
  readonly state = new Map<string, AdamState>();
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly #fused = hasOperator("_fused_adamw_");

  constructor(groups: ParameterGroup[], { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 }: AdamWOptions = {}) {
    this.groups = groups;
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.eps = eps;
  }

  /** All parameters of all groups. */
  parameters(): Tensor[] {
    return this.groups.flatMap((group) => group.parameters.map((p) => p.tensor));
  }

  /** One update of every parameter that has a gradient. */
  step(): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) this.#stepGroup(group);
      }),
    );
  }

  #stepGroup(group: ParameterGroup): void {
    const all = group.parameters;
    const gradients = gradsOf(all.map((p) => p.tensor));
    const active = all.flatMap((p, i) =>
      gradients[i] ? [{ tensor: p.tensor, grad: gradients[i], ...this.#stateOf(p) }] : [],
    );
    if (!active.length) return;
    const parameters = active.map((p) => p.tensor);
    const grads = active.map((p) => p.grad);
    const m = active.map((p) => p.expAvg);
    const v = active.map((p) => p.expAvgSq);
    const steps = active.map((p) => p.step);
    ops._foreach_add_.Scalar(steps, 1);
    const { lr, weightDecay } = group;
    const { beta1, beta2, eps } = this;
    if (this.#fused) {
      const named = { lr, beta1, beta2, weight_decay: weightDecay, eps, amsgrad: false, maximize: false };
      ops._fused_adamw_(parameters, grads, m, v, [], steps, named);
      return;
    }
    // Libtorch before 2.4: the same update from list operators.
    if (weightDecay !== 0) ops._foreach_mul_.Scalar(parameters, 1 - lr * weightDecay);
    ops._foreach_mul_.Scalar(m, beta1);
    ops._foreach_add_.List(m, grads, { alpha: 1 - beta1 });
    ops._foreach_mul_.Scalar(v, beta2);
    ops._foreach_addcmul_.Scalar(v, grads, grads, 1 - beta2);
    const t = steps.map((step) => step.item());
    const denominators = ops._foreach_sqrt(v);
    ops._foreach_div_.ScalarList(
      denominators,
      t.map((n) => Math.sqrt(1 - beta2 ** n)),
    );
    ops._foreach_add_.Scalar(denominators, eps);
    ops._foreach_addcdiv_.ScalarList(
      parameters,
      m,
      denominators,
      t.map((n) => -lr / (1 - beta1 ** n)),
    );
  }

  #stateOf({ name, tensor }: NamedTensor): AdamState {
    let state = this.state.get(name);
    if (!state) {
      const { device } = tensor;
      state = {
        step: zeros([], { device }).keep(),
        expAvg: ops.zeros_like(tensor).keep(),
        expAvgSq: ops.zeros_like(tensor).keep(),
      };
      this.state.set(name, state);
    }
    return state;
  }
}

/**
 * The Euclidean norm over all gradients present, and a factor `min(1, maxNorm / (norm + 1e-6))` applied to each of them
 * (spec/training.md section 12). `maxNorm` <= 0 only measures.
 *
 * @returns the norm before clipping as a float32 scalar tensor; nothing waits for the device
 */
export function clipGradNorm(parameters: readonly Tensor[], maxNorm: number): Tensor {
  return noGrad(() =>
    scope(() => {
      const grads = gradsOf(parameters).filter((g) => g !== null);
      if (!grads.length) return zeros([], { device: parameters[0]?.device ?? "cpu" });
      const norm = stack(ops._foreach_norm.Scalar(grads)).norm();
      if (maxNorm > 0) {
        const factor = ones([], { device: norm.device }).mul(maxNorm).div(norm.add(1e-6)).clamp(null, 1);
        for (const grad of grads) grad.mul_(factor);
      }
      return norm;
    }),
  );
}
