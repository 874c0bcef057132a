/**
 * @file Linear maps whose weight is divided by its largest singular value (model specification, section 12.1).
 */

import { type Generator, ops, randn, type Tensor, withoutAutocast } from "../../torch/index.ts";
import { type BuildContext, Layer, uniformFanIn } from "./layer.ts";

/** Shorter vectors than this are not stretched to length 1. */
const EPS = 1e-12;

export interface SpectralNormOptions {
  /**
   * Power iterations before the first use. Without any, the singular value that an untrained map divides by is that of two
   * random directions: any number, also a negative or a tiny one.
   */
  preIterations: number;
}

/**
 * `[batch, in]` to `[batch, out]`: `x W^T / s + b` with `s = u^T W v`.
 *
 * Every forward pass in training mode first moves `u` and `v` one power iteration closer to the singular vectors of `W`;
 * in evaluation mode they rest. They are part of the state, and constants to the gradient.
 */
export class SpectralLinear extends Layer {
  readonly #bias: Tensor | null;
  /** `[out, in]` */
  readonly #weight: Tensor;
  readonly #u: Tensor;
  readonly #v: Tensor;

  constructor(
    inputDim: number,
    outputDim: number,
    { bias, preIterations }: SpectralNormOptions & { bias: boolean },
    context: BuildContext,
  ) {
    super();
    const weight = uniformFanIn([outputDim, inputDim], inputDim, context);
    this.#bias = bias ? this.parameter("bias", uniformFanIn([outputDim], inputDim, context)) : null;
    this.#weight = this.parameter("weight_orig", weight);
    this.#u = this.buffer("weight_u", direction(outputDim, context.generator));
    this.#v = this.buffer("weight_v", direction(inputDim, context.generator));
    for (let i = 0; i < preIterations; i++) this.#iterate();
  }

  override forward(x: Tensor): Tensor {
    const weight = withoutAutocast(() => {
      if (this.training) this.#iterate();
      // Copies, because the gradient needs the values of this pass when the next one has moved on.
      const [u, v] = [this.#u.clone(), this.#v.clone()];
      return this.#weight.div(ops.dot(u, ops.mv(this.#weight, v)));
    });
    return ops.linear(x, weight, this.#bias);
  }

  #iterate(): void {
    const weight = this.#weight.detach();
    this.#v.copy_(normalized(ops.mv(weight.transpose(0, 1), this.#u)));
    this.#u.copy_(normalized(ops.mv(weight, this.#v)));
  }
}

function direction(length: number, generator: Generator): Tensor {
  return normalized(randn([length], generator));
}

function normalized(vector: Tensor): Tensor {
  return vector.div(vector.norm().clamp(EPS));
}
