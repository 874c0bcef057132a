/**
 * @file Readouts: from shared features to the units of one session (model specification, section 14).
 */

import { arange, full, Module, ops, randn, type Tensor, zeros } from "../../torch/index.ts";
import { type BuildContext, uniformFanIn } from "./layer.ts";
import { Linear } from "./mlp.ts";

/** Features `[batch, channels, T, H, W]` (the last frame is read) or `[batch, channels, H, W]` to `[batch, nUnits]`. */
export abstract class Readout extends Module {
  readonly nUnits: number;

  constructor(nUnits: number) {
    super();
    this.nUnits = nUnits;
  }

  abstract forward(features: Tensor): Tensor;

  /** The offset added to every unit, or null when the readout has none. */
  abstract readonly bias: Tensor | null;
}

/** The frame that is read. */
function lastFrame(features: Tensor): Tensor {
  return features.ndim === 5 ? features.select(2, features.size(2) - 1) : features;
}

export interface GaussianReadoutOptions {
  channels: number;
  nUnits: number;
  bias: boolean;
  /** Initial width of the pooling fields, in feature pixels. */
  initialStd: number;
  /** Spread of the initial centres around the middle of the map, in feature pixels. */
  initialMeanScale: number;
}

/** The 1x1 convolution of the features, under the name the reference keeps it. */
class Features extends Module {
  readonly weight: Tensor;

  constructor(channels: number, nUnits: number, context: BuildContext) {
    super();
    this.weight = this.parameter("weight", uniformFanIn([nUnits, channels, 1, 1], channels, context));
  }
}

/** Narrower fields than this are computed as if they had this width, in feature pixels. */
const SMALLEST_STD = 1e-3;

/** Every unit weighs the features and pools them under a rotated Gaussian of its own. */
export class GaussianReadout extends Readout {
  readonly bias: Tensor | null;
  /** Centre `(y, x)` from the middle of the map, in feature pixels: `[nUnits, 2]`. */
  readonly mean: Tensor;
  /** Width along the two principal axes `(y, x)`, in feature pixels: `[nUnits, 2]`. */
  readonly std: Tensor;
  /** Rotation in radians: `[nUnits]`. */
  readonly theta: Tensor;
  readonly features: Features;

  constructor(options: GaussianReadoutOptions, context: BuildContext) {
    super(options.nUnits);
    const { channels, nUnits, bias, initialStd, initialMeanScale } = options;
    this.bias = bias ? this.parameter("bias", zeros([nUnits])) : null;
    this.mean = this.parameter("mean", randn([nUnits, 2], context.generator).mul_(initialMeanScale));
    this.std = this.parameter("std", full([nUnits, 2], initialStd));
    this.theta = this.parameter("theta", zeros([nUnits]));
    this.features = this.child("features", new Features(channels, nUnits, context));
  }

  /** The pooling fields of a feature map of that size, each summing to 1: `[nUnits, height, width]`. */
  gaussianMask(height: number, width: number): Tensor {
    const { mean, theta } = this;
    const std = this.std.clamp(SMALLEST_STD);
    const [dtype, device] = [mean.dtype, mean.device];
    const perUnit = (values: Tensor) => values.view([-1, 1, 1]);
    const y = arange(height, { dtype, device })
      .sub((height - 1) / 2)
      .view([1, -1, 1])
      .sub(perUnit(mean.select(1, 0)));
    const x = arange(width, { dtype, device })
      .sub((width - 1) / 2)
      .view([1, 1, -1])
      .sub(perUnit(mean.select(1, 1)));
    const [cos, sin] = [perUnit(theta.cos()), perUnit(theta.sin())];
    const a = y
      .mul(cos)
      .add(x.mul(sin))
      .div(perUnit(std.select(1, 0)));
    const b = x
      .mul(cos)
      .sub(y.mul(sin))
      .div(perUnit(std.select(1, 1)));
    const e = a.square().add(b.square()).mul(-0.5).exp();
    return e.div(e.sum([1, 2], true).add(1e-8));
  }

  override forward(features: Tensor): Tensor {
    const frame = lastFrame(features);
    const maps = ops.conv2d(frame, this.features.weight);
    const pooled = maps.mul(this.gaussianMask(frame.size(2), frame.size(3))).sum([2, 3]);
    return this.bias ? pooled.add(this.bias) : pooled;
  }
}

export interface LinearReadoutOptions {
  channels: number;
  nUnits: number;
  bias: boolean;
}

/** Mean over the map, then a linear map. `bias` and `fc.bias` are one tensor under two names. */
export class LinearReadout extends Readout {
  readonly bias: Tensor | null;
  readonly #map: Linear;

  constructor({ channels, nUnits, bias }: LinearReadoutOptions, context: BuildContext) {
    super(nUnits);
    this.bias = bias ? this.parameter("bias", uniformFanIn([nUnits], channels, context)) : null;
    this.#map = this.child("fc", new Linear(channels, nUnits, false, context));
    if (this.bias) this.alias("fc.bias", this.bias);
  }

  override forward(features: Tensor): Tensor {
    return ops.linear(lastFrame(features).mean([2, 3]), this.#map.weight, this.bias);
  }
}
