/**
 * @file What optimisers share; AdamW (Loshchilov & Hutter 2019) with libtorch's fused kernel where it exists; and gradient
 * clipping.
 *
 * Follows spec/training.md section 10.2: a parameter without a gradient is skipped completely (no decay, no moments, no
 * step count), so sessions absent from a batch keep their readouts.
 */

import { gradsOf, noGrad } from "./autograd.ts";
import type { NamedTensor } from "./module.ts";
import { hasOperator, ops } from "./ops.ts";
import { scope } from "./scope.ts";
import { full, ones, stack, type Tensor, zeros } from "./tensor.ts";

/** Parameters that share their hyper-parameters. */
export interface ParameterGroup {
  name: string;
  parameters: NamedTensor[];
  lr: number;
  /** `lr` where the parameters are, a float32 scalar, since the first {@link Optimizer.sendRates}. */
  rate?: Tensor;
  weightDecay: number;
}

/** Updates parameters by their gradients. */
export interface Optimizer {
  readonly groups: ParameterGroup[];
  /** Whether `step` can be told on the device to change nothing. */
  readonly skipsOnDevice: boolean;
  /** Whether a `step` with `skip` takes from the host only what never changes, so that it can be recorded and done again. */
  readonly isRecordable: boolean;
  /** What is known of parameters that have had a gradient, by name. */
  readonly state: ReadonlyMap<string, object>;

  /** All parameters of all groups. */
  parameters(): Tensor[];

  /**
   * One update of every parameter that has a gradient.
   *
   * @param skip a float32 scalar on the parameters' device, 1 to change nothing and 0 to go ahead, so that the host does not
   *   wait for the decision; only where `skipsOnDevice`
   */
  step(skip?: Tensor): void;

  /** Sends the groups' rates to the device, for the next `step` with `skip`. */
  sendRates(): void;

  /**
   * Gives the parameters the values that gradients are taken at (`train`, as at first), or those to predict with and to keep
   * (`eval`). They differ for schedule-free optimisers alone. Steps are taken in `train` mode.
   */
  setMode(mode: OptimizerMode): void;

  /** Applies `body`, which changes values in place, to a parameter and to all that its next values are made from. */
  project(parameter: NamedTensor, body: (values: Tensor) => void): void;

  /** By how much the last update moved each element, relative to its smoothed gradient; undefined before the first one. */
  stepSize(parameter: NamedTensor): Tensor | undefined;

  /** What the next updates depend on beside gradients and the parameters in `eval` mode. The tensors are the live ones. */
  stateTensors(): Map<string, Tensor>;

  /** Takes over what `stateTensors` gave, with the parameters in `eval` mode, and changes to `train` mode. */
  loadStateTensors(read: ReadStateTensor): void;

  /** Frees the state. */
  dispose(): void;
}

export type OptimizerMode = "train" | "eval";

/**
 * Finds a stored tensor and moves it to a device. The caller keeps it.
 *
 * @param expected with `isNeeded`, the tensor must be there
 * @returns null when there is none
 * @throws UserError when it has another shape, or is needed and not there
 */
export type ReadStateTensor = (
  name: string,
  expected: { shape: readonly number[]; device: string; isNeeded?: boolean },
) => Tensor | null;

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

export class AdamW implements Optimizer {
  readonly groups: ParameterGroup[];
  /** By parameter name; absent until a parameter has had its first gradient. */
  readonly state = new Map<string, AdamState>();
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly skipsOnDevice = hasOperator("_fused_adamw_");
  readonly isRecordable = hasOperator("_fused_adamw_", "tensor_lr");

  constructor(groups: ParameterGroup[], { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 }: AdamWOptions = {}) {
    this.groups = groups;
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.eps = eps;
  }

  parameters(): Tensor[] {
    return parametersOf(this.groups);
  }

  step(skip?: Tensor): void {
    noGrad(() =>
      scope(() => {
        for (const group of this.groups) this.#stepGroup(group, skip);
      }),
    );
  }

  sendRates(): void {
    if (!this.isRecordable) return;
    noGrad(() => {
      for (const group of this.groups) {
        const device = group.parameters[0]?.tensor.device ?? "cpu";
        if (group.rate) group.rate.fill_(group.lr);
        else group.rate = full([], group.lr, { device }).keep();
      }
    });
  }

  #stepGroup(group: ParameterGroup, skip: Tensor | undefined): void {
    const active = withGradients(group).map(({ parameter, grad }) => ({
      parameter,
      grad,
      ...this.#stateOf(parameter),
    }));
    if (!active.length) return;
    const parameters = active.map(({ parameter }) => parameter.tensor);
    const grads = active.map((p) => p.grad);
    const m = active.map((p) => p.expAvg);
    const v = active.map((p) => p.expAvgSq);
    const steps = active.map((p) => p.step);
    if (skip) ops._foreach_add_.Tensor(steps, skip.rsub(1));
    else ops._foreach_add_.Scalar(steps, 1);
    const { lr, rate, weightDecay } = group;
    const { beta1, beta2, eps } = this;
    if (this.skipsOnDevice) {
      const named = { beta1, beta2, weight_decay: weightDecay, eps, amsgrad: false, maximize: false };
      if (skip && rate) {
        ops._fused_adamw_.tensor_lr(parameters, grads, m, v, [], steps, { lr: rate, ...named, found_inf: skip });
      } else {
        ops._fused_adamw_(parameters, grads, m, v, [], steps, { lr, ...named, ...(skip && { found_inf: skip }) });
      }
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

  /** The same values serve both purposes. */
  setMode(): void {}

  project({ tensor }: NamedTensor, body: (values: Tensor) => void): void {
    noGrad(() => body(tensor));
  }

  stepSize({ name }: NamedTensor): Tensor | undefined {
    const { beta1, beta2, eps } = this;
    const adam = this.state.get(name);
    const group = this.groups.find(({ parameters }) => parameters.some((parameter) => parameter.name === name));
    if (adam === undefined || group === undefined) return undefined;
    // On the device, so that nothing waits for the step count; in float32, as the reference does.
    const correction1 = ops.pow.Scalar(beta1, adam.step).rsub(1);
    const correction2 = ops.pow.Scalar(beta2, adam.step).rsub(1);
    const rate = group.rate ?? full([], group.lr, { device: adam.step.device });
    const size = correction2.sqrt().div(correction1).mul(rate).div(adam.expAvgSq.sqrt().add(eps));
    // All its updates so far may have been skipped.
    return ops.where.self(adam.step.eq(0), rate, size);
  }

  stateTensors(): Map<string, Tensor> {
    const tensors = new Map<string, Tensor>();
    for (const [name, { step, expAvg, expAvgSq }] of this.state) {
      tensors.set(`step.${name}`, step);
      tensors.set(`exp_avg.${name}`, expAvg);
      tensors.set(`exp_avg_sq.${name}`, expAvgSq);
    }
    return tensors;
  }

  loadStateTensors(read: ReadStateTensor): void {
    for (const { name, tensor } of this.groups.flatMap(({ parameters }) => parameters)) {
      const { shape, device } = tensor;
      const step = read(`step.${name}`, { shape: [], device });
      // Parameters that never had a gradient have no state.
      if (!step) continue;
      const [expAvg, expAvgSq] = ["exp_avg", "exp_avg_sq"].map((kind) =>
        read(`${kind}.${name}`, { shape, device, isNeeded: true }),
      ) as [Tensor, Tensor];
      this.state.set(name, { step, expAvg, expAvgSq });
    }
  }

  dispose(): void {
    for (const tensor of this.stateTensors().values()) tensor.dispose();
    this.state.clear();
    for (const group of this.groups) {
      group.rate?.dispose();
      delete group.rate;
    }
  }
}

export function parametersOf(groups: readonly ParameterGroup[]): Tensor[] {
  return groups.flatMap(({ parameters }) => parameters.map(({ tensor }) => tensor));
}

/** The parameters of a group that have a gradient. */
export function withGradients({ parameters }: ParameterGroup): { parameter: NamedTensor; grad: Tensor }[] {
  const gradients = gradsOf(parameters.map(({ tensor }) => tensor));
  return parameters.flatMap((parameter, i) => (gradients[i] ? [{ parameter, grad: gradients[i] }] : []));
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
