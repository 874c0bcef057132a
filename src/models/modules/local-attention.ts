/**
 * @file Local attention `locatt`: every value is gated by its neighbouring channels and by its neighbouring pixels (model
 * specification, section 10). It changes no size.
 */

import { Module, ops, type Tensor } from "../../torch/index.ts";
import { type BuildContext, fanInOf, Layer, uniformFanIn } from "./layer.ts";

export interface LocalAttentionOptions {
  type: "locatt";
  /** Channels that arrive here, a multiple of the window. */
  channels: number;
  /** Odd number of consecutive channels that gate each other. */
  channelWindow: number;
  /** Odd size of the spatial kernels. */
  spatialKernel: number;
  /**
   * `reference` reads the memory of `[batch, channels, T, H, W]` as if frames came before channels, which mixes both
   * unless there is a single frame; `per_frame` filters every channel of every frame.
   */
  layout: "reference" | "per_frame";
}

/** `x * sigmoid(channels) * sigmoid(pixels)`, `[batch, channels, T, H, W]` to the same. */
export class LocalAttention extends Layer {
  readonly #options: LocalAttentionOptions;
  readonly #channels: Weights;
  readonly #pixels: Weights;

  constructor(options: LocalAttentionOptions, context: BuildContext) {
    super();
    const { channels, channelWindow, spatialKernel } = options;
    this.#options = options;
    this.#channels = this.child("chan_conv1d", new Weights([channels, channelWindow, channelWindow], context));
    this.#pixels = this.child("spatial_conv2d", new Weights([channels, 1, spatialKernel, spatialKernel], context));
  }

  override forward(x: Tensor): Tensor {
    return x.mul(this.#channelGate(x).sigmoid()).mul(this.#pixelGate(x).sigmoid());
  }

  /** A linear map within each group of channels. The reference's convolution has one sample, so its middle tap is all. */
  #channelGate(x: Tensor): Tensor {
    const { channels, channelWindow } = this.#options;
    const { weight, bias } = this.#channels;
    const kernel = weight.select(2, Math.floor(channelWindow / 2)).view([channels, channelWindow, 1, 1, 1]);
    return ops.conv3d(x, kernel, bias, 1, 0, 1, channels / channelWindow);
  }

  #pixelGate(x: Tensor): Tensor {
    const { channels, spatialKernel, layout } = this.#options;
    const [batch, , frames, height, width] = x.shape as [number, number, number, number, number];
    const framesFirst = layout === "per_frame" ? x.transpose(1, 2) : x.contiguous();
    const planes = framesFirst.reshape([batch * frames, channels, height, width]);
    const { weight, bias } = this.#pixels;
    const gates = ops
      .conv2d(planes, weight, bias, 1, Math.floor(spatialKernel / 2), 1, channels)
      .view([batch, frames, channels, height, width]);
    return gates.transpose(1, 2);
  }
}

/** Weight and bias under PyTorch's names. */
class Weights extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(shape: readonly number[], context: BuildContext) {
    super();
    this.weight = this.parameter("weight", uniformFanIn(shape, fanInOf(shape), context));
    this.bias = this.parameter("bias", uniformFanIn([shape[0]!], fanInOf(shape), context));
  }
}
