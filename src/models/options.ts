/**
 * @file From configuration to constructor options: the one place where the twin's parts meet the configuration's types.
 *
 * A part that the configuration knows but that cannot be built yet is an {@link UnavailableError}.
 */

import type {
  ActivationParams,
  ActivationType,
  AdapterConfig,
  BlockConfig,
  ConvnetConfig,
  ConvParams,
  FrontendConfig,
  HistoryEncoderConfig,
  ModelConfig,
  ModulatorConfig,
  NormParams,
  NormType,
  PoolConfig,
  ReadoutConfig,
  RecurrentConfig,
  StemConfig,
  WindowParams,
} from "../config/model.ts";
import { UserError } from "../errors.ts";
import type { ActivationOptions } from "./modules/activation.ts";
import type { AdapterOptions } from "./modules/adapter.ts";
import type { BlockOptions } from "./modules/block.ts";
import type { ConvOptions } from "./modules/conv.ts";
import type { ConvnetOptions, NetBlockOptions } from "./modules/convnet.ts";
import type { LearnableTemporalOptions } from "./modules/frontend.ts";
import type { SpikeHistoryOptions } from "./modules/history.ts";
import { type Triple, triple } from "./modules/layer.ts";
import type { MlpOptions } from "./modules/mlp.ts";
import type { ModulatorOptions } from "./modules/modulator.ts";
import type { NormOptions } from "./modules/norm.ts";
import type { PoolOptions } from "./modules/pool.ts";
import type { GaussianReadoutOptions, LinearReadoutOptions } from "./modules/readout.ts";
import type { ConvGruOptions } from "./modules/recurrent.ts";
import type { WindowOptions } from "./modules/window.ts";

/** A component that the configuration knows but this version cannot build. */
export class UnavailableError extends UserError {
  override readonly name = "UnavailableError";

  constructor(component: string) {
    super(`Cannot build the model: component ${component} is not available yet`, {
      hint: "Use another type in the model config.",
    });
  }
}

// --- parts of a block --------------------------------------------------------------------------------------------------

type KernelConfig = Pick<
  ConvParams,
  "aa_signal" | "aa_window" | "aa_window_kwargs" | "use_weight_norm" | "keep_unit_norm"
>;

function kernelOptions(config: KernelConfig): Pick<ConvOptions, "window" | "weightNorm"> {
  return {
    window: config.aa_signal ? windowOptions(config.aa_window, config.aa_window_kwargs) : null,
    weightNorm: config.use_weight_norm ? (config.keep_unit_norm ? "unit" : "free") : null,
  };
}

function windowOptions(type: WindowOptions["type"], params: WindowParams): WindowOptions {
  return { type, ...params };
}

/** Everything about a standard convolution but its widths and padding. */
export function convOptions(config: ConvParams, defaultBias: boolean): BlockOptions["conv"] {
  if (config.type === "depthwise") throw new UnavailableError("depthwise convolution");
  return {
    kernelSize: triple(config.kernel_size),
    stride: triple(config.stride),
    dilation: triple(config.dilation),
    groups: config.groups,
    bias: config.bias ?? defaultBias,
    paddingMode: config.padding_mode,
    ...kernelOptions(config),
  };
}

/** Padding as `[T, H, W]`; a list of two is rows and columns. */
export function paddingOf(padding: ConvParams["padding"]): Triple {
  if (typeof padding === "number") return triple(padding);
  const [columns = 0, rows = 0, time = 0] = padding.toReversed();
  return [time, rows, columns];
}

function normOptions(type: NormType, params: NormParams): NormOptions {
  return {
    type,
    eps: params.eps,
    affine: params.affine,
    targetDims: [params.target_dim].flat(),
    groups: params.num_groups,
  };
}

export function activationOptions(type: ActivationType, params?: ActivationParams): ActivationOptions {
  if (!params) return { type };
  return {
    type,
    negativeSlope: params.negative_slope,
    approximate: params.approximate,
    splitDim: params.split_dim,
    trainableGain: params.trainable_gain,
    betaInit: params.beta_init,
    betaMin: params.beta_min,
    betaMax: params.beta_max,
  };
}

function poolOptions(config: PoolConfig | null): PoolOptions | null {
  switch (config?.type) {
    case undefined:
    case "none":
      return null;
    case "max":
    case "avg": {
      const kernelSize = triple(config.kernel_size);
      const stride = config.stride === undefined ? kernelSize : triple(config.stride);
      return { type: config.type, kernelSize, stride, padding: triple(config.padding) };
    }
    case "adaptivemax":
    case "adaptiveavg":
      return { type: config.type, kernelSize: triple(config.kernel_size) };
    default:
      throw new UnavailableError(`${config!.type} pooling`);
  }
}

export function blockOptions(config: BlockConfig, outChannels: number): NetBlockOptions {
  return {
    outChannels,
    conv: convOptions(config.conv_params, config.norm_type === "none"),
    padding: paddingOf(config.conv_params.padding),
    norm: normOptions(config.norm_type, config.norm_params),
    activation: activationOptions(config.act_type, config.act_params),
    pool: poolOptions(config.pool_params),
    dropout: config.dropout,
    causal: config.causal,
    order: config.order,
  };
}

function stemOptions(config: StemConfig): NetBlockOptions {
  return blockOptions(config, config.out_channels);
}

// --- stages ------------------------------------------------------------------------------------------------------------

export function adapterOptions(config: AdapterConfig): AdapterOptions | null {
  if (config.type === "none") return null;
  const { params } = config;
  return {
    initSigma: params.init_sigma,
    gridSize: params.grid_size,
    transform: params.transform,
    blurKernel: params.blur_kernel,
    differentiateSigma: params.differentiate_sigma,
    initScale: params.init_scale,
  };
}

export type FrontendOptions =
  | { type: "none" }
  | { type: "learnable_temporal"; options: LearnableTemporalOptions }
  | { type: "conv"; options: NetBlockOptions }
  | { type: "adapter"; options: AdapterOptions };

export function frontendOptions(config: FrontendConfig): FrontendOptions {
  switch (config.type) {
    case "none":
      return { type: "none" };
    case "adapter":
      return { type: "adapter", options: adapterOptions(config)! };
    case "conv":
      return { type: "conv", options: stemOptions(config.params) };
    case "learnable_temporal": {
      const { params } = config;
      return {
        type: "learnable_temporal",
        options: {
          kernelSize: params.kernel_size,
          channels: params.num_channels,
          init: params.init_type,
          applyInit: params.apply_init,
          splitMP: params.split_MP,
          bias: params.bias,
          stride: triple(params.stride),
          dilation: triple(params.dilation),
          ...kernelOptions(params),
        },
      };
    }
    default:
      throw new UnavailableError(`${config.type} frontend`);
  }
}

export function convnetOptions(config: ConvnetConfig, inChannels: number): ConvnetOptions | null {
  if (config.type === "none") return null;
  const { params } = config;
  return {
    type: config.type,
    inChannels,
    stem: params.stem_config ? stemOptions(params.stem_config) : null,
    blocks: params.block_configs.map((block, i) => blockOptions(block, params.channels[i]!)),
    postAddActivation: activationOptions(config.type === "resnet" ? config.params.resnet_post_add_activation : "none"),
    finalActivation: activationOptions(params.final_activation),
  };
}

export function modulatorOptions(config: ModulatorConfig, featureDim: number): ModulatorOptions | null {
  switch (config.type) {
    case "none":
      return null;
    case "convgru":
      throw new UnavailableError("convgru modulator");
    default: {
      const { behavior_dim, encoder_params: encoder } = config.params;
      return {
        type: config.type,
        behaviorDim: behavior_dim,
        featureDim,
        encoder: {
          dims: encoder.dims,
          activation: activationOptions(encoder.activation),
          bias: encoder.bias,
          residual: encoder.residual,
          dropout: encoder.dropout,
          lastLayerActivation: encoder.last_layer_activation,
        },
      };
    }
  }
}

/** A perceptron of the spike history, or one on its own. */
export function mlpOptions(params: HistoryEncoderConfig["params"], inputDim: number, outputDim: number): MlpOptions {
  if (params.spectral_norm) throw new UnavailableError("spectral norm");
  return {
    inputDim,
    hiddenDims: params.hidden_dims,
    outputDim,
    norm: normOptions(params.norm_type, params.norm_params),
    activation: activationOptions(params.act_type, params.act_params),
    dropout: params.dropout,
    bias: params.bias,
    residual: params.residual,
    outputActivation: params.output_activation,
  };
}

export function recurrentOptions(config: RecurrentConfig, inChannels: number): ConvGruOptions | null {
  if (config.type === "none") return null;
  if (config.type !== "convgru") throw new UnavailableError(`${config.type} recurrent`);
  const { hidden_dim, kernel_size, n_layers } = config.params;
  const perLayer = (value: number | number[]) =>
    typeof value === "number" ? new Array<number>(n_layers).fill(value) : value;
  return { inChannels, hiddenDims: perLayer(hidden_dim), kernelSizes: perLayer(kernel_size) };
}

export type ReadoutOptions =
  | ({ type: "gaussian" } & GaussianReadoutOptions)
  | ({ type: "linear" } & LinearReadoutOptions);

export function readoutOptions(config: ReadoutConfig, channels: number, nUnits: number): ReadoutOptions {
  if (config.type === "linear") return { type: "linear", channels, nUnits, bias: config.params.bias };
  const { bias, initial_std, initial_mean_scale } = config.params;
  return {
    type: "gaussian",
    channels,
    nUnits,
    bias,
    initialStd: initial_std,
    initialMeanScale: initial_mean_scale,
  };
}

/** A session's spike history network, or null in models without. */
export function historyOptions(config: ModelConfig, nUnits: number): SpikeHistoryOptions | null {
  if (!config.history_encoder) return null;
  const { params } = config.history_encoder;
  const { inputDim, outputDim, ...network } = mlpOptions(params, params.num_lags * nUnits, nUnits);
  return { numLags: params.num_lags, nUnits, network };
}
