/**
 * @file Modulators: how behaviour reaches the features (model specification, section 12).
 *
 * Behaviour `[batch, behaviorDim]` is constant over the lags of a sample.
 */

import { cat, Module, type Tensor } from "../../torch/index.ts";
import type { ActivationOptions } from "./activation.ts";
import type { BuildContext } from "./layer.ts";
import { Linear, Mlp, type MlpOptions } from "./mlp.ts";

export interface ModulatorOptions {
  type: "concat" | "film";
  behaviorDim: number;
  /** Channels of the features. */
  featureDim: number;
  encoder: {
    /** Widths of the layers; empty: one layer of 64. */
    dims: readonly number[];
    activation: ActivationOptions;
    bias: boolean;
    residual: boolean;
    dropout: number;
    lastLayerActivation: boolean;
  };
}

/** Features `[batch, channels, T, H, W]` and behaviour to modulated features. */
export abstract class Modulator extends Module {
  readonly behaviorDim: number;
  abstract readonly outChannels: number;

  constructor(behaviorDim: number) {
    super();
    this.behaviorDim = behaviorDim;
  }

  abstract forward(features: Tensor, behavior: Tensor): Tensor;
}

export function makeModulator(options: ModulatorOptions, context: BuildContext): Modulator {
  return options.type === "concat" ? new ConcatModulator(options, context) : new FilmModulator(options, context);
}

const DEFAULT_WIDTH = 64;

/** The perceptron that encodes behaviour. */
export function encoderOptions({ behaviorDim, encoder }: ModulatorOptions): MlpOptions {
  const { dims, lastLayerActivation, ...layers } = encoder;
  return {
    ...layers,
    inputDim: behaviorDim,
    hiddenDims: dims.slice(0, -1),
    outputDim: dims.at(-1) ?? DEFAULT_WIDTH,
    outputActivation: lastLayerActivation,
  };
}

/** Appends the encoded behaviour to the features as channels that are constant in space and time. */
class ConcatModulator extends Modulator {
  readonly outChannels: number;
  readonly #encoder: Mlp;

  constructor(options: ModulatorOptions, context: BuildContext) {
    super(options.behaviorDim);
    this.#encoder = this.child("encoder", new Mlp(encoderOptions(options), context));
    this.outChannels = options.featureDim + this.#encoder.outputDim;
  }

  override forward(features: Tensor, behavior: Tensor): Tensor {
    const encoded = this.#encoder.forward(behavior);
    const [batch, , ...size] = features.shape as [number, number, ...number[]];
    const spread = encoded.view([batch, -1, 1, 1, 1]).expand([batch, this.#encoder.outputDim, ...size]);
    return cat([features, spread], 1);
  }
}

/** Scales and shifts every channel: `scale(behaviour) * features + shift(behaviour)`. */
class FilmModulator extends Modulator {
  readonly outChannels: number;
  readonly #encoder: Mlp;
  readonly #scale: Linear;
  readonly #shift: Linear;

  constructor(options: ModulatorOptions, context: BuildContext) {
    super(options.behaviorDim);
    this.outChannels = options.featureDim;
    this.#encoder = this.child("encoder", new Mlp(encoderOptions(options), context));
    const width = this.#encoder.outputDim;
    this.#scale = this.child("scale_layer", new Linear(width, options.featureDim, true, context));
    this.#shift = this.child("shift_layer", new Linear(width, options.featureDim, true, context));
    fill(this.#scale, 1);
    fill(this.#shift, 0);
  }

  override forward(features: Tensor, behavior: Tensor): Tensor {
    const encoded = this.#encoder.forward(behavior);
    const perChannel = (values: Tensor) => values.view([-1, this.outChannels, 1, 1, 1]);
    return features.mul(perChannel(this.#scale.forward(encoded))).add(perChannel(this.#shift.forward(encoded)));
  }
}

/** Constant weights and no bias at the start. */
function fill({ weight, bias }: Linear, value: number): void {
  weight.detach().fill_(value);
  bias?.detach().zero_();
}
