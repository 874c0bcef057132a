/**
 * @file The factorised readout of Klindt et al. (2017, "Neural system identification for large populations separating 'what'
 * and 'where'"): every unit has a mask over the map, of any form, and a weight per feature.
 */

import { UserError } from "../../errors.ts";
import { full, ops, randn, type Tensor, zeros } from "../../torch/index.ts";
import type { BuildContext } from "./layer.ts";
import { Features, lastFrame, Readout } from "./readout.ts";

export interface FactorizedReadoutOptions {
  channels: number;
  nUnits: number;
  bias: boolean;
  /** Rows and columns of the feature map. */
  height: number;
  width: number;
  /** Uses the masks' absolute values. */
  nonNegative: boolean;
  /** Divides every mask by the sum of its absolute values. */
  normalize: boolean;
  /** Initial masks: one value everywhere, a Gaussian in the middle, or normal draws. */
  init: "flat" | "gaussian" | "random";
  /** gaussian: width of the initial masks, in feature pixels. */
  initialStd: number;
}

/** Every unit weighs places and features, independently of each other. */
export class FactorizedReadout extends Readout {
  readonly bias: Tensor | null;
  /** `[nUnits, height, width]` */
  readonly spatial: Tensor;
  readonly features: Features;
  readonly #nonNegative: boolean;
  readonly #normalize: boolean;

  constructor(options: FactorizedReadoutOptions, context: BuildContext) {
    super(options.nUnits);
    const { channels, nUnits, bias, nonNegative, normalize } = options;
    this.#nonNegative = nonNegative;
    this.#normalize = normalize;
    this.bias = bias ? this.parameter("bias", zeros([nUnits])) : null;
    this.spatial = this.parameter("spatial", initialMasks(options, context));
    this.features = this.child("features", new Features(channels, nUnits, context));
  }

  /** The masks as they are used: `[nUnits, height, width]`. */
  masks(): Tensor {
    const { spatial } = this;
    if (!this.#nonNegative && !this.#normalize) return spatial;
    const size = spatial.abs();
    const masks = this.#nonNegative ? size : spatial;
    return this.#normalize ? masks.div(size.sum([1, 2], true).add(1e-8)) : masks;
  }

  /** @throws UserError for features of another size than the masks */
  override forward(features: Tensor): Tensor {
    const frame = lastFrame(features);
    const [batch, channels, height, width] = frame.shape as [number, number, number, number];
    if (height !== this.spatial.size(1) || width !== this.spatial.size(2)) {
      throw new UserError(
        `Cannot read the features: they have ${height} x ${width} pixels, the factorized readout's masks ` +
          `${this.spatial.size(1)} x ${this.spatial.size(2)}`,
        { hint: "Give every session stimuli of the size the model was built for, or an adapter." },
      );
    }
    const places = this.masks().flatten(1).transpose(0, 1);
    const seen = ops.mm(frame.reshape([batch * channels, height * width]), places).view([batch, channels, this.nUnits]);
    const weighed = this.features.weigh(seen);
    return this.bias ? weighed.add(this.bias) : weighed;
  }
}

/** Masks whose absolute values sum to about 1. */
function initialMasks(
  { nUnits, height, width, init, initialStd }: FactorizedReadoutOptions,
  context: BuildContext,
): Tensor {
  const shape = [nUnits, height, width];
  switch (init) {
    case "flat":
      return full(shape, 1 / (height * width));
    case "random":
      return randn(shape, context.generator).div(height * width);
    case "gaussian": {
      const rows = bump(height, initialStd).view([1, -1, 1]);
      return rows
        .mul(bump(width, initialStd).view([1, 1, -1]))
        .expand(shape)
        .clone();
    }
  }
}

/** A Gaussian in the middle of an axis, with sum 1: `[length]`. */
function bump(length: number, std: number): Tensor {
  const distance = ops.arange(length, { dtype: "float32" }).sub((length - 1) / 2);
  const heights = distance.div(std).square().mul(-0.5).exp();
  return heights.div(heights.sum());
}
