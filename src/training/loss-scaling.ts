/**
 * @file Dynamic loss scaling for float16, whose smallest gradients would vanish (training specification, section 13).
 *
 * The loss is multiplied before the backward pass and the gradients are divided before they are used. The factor halves
 * whenever a gradient overflows, and doubles after a long time without. It stays on the device: nothing waits for it.
 */

import { full, gradsOf, noGrad, ops, type ReadStateTensor, scope, type Tensor, zeros } from "../torch/index.ts";

export interface LossScalerOptions {
  device?: string;
  initialScale?: number;
  growthFactor?: number;
  backoffFactor?: number;
  /** Updates in a row without overflow after which the factor grows. */
  growthInterval?: number;
}

export class LossScaler {
  /** The factor, a float32 scalar. */
  readonly scale: Tensor;
  /** Updates since it last changed, an int32 scalar. */
  readonly growthTracker: Tensor;
  private readonly growthFactor: number;
  private readonly backoffFactor: number;
  private readonly growthInterval: number;
  /** 1 if a gradient of the present update overflowed, else 0; null before there are any. */
  private foundInf: Tensor | null = null;

  constructor(options: LossScalerOptions = {}) {
    const { device = "cpu", initialScale = 2 ** 16 } = options;
    this.scale = full([], initialScale, { device }).keep();
    this.growthTracker = zeros([], { device, dtype: "int32" }).keep();
    this.growthFactor = options.growthFactor ?? 2;
    this.backoffFactor = options.backoffFactor ?? 0.5;
    this.growthInterval = options.growthInterval ?? 2000;
  }

  /** A loss to differentiate in place of this one. */
  scaled(loss: Tensor): Tensor {
    return loss.mul(this.scale);
  }

  /** Divides all gradients present by the factor, and remembers whether one is not finite. Once per update. */
  unscale(parameters: readonly Tensor[]): void {
    noGrad(() =>
      scope(() => {
        const grads = gradsOf(parameters).filter((grad) => grad !== null);
        if (grads.length === 0) return;
        this.foundInf = zeros([], { device: this.scale.device }).keep();
        const inverse = ops.reciprocal(this.scale.double()).float();
        ops._amp_foreach_non_finite_check_and_unscale_(grads, this.foundInf, inverse);
      }),
    );
  }

  /** Adapts the factor, after an update that was made or left out. Nothing changes when there was no gradient. */
  update(): void {
    const { foundInf } = this;
    if (foundInf === null) return;
    const { growthFactor, backoffFactor, growthInterval } = this;
    noGrad(() =>
      ops._amp_update_scale_(this.scale, this.growthTracker, foundInf, growthFactor, backoffFactor, growthInterval),
    );
    foundInf.dispose();
    this.foundInf = null;
  }

  /** Forgets an update that was begun and failed. */
  abandon(): void {
    this.foundInf?.dispose();
    this.foundInf = null;
  }

  /** For checkpoints; the live tensors. */
  stateTensors(): Map<string, Tensor> {
    return new Map([
      ["loss_scale", this.scale],
      ["loss_scale_growth", this.growthTracker],
    ]);
  }

  /** Takes over what {@link stateTensors} gave; stays as it is where nothing is stored. */
  loadStateTensors(read: ReadStateTensor): void {
    for (const [name, own] of this.stateTensors()) {
      const stored = read(name, own);
      if (!stored) continue;
      own.copy_(stored);
      stored.dispose();
    }
  }

  dispose(): void {
    for (const tensor of [this.scale, this.growthTracker, this.foundInf]) tensor?.dispose();
  }
}
