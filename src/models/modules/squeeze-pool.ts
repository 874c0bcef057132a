/**
 * @file Average pooling over space with a blur against aliasing before it and squeeze-excite after it: `aablur`, and
 * `se_pool` without the blur (model specification, section 10).
 */

import { arange, Module, ops, type Tensor, tensor } from "../../torch/index.ts";
import { type BuildContext, type Formulation, Layer, type Triple, uniformFanIn } from "./layer.ts";

export interface SqueezePoolOptions {
  /** `aablur` blurs first. */
  type: "aablur" | "se_pool";
  /** Channels that arrive here. */
  channels: number;
  /** Channels of the excitation's hidden layer. */
  squeezed: number;
  /** Weigh large values more. */
  soft: boolean;
  kernelSize: Triple;
  stride: Triple;
  padding: Triple;
}

/** 2 x 2 pixels, frame by frame. */
export const SQUEEZE_POOL_KERNEL: Triple = [1, 2, 2];

/** Values over which the weight of soft pooling grows e-fold. */
const TEMPERATURE = 10;

/** `[batch, channels, T, H, W]` to the same with fewer rows and columns. */
export class SqueezePool extends Layer {
  readonly #options: SqueezePoolOptions;
  readonly #formulation: Formulation;
  /** `[1, 1, 3, 3]` */
  readonly #blur: Tensor | null;
  readonly #excite: SqueezeExcite;

  constructor(options: SqueezePoolOptions, context: BuildContext) {
    super();
    this.#options = options;
    this.#formulation = context.formulation;
    this.#blur =
      options.type === "aablur"
        ? this.buffer("blur", tensor(Float32Array.of(1, 2, 1, 2, 4, 2, 1, 2, 1), [1, 1, 3, 3]).div(16))
        : null;
    this.#excite = this.child("se", new SqueezeExcite(options.channels, options.squeezed, context));
  }

  override forward(x: Tensor): Tensor {
    const { soft } = this.#options;
    const blurred = this.#blur ? this.#blurred(x, this.#blur) : x;
    return this.#excite.forward(soft ? this.#softPool(blurred) : this.#average(blurred));
  }

  #average(x: Tensor): Tensor {
    const { kernelSize, stride, padding } = this.#options;
    return ops.avg_pool3d(x, kernelSize, stride, padding);
  }

  #softPool(x: Tensor): Tensor {
    const weights = x.div(TEMPERATURE).exp();
    return this.#average(x.mul(weights)).div(this.#average(weights).add(1e-6));
  }

  /** With zeros around the frame. */
  #blurred(x: Tensor, blur: Tensor): Tensor {
    const [height, width] = x.shape.slice(-2) as [number, number];
    if (this.#formulation === "reference") {
      return ops.conv2d(x.reshape([-1, 1, height, width]), blur, null, 1, 1).view(x.shape);
    }
    // The kernel is a product of two, each a band matrix: products are much faster than convolutions of single planes.
    const kernel = blur.view([3, 3]);
    const columns = x.reshape([-1, width]).matmul(bandMatrix(kernel.sum([0]), width).transpose(0, 1));
    const planes = columns.view([-1, height, width]);
    const rows = bandMatrix(kernel.sum([1]), height)
      .unsqueeze(0)
      .expand([planes.size(0), height, height]);
    return ops.bmm(rows, planes).view(x.shape);
  }
}

/** The matrix `[length, length]` that correlates an axis with three taps `[3]`. */
function bandMatrix(taps: Tensor, length: number): Tensor {
  const { dtype, device } = taps;
  const position = arange(length, { dtype, device });
  const offset = position.view([1, -1]).sub(position.view([-1, 1]));
  const band = [-1, 0, 1].map((at, i) => offset.eq(at).mul(taps.select(0, i)));
  return band.reduce((sum, diagonal) => sum.add(diagonal));
}

/** Scales every channel of every frame by what all channels are on average there. */
class SqueezeExcite extends Module {
  readonly #squeeze: Pointwise;
  readonly #excite: Pointwise;

  constructor(channels: number, squeezed: number, context: BuildContext) {
    super();
    this.#squeeze = this.child("1", new Pointwise(channels, squeezed, context));
    this.#excite = this.child("3", new Pointwise(squeezed, channels, context));
  }

  forward(x: Tensor): Tensor {
    const means = x.mean([3, 4]).transpose(1, 2);
    const scales = this.#excite.forward(ops.silu(this.#squeeze.forward(means))).sigmoid();
    return x.mul(scales.transpose(1, 2).unsqueeze(3).unsqueeze(4));
  }
}

/** A linear map of channels, kept as a 1x1x1 convolution: `[..., from]` to `[..., to]`. */
class Pointwise extends Module {
  readonly #weight: Tensor;
  readonly #bias: Tensor;

  constructor(from: number, to: number, context: BuildContext) {
    super();
    this.#weight = this.parameter("weight", uniformFanIn([to, from, 1, 1, 1], from, context));
    this.#bias = this.parameter("bias", uniformFanIn([to], from, context));
  }

  forward(x: Tensor): Tensor {
    return ops.linear(x, this.#weight.view([-1, this.#weight.size(1)]), this.#bias);
  }
}
