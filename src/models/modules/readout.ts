/**
 * @file Readouts: from shared features to the units of one session (model specification, section 14). Those of the
 * reference are here, others in `point-readout.ts` and `factorized-readout.ts`.
 */

import { arange, full, Module, ops, randn, type Tensor, zeros } from "../../torch/index.ts";
import { type BuildContext, uniformFanIn } from "./layer.ts";
import { Linear } from "./mlp.ts";

/**
 * Features `[batch, channels, T, H, W]` (the last frame is read) or `[batch, channels, H, W]` to `[batch, nUnits]`.
 *
 * Readouts that look at places of the map also take a shift per sample, `[batch, 2]`: by how far all units of the session
 * look to the right (x) and down (y), in half widths and half heights of the map (from the middle to the centre of the
 * outermost pixel). Others have no use for it.
 */
export abstract class Readout extends Module {
  readonly nUnits: number;

  constructor(nUnits: number) {
    super();
    this.nUnits = nUnits;
  }

  abstract forward(features: Tensor, shift?: Tensor | null): Tensor;

  /** The offset added to every unit, or null when the readout has none. */
  abstract readonly bias: Tensor | null;
}

/** The frame that is read: `[batch, channels, H, W]`. */
export function lastFrame(features: Tensor): Tensor {
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

/** How every unit weighs the features, under the name and in the shape of the reference's 1x1 convolution. */
export class Features extends Module {
  /** `[nUnits, channels, 1, 1]` */
  readonly weight: Tensor;

  constructor(channels: number, nUnits: number, context: BuildContext) {
    super();
    this.weight = this.parameter("weight", uniformFanIn([nUnits, channels, 1, 1], channels, context));
  }

  /** Features as every unit sees them, `[batch, channels, nUnits]`, to their weighted sums `[batch, nUnits]`. */
  weigh(seen: Tensor): Tensor {
    return seen.mul(this.weight.flatten(1).transpose(0, 1)).sum(1);
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

  override forward(features: Tensor, shift: Tensor | null = null): Tensor {
    const frame = lastFrame(features);
    const pooled = shift ? this.#poolShifted(frame, shift) : this.#pool(frame);
    return this.bias ? pooled.add(this.bias) : pooled;
  }

  #pool(frame: Tensor): Tensor {
    const maps = ops.conv2d(frame, this.features.weight);
    return maps.mul(this.gaussianMask(frame.size(2), frame.size(3))).sum([2, 3]);
  }

  /**
   * The same with fields that differ from sample to sample.
   *
   * Fields are the largest tensors here, `[batch, nUnits, height, width]`, so only one is kept for the gradient: the
   * exponent is written with the inverse of the covariance, whose terms but one belong to a row or a column, in place, and
   * what was pooled is normalised, not the fields.
   */
  #poolShifted(frame: Tensor, shift: Tensor): Tensor {
    const [, channels, height, width] = frame.shape as [number, number, number, number];
    const std = this.std.clamp(SMALLEST_STD);
    const [first, second] = [std.select(1, 0).pow(-2), std.select(1, 1).pow(-2)];
    const [cos, sin] = [this.theta.cos(), this.theta.sin()];
    const perUnit = (values: Tensor) => values.view([1, -1, 1]);
    const yy = perUnit(first.mul(cos.square()).add(second.mul(sin.square())));
    const xx = perUnit(first.mul(sin.square()).add(second.mul(cos.square())));
    const xy = perUnit(first.sub(second).mul(cos.mul(sin)));

    /** Distances of an axis' pixels from the shifted centres: `[batch, nUnits, length]`. */
    const distances = (length: number, centre: Tensor, by: Tensor) =>
      arange(length, { dtype: std.dtype, device: std.device })
        .sub((length - 1) / 2)
        .view([1, 1, -1])
        .sub(perUnit(centre).add(by.mul((length - 1) / 2).view([-1, 1, 1])));
    const y = distances(height, this.mean.select(1, 0), shift.select(1, 1));
    const x = distances(width, this.mean.select(1, 1), shift.select(1, 0));
    const rows = y.square().mul(yy).mul(-0.5).unsqueeze(3);
    const columns = x.square().mul(xx).mul(-0.5).unsqueeze(2);
    const exponent = ops.addcmul_(rows.add(columns), y.mul(xy).unsqueeze(3), x.unsqueeze(2), { value: -1 });
    const fields = ops.exp_(exponent).flatten(2); // [batch, nUnits, pixels]

    const seen = ops.bmm(frame.reshape([-1, channels, height * width]), fields.transpose(1, 2));
    return this.features.weigh(seen).div(fields.sum(2).add(1e-8));
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
