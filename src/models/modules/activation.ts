/**
 * @file Activations (model specification, section 9).
 */

import { cat, full, ones, ops, type Tensor } from "../../torch/index.ts";
import { type BuildContext, Identity, Layer } from "./layer.ts";

export type ActivationType =
  | "none"
  | "relu"
  | "leakyrelu"
  | "elu"
  | "prelu"
  | "gelu"
  | "sigmoid"
  | "tanh"
  | "silu"
  | "mish"
  | "softplus"
  | "bsoftplus"
  | "splitrelu"
  | "square";

export interface ActivationOptions {
  type: ActivationType;
  /** leakyrelu */
  negativeSlope?: number;
  /** gelu: the exact form or its tanh approximation. */
  approximate?: "none" | "tanh";
  /** splitrelu: the axis that doubles. */
  splitDim?: number;
  /** splitrelu: learn the gain of the positive half. */
  trainableGain?: boolean;
  /** bsoftplus: sharpness at the start, and its bounds. */
  betaInit?: number;
  betaMin?: number;
  betaMax?: number;
}

/** The activation layer. */
export function makeActivation(options: ActivationOptions, { formulation }: BuildContext): Layer {
  const { type, negativeSlope = 0.01, approximate = "none" } = options;
  switch (type) {
    case "none":
      return new Identity();
    case "splitrelu":
      return new SplitRelu(options, formulation === "fast");
    case "bsoftplus":
      return new BoundedSoftplus(options);
    case "prelu":
      return new Prelu();
    case "leakyrelu":
      return new Pointwise((x) => ops.leaky_relu(x, negativeSlope));
    case "gelu":
      return new Pointwise((x) => ops.gelu(x, { approximate }));
    case "elu":
      return new Pointwise((x) => ops.elu(x));
    case "mish":
      return new Pointwise((x) => ops.mish(x));
    case "silu":
      return new Pointwise((x) => ops.silu(x));
    case "relu":
      return new Pointwise((x) => x.relu());
    case "sigmoid":
      return new Pointwise((x) => x.sigmoid());
    case "tanh":
      return new Pointwise((x) => x.tanh());
    case "softplus":
      return new Pointwise((x) => x.softplus());
    case "square":
      return new Pointwise((x) => x.square());
  }
}

/** A function of every element, without parameters. */
class Pointwise extends Layer {
  readonly #function: (x: Tensor) => Tensor;

  constructor(pointwise: (x: Tensor) => Tensor) {
    super();
    this.#function = pointwise;
  }

  override forward(x: Tensor): Tensor {
    return this.#function(x);
  }
}

/** Both signs in channels of their own: `[relu(x) * |gain|, relu(-x)]`. Doubles the channels. */
export class SplitRelu extends Layer {
  readonly #gain: Tensor;
  readonly splitDim: number;
  readonly #inPlace: boolean;

  constructor({ splitDim = 1, trainableGain = false }: Omit<ActivationOptions, "type">, inPlace: boolean) {
    super();
    this.#gain = this.parameter("ongain", ones([1]), trainableGain);
    this.splitDim = splitDim;
    this.#inPlace = inPlace;
  }

  override forward(x: Tensor): Tensor {
    return this.halves(x, x.neg());
  }

  /**
   * Max pooling after the activation, done before it: both halves never decrease, so the largest input wins either way. A
   * gain and shift per channel in front of the activation can wait for the pooling too; with a negative gain the extremes
   * change places.
   */
  pooledForward(x: Tensor, maxPool: (x: Tensor) => Tensor, affine: { gain: Tensor; shift: Tensor } | null): Tensor {
    // Pooling finds the channels of a pixel side by side much faster on a CPU.
    const pixels = x.device === "cpu" ? x.contiguous("channels_last_3d") : x;
    const high = maxPool(pixels).contiguous();
    const low = maxPool(pixels.neg()).contiguous();
    if (!affine) return this.halves(high, low);
    const { gain, shift } = affine;
    const upright = gain.detach().gt(0);
    const size = gain.abs();
    return this.halves(
      ops.where.self(upright, high, low).mul(size).add(shift),
      ops.where.self(upright, low, high).mul(size).sub(shift),
    );
  }

  private halves(on: Tensor, off: Tensor): Tensor {
    const gain = this.#gain.abs();
    // relu(x) * |gain| = relu(x * |gain|): one rectification of the joined halves, in place, keeps a third of the memory.
    if (this.#inPlace) return ops.relu_(cat([on.mul(gain), off], this.splitDim));
    return cat([on.relu().mul(gain), off.relu()], this.splitDim);
  }
}

/** `softplus(b x) / b` with a learnt sharpness `b = clamp(exp(log_beta))`. */
class BoundedSoftplus extends Layer {
  readonly #logBeta: Tensor;
  readonly #min: number;
  readonly #max: number;

  constructor({ betaInit = 1, betaMin = 0.1, betaMax = 10 }: Omit<ActivationOptions, "type">) {
    super();
    this.#logBeta = this.parameter("log_beta", full([], Math.log(betaInit)));
    this.#min = betaMin;
    this.#max = betaMax;
  }

  override forward(x: Tensor): Tensor {
    const beta = this.#logBeta.exp().clamp(this.#min, this.#max);
    return x.mul(beta).softplus().div(beta);
  }
}

/** Leaky relu with one learnt slope. */
class Prelu extends Layer {
  readonly #weight: Tensor;

  constructor() {
    super();
    this.#weight = this.parameter("weight", full([1], 0.25));
  }

  override forward(x: Tensor): Tensor {
    return ops.prelu(x, this.#weight);
  }
}
