/**
 * @file Pooling (model specification, section 10). Remainders are dropped; on the lag axis that is the oldest frame.
 */

import { ops, type Tensor } from "../../torch/index.ts";
import { type BuildContext, Layer, type Triple } from "./layer.ts";
import { LocalAttention, type LocalAttentionOptions } from "./local-attention.ts";
import { SqueezePool, type SqueezePoolOptions } from "./squeeze-pool.ts";

export type PoolOptions = SimplePoolOptions | SqueezePoolOptions | LocalAttentionOptions;

export type SimplePoolOptions =
  | { type: "max" | "avg"; kernelSize: Triple; stride: Triple; padding: Triple }
  /** `kernelSize` is the size of the output. */
  | { type: "adaptivemax" | "adaptiveavg"; kernelSize: Triple };

export function makePool(options: PoolOptions, context: BuildContext): Layer {
  switch (options.type) {
    case "aablur":
    case "se_pool":
      return new SqueezePool(options, context);
    case "locatt":
      return new LocalAttention(options, context);
    default:
      return new Pool(options);
  }
}

/** Pools `[batch, channels, T, H, W]` over its last three axes. */
export class Pool extends Layer {
  readonly options: SimplePoolOptions;

  constructor(options: SimplePoolOptions) {
    super();
    this.options = options;
  }

  override forward(x: Tensor): Tensor {
    const { options } = this;
    switch (options.type) {
      case "max":
        return ops.max_pool3d(x, options.kernelSize, options.stride, options.padding);
      case "avg":
        return ops.avg_pool3d(x, options.kernelSize, options.stride, options.padding);
      case "adaptivemax":
        return ops.adaptive_max_pool3d(x, options.kernelSize)[0];
      case "adaptiveavg":
        return ops.adaptive_avg_pool3d(x, options.kernelSize);
    }
  }
}
