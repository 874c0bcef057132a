/**
 * @file The multilayer perceptron that encodes behaviour (model specification, section 12.1).
 */

import { Module, ModuleList, ops, type Tensor } from "../../torch/index.ts";
import { type ActivationOptions, makeActivation } from "./activation.ts";
import { type BuildContext, Layer, uniformFanIn } from "./layer.ts";
import { makeNorm, type NormOptions } from "./norm.ts";
import { SpectralLinear, type SpectralNormOptions } from "./spectral-norm.ts";

export interface MlpOptions {
  inputDim: number;
  hiddenDims: readonly number[];
  outputDim: number;
  norm?: NormOptions;
  activation: ActivationOptions;
  dropout?: number;
  bias?: boolean;
  /** Adds the input at the end when it is as wide as the output. */
  residual?: boolean;
  /** Treats the last layer like a hidden one, but without dropout. */
  outputActivation?: boolean;
  /** Divides every weight by its largest singular value; null: not. */
  spectralNorm?: SpectralNormOptions | null;
}

/** `[batch, in]` to `[batch, out]`: `x W^T + b`. */
export class Linear extends Layer {
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(inputDim: number, outputDim: number, bias: boolean, context: BuildContext) {
    super();
    this.weight = this.parameter("weight", uniformFanIn([outputDim, inputDim], inputDim, context));
    this.bias = bias ? this.parameter("bias", uniformFanIn([outputDim], inputDim, context)) : null;
  }

  override forward(x: Tensor): Tensor {
    return ops.linear(x, this.weight, this.bias);
  }
}

function makeLinear(inputDim: number, outputDim: number, options: MlpOptions, context: BuildContext): Layer {
  const { bias = true, spectralNorm } = options;
  return spectralNorm
    ? new SpectralLinear(inputDim, outputDim, { ...spectralNorm, bias }, context)
    : new Linear(inputDim, outputDim, bias, context);
}

/** Linear, norm, activation, dropout. */
class HiddenLayer extends Layer {
  readonly #linear: Layer;
  readonly #norm: Layer;
  readonly #activation: Layer;
  readonly #dropout: number;

  constructor(inputDim: number, outputDim: number, options: MlpOptions, dropout: number, context: BuildContext) {
    super();
    this.#linear = this.child("linear", makeLinear(inputDim, outputDim, options, context));
    this.#norm = this.child("norm", makeNorm(options.norm ?? { type: "none" }, outputDim, context));
    this.#activation = this.child("act", makeActivation(options.activation, context));
    this.#dropout = dropout;
  }

  override forward(x: Tensor): Tensor {
    const y = this.#activation.forward(this.#norm.forward(this.#linear.forward(x)));
    return this.training && this.#dropout > 0 ? ops.dropout(y, this.#dropout, true) : y;
  }
}

/** `[batch, inputDim]` to `[batch, outputDim]`. */
export class Mlp extends Module {
  readonly outputDim: number;
  protected readonly lastLayer: Layer;
  readonly #layers: ModuleList<Layer>;
  readonly #residual: boolean;

  constructor(options: MlpOptions, context: BuildContext) {
    super();
    const { inputDim, hiddenDims, outputDim, dropout = 0 } = options;
    this.outputDim = outputDim;
    const widths = [inputDim, ...hiddenDims];
    const layers: Layer[] = hiddenDims.map((width, i) => new HiddenLayer(widths[i]!, width, options, dropout, context));
    const lastInput = widths.at(-1)!;
    this.lastLayer = options.outputActivation
      ? new HiddenLayer(lastInput, outputDim, options, 0, context)
      : makeLinear(lastInput, outputDim, options, context);
    layers.push(this.lastLayer);
    this.#layers = this.child("mlp", new ModuleList(layers));
    this.#residual = (options.residual ?? false) && inputDim === outputDim;
  }

  forward(x: Tensor): Tensor {
    const y = this.#layers.items.reduce((h, layer) => layer.forward(h), x);
    return this.#residual ? y.add(x) : y;
  }
}
