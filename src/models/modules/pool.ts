/**
 * @file Pooling (model specification, section 10). Remainders are dropped; on the lag axis that is the oldest frame.
 */

import { ops, type Tensor } from "../../torch/index.ts";
import { Layer, type Triple } from "./layer.ts";

export type PoolOptions =
  | { type: "max" | "avg"; kernelSize: Triple; stride: Triple; padding: Triple }
  /** `kernelSize` is the size of the output. */
  | { type: "adaptivemax" | "adaptiveavg"; kernelSize: Triple };

/** Pools `[batch, channels, T, H, W]` over its last three axes. */
export class Pool extends Layer {
  readonly options: PoolOptions;

  constructor(options: PoolOptions) {
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
