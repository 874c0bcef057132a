/**
 * @file Norms of convolution blocks and perceptrons (model specification, section 8).
 */

import { ones, ops, type Tensor, tensor, zeros } from "../../torch/index.ts";
import { atLeastFloat32, type BuildContext, Identity, Layer } from "./layer.ts";

export type NormType = "none" | "rms" | "grn" | "layer" | "batch" | "instance" | "group";

export interface NormOptions {
  type: NormType;
  eps?: number;
  /** Learn gain and shift. */
  affine?: boolean;
  /** rms and layer: axes to normalise over; 1 is channels. */
  targetDims?: readonly number[];
  /** group */
  groups?: number;
}

const DEFAULT_EPS = 1e-5;

/** The norm of a stage with that many channels (or features). */
export function makeNorm(options: NormOptions, channels: number, { formulation }: BuildContext): Layer {
  switch (options.type) {
    case "none":
      return new Identity();
    case "rms":
      return new RmsNorm(channels, options);
    case "grn":
      return new GlobalResponseNorm(channels, options, formulation === "fast");
    case "layer":
      return new MomentNorm(options);
    case "batch":
      return new BatchNorm(channels, options);
    case "instance":
      return new InstanceNorm(channels, options);
    case "group":
      return new GroupNorm(channels, options);
  }
}

/** Numbers of channels along axis 1, ready to be combined with `x`. */
function perChannel(values: Tensor, x: Tensor): Tensor {
  return values.view(x.shape.map((_, axis) => (axis === 1 ? values.numel : 1)));
}

/** `x / sqrt(mean(x^2) + eps) * gamma + beta`, the mean over channels (or `targetDims`) at every pixel and frame. */
export class RmsNorm extends Layer {
  readonly #eps: number;
  readonly #dims: readonly number[];
  readonly #gamma: Tensor | null;
  readonly #beta: Tensor | null;

  constructor(channels: number, { eps = DEFAULT_EPS, affine = true, targetDims = [1] }: Omit<NormOptions, "type">) {
    super();
    this.#eps = eps;
    this.#dims = targetDims;
    this.#gamma = affine ? this.parameter("gamma", ones([channels])) : null;
    this.#beta = affine ? this.parameter("beta", zeros([channels])) : null;
  }

  override forward(input: Tensor): Tensor {
    const x = atLeastFloat32(input);
    let y = x.mul(x.square().mean(this.#dims, true).add(this.#eps).rsqrt());
    if (this.#gamma && this.#beta) y = y.mul(perChannel(this.#gamma, x)).add(perChannel(this.#beta, x));
    return y.to({ dtype: input.dtype });
  }
}

/**
 * Global response norm. With `g` the Euclidean norm of every channel over all frames and pixels and `n = g / (mean of g
 * over channels + eps)`: `gamma * x * n + beta + x`. Sees all frames at once, so it is not causal.
 */
export class GlobalResponseNorm extends Layer {
  readonly #eps: number;
  readonly #merged: boolean;
  readonly #gamma: Tensor;
  readonly #beta: Tensor;

  constructor(channels: number, { eps = DEFAULT_EPS }: Omit<NormOptions, "type">, merged: boolean) {
    super();
    this.#eps = eps;
    this.#merged = merged;
    this.#gamma = this.parameter("gamma", ones([1, channels, 1, 1, 1]).mul_(0.1));
    this.#beta = this.parameter("beta", zeros([1, channels, 1, 1, 1]));
  }

  override forward(x: Tensor): Tensor {
    // One gain per sample and channel: the large tensor is read once instead of three times.
    if (this.#merged) return x.mul(this.gain(x)).add_(this.#beta);
    const n = this.#response(channelNorm(x));
    return x.mul(n).mul(this.#gamma).add(this.#beta).add(x);
  }

  /** The norm is `gain(x) * x + shift`, with a gain per sample and channel: `[batch, channels, 1, 1, 1]`. */
  gain(x: Tensor): Tensor {
    return this.#response(rootOfSquares(x)).mul(this.#gamma).add(1);
  }

  /** `[1, channels, 1, 1, 1]` */
  get shift(): Tensor {
    return this.#beta;
  }

  #response(g: Tensor): Tensor {
    return g.div(g.mean(1, true).add(this.#eps));
  }
}

/** Norm of every channel over frames and pixels, accumulated in float32 or better. */
function channelNorm(x: Tensor): Tensor {
  const dtype = x.dtype === "float64" ? "float64" : "float32";
  return ops.linalg_vector_norm(x, 2, [2, 3, 4], true, { dtype });
}

/**
 * The same in steps whose gradient is three times cheaper. The floor keeps the gradient of an all-zero channel (a blank
 * stimulus) at 0, where the root's would be infinite.
 */
function rootOfSquares(x: Tensor): Tensor {
  return atLeastFloat32(x).square().sum([2, 3, 4], true).clamp(1e-30).sqrt();
}

/** `(x - mean) / sqrt(variance + eps)` over channels (or `targetDims`), without gain and shift. */
class MomentNorm extends Layer {
  readonly #eps: number;
  readonly #dims: readonly number[];

  constructor({ eps = DEFAULT_EPS, targetDims = [1] }: Omit<NormOptions, "type">) {
    super();
    this.#eps = eps;
    this.#dims = targetDims;
  }

  override forward(input: Tensor): Tensor {
    const x = atLeastFloat32(input);
    const mean = x.mean(this.#dims, true);
    // The difference of moments can come out slightly negative.
    const variance = x.square().mean(this.#dims, true).sub(mean.square()).clamp(0);
    return x.sub(mean).mul(variance.add(this.#eps).rsqrt()).to({ dtype: input.dtype });
  }
}

/** Gain and shift per channel, named `weight` and `bias`. */
abstract class AffineNorm extends Layer {
  protected readonly weight: Tensor | null;
  protected readonly bias: Tensor | null;
  protected readonly eps: number;

  constructor(channels: number, eps: number, affine: boolean) {
    super();
    this.eps = eps;
    this.weight = affine ? this.parameter("weight", ones([channels])) : null;
    this.bias = affine ? this.parameter("bias", zeros([channels])) : null;
  }
}

const MOMENTUM = 0.1;

/** Batch norm. In training its statistics mix the samples of a batch. */
export class BatchNorm extends AffineNorm {
  readonly #mean: Tensor;
  readonly #variance: Tensor;
  readonly #batches: Tensor;

  constructor(channels: number, { eps = DEFAULT_EPS, affine = true }: Omit<NormOptions, "type">) {
    super(channels, eps, affine);
    this.#mean = this.buffer("running_mean", zeros([channels]));
    this.#variance = this.buffer("running_var", ones([channels]));
    this.#batches = this.buffer("num_batches_tracked", tensor(0, [], { dtype: "int64" }));
  }

  override forward(x: Tensor): Tensor {
    if (this.training) this.#batches.add_(1);
    return ops.batch_norm(
      x,
      this.weight,
      this.bias,
      this.#mean,
      this.#variance,
      this.training,
      MOMENTUM,
      this.eps,
      true,
    );
  }
}

/** Instance norm over frames and pixels, without running statistics. */
class InstanceNorm extends AffineNorm {
  constructor(channels: number, { eps = DEFAULT_EPS, affine = false }: Omit<NormOptions, "type">) {
    super(channels, eps, affine);
  }

  override forward(x: Tensor): Tensor {
    return ops.instance_norm(x, this.weight, this.bias, null, null, true, MOMENTUM, this.eps, true);
  }
}

/** Group norm. A number of groups that does not divide the channels falls back to one group. */
class GroupNorm extends AffineNorm {
  readonly #groups: number;

  constructor(channels: number, { eps = DEFAULT_EPS, affine = true, groups = 1 }: Omit<NormOptions, "type">) {
    super(channels, eps, affine);
    this.#groups = channels % groups === 0 ? groups : 1;
  }

  override forward(x: Tensor): Tensor {
    return ops.group_norm(x, this.#groups, this.weight, this.bias, this.eps, true);
  }
}
