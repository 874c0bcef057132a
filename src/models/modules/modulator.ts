/**
 * @file Modulators: how behaviour reaches the features (model specification, section 12).
 *
 * Behaviour `[batch, behaviorDim]` is constant over the lags of a sample.
 */

import { cat, Module, ops, type Tensor } from "../../torch/index.ts";
import type { ActivationOptions } from "./activation.ts";
import { type BuildContext, uniformFanIn } from "./layer.ts";
import { Linear, Mlp, type MlpOptions } from "./mlp.ts";
import { ConvGru, type ConvGruOptions } from "./recurrent.ts";

interface CommonOptions {
  behaviorDim: number;
  /** Channels of the features. */
  featureDim: number;
}

interface EncodedOptions extends CommonOptions {
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

export interface ConcatModulatorOptions extends EncodedOptions {
  type: "concat";
}

export interface FilmModulatorOptions extends EncodedOptions {
  type: "film";
  /**
   * Scale at the start: the sum of the encoding, which is the same for every channel and may be 0 or negative
   * (`reference`), or 1 (`identity`).
   */
  init: "reference" | "identity";
}

export interface ConvGruModulatorOptions extends CommonOptions {
  type: "convgru";
  /** Channels of the state. */
  hiddenDim: number;
  /** Channels that behaviour is embedded into. */
  embeddingDim: number;
  /** Odd. */
  kernelSize: number;
}

export type ModulatorOptions = ConcatModulatorOptions | FilmModulatorOptions | ConvGruModulatorOptions;

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
  switch (options.type) {
    case "concat":
      return new ConcatModulator(options, context);
    case "film":
      return new FilmModulator(options, context);
    case "convgru":
      return new ConvGruModulator(options, context);
  }
}

const DEFAULT_WIDTH = 64;

/** The perceptron that encodes behaviour. */
export function encoderOptions({ behaviorDim, encoder }: EncodedOptions): MlpOptions {
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

  constructor(options: ConcatModulatorOptions, context: BuildContext) {
    super(options.behaviorDim);
    this.#encoder = this.child("encoder", new Mlp(encoderOptions(options), context));
    this.outChannels = options.featureDim + this.#encoder.outputDim;
  }

  override forward(features: Tensor, behavior: Tensor): Tensor {
    return cat([features, spread(this.#encoder.forward(behavior), features)], 1);
  }
}

/** Scales and shifts every channel: `scale(behaviour) * features + shift(behaviour)`. */
class FilmModulator extends Modulator {
  readonly outChannels: number;
  readonly #encoder: Mlp;
  readonly #scale: Linear;
  readonly #shift: Linear;

  constructor(options: FilmModulatorOptions, context: BuildContext) {
    super(options.behaviorDim);
    this.outChannels = options.featureDim;
    this.#encoder = this.child("encoder", new Mlp(encoderOptions(options), context));
    const width = this.#encoder.outputDim;
    this.#scale = this.child("scale_layer", new Linear(width, options.featureDim, true, context));
    this.#shift = this.child("shift_layer", new Linear(width, options.featureDim, true, context));
    const identity = options.init === "identity";
    fill(this.#scale, identity ? { weight: 0, bias: 1 } : { weight: 1, bias: 0 });
    fill(this.#shift, { weight: 0, bias: 0 });
  }

  override forward(features: Tensor, behavior: Tensor): Tensor {
    const encoded = this.#encoder.forward(behavior);
    const perChannel = (values: Tensor) => values.view([-1, this.outChannels, 1, 1, 1]);
    return features.mul(perChannel(this.#scale.forward(encoded))).add(perChannel(this.#shift.forward(encoded)));
  }
}

function fill(linear: Linear, { weight, bias }: { weight: number; bias: number }): void {
  linear.weight.detach().fill_(weight);
  linear.bias?.detach().fill_(bias);
}

/** The convolutional GRU that the modulator runs over features and embedded behaviour. */
export function modulatorGruOptions(options: ConvGruModulatorOptions): ConvGruOptions {
  const { featureDim, embeddingDim, hiddenDim, kernelSize } = options;
  return { inChannels: featureDim + embeddingDim, hiddenDims: [hiddenDim], kernelSizes: [kernelSize] };
}

/**
 * A convolutional GRU over lags that sees the features and behaviour; puts out a linear map of its last state,
 * `[batch, hidden, 1, H, W]`. Also takes behaviour `[batch, frames, behaviorDim]`, of which it uses the mean.
 */
class ConvGruModulator extends Modulator {
  readonly outChannels: number;
  readonly #embedding: Linear;
  readonly #gru: ConvGru;
  readonly #output: Projection;

  constructor(options: ConvGruModulatorOptions, context: BuildContext) {
    super(options.behaviorDim);
    this.outChannels = options.hiddenDim;
    this.#embedding = this.child("beh_emb", new Linear(options.behaviorDim, options.embeddingDim, true, context));
    this.#gru = this.child("gru", new ConvGru(modulatorGruOptions(options), context));
    this.#output = this.child("output_proj", new Projection(options.hiddenDim, context));
  }

  override forward(features: Tensor, behavior: Tensor): Tensor {
    const embedded = this.#embedding.forward(behavior.ndim === 3 ? behavior.mean(1) : behavior);
    const states = this.#gru.forward(cat([features, spread(embedded, features)], 1), { lastOnly: true });
    return this.#output.forward(states.select(2, states.size(2) - 1)).unsqueeze(2);
  }
}

/** The same linear map of the channels at every pixel: `[batch, channels, H, W]` to the same shape. */
class Projection extends Module {
  readonly #weight: Tensor;
  readonly #bias: Tensor;

  constructor(channels: number, context: BuildContext) {
    super();
    this.#weight = this.parameter("weight", uniformFanIn([channels, channels, 1, 1], channels, context));
    this.#bias = this.parameter("bias", uniformFanIn([channels], channels, context));
  }

  forward(x: Tensor): Tensor {
    return ops.conv2d(x, this.#weight, this.#bias);
  }
}

/** Values per channel `[batch, channels]` at every frame and pixel of the features; a view. */
function spread(values: Tensor, features: Tensor): Tensor {
  const [batch, channels] = values.shape as [number, number];
  return values.view([batch, channels, 1, 1, 1]).expand([batch, channels, ...features.shape.slice(2)]);
}
