/**
 * @file From configuration to constructor options: the one place where the twin's parts meet the configuration's types.
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
  ShifterConfig,
  StemConfig,
  WindowParams,
} from "../config/model.ts";
import { UserError } from "../errors.ts";
import type { ActivationOptions } from "./modules/activation.ts";
import type { AdapterOptions } from "./modules/adapter.ts";
import type { BlockOptions } from "./modules/block.ts";
import type { ConvOptions } from "./modules/conv.ts";
import type { ConvnetOptions, NetBlockOptions } from "./modules/convnet.ts";
import type { DynamicAdaptationOptions } from "./modules/dynamic-adaptation.ts";
import type { FactorizedReadoutOptions } from "./modules/factorized-readout.ts";
import type { LearnableTemporalOptions } from "./modules/frontend.ts";
import type { SpikeHistoryOptions } from "./modules/history.ts";
import { type Triple, triple } from "./modules/layer.ts";
import type { MlpOptions } from "./modules/mlp.ts";
import type { ModulatorOptions } from "./modules/modulator.ts";
import type { NormOptions } from "./modules/norm.ts";
import type { PointReadoutOptions } from "./modules/point-readout.ts";
import type { PoolOptions } from "./modules/pool.ts";
import type { GaussianReadoutOptions, LinearReadoutOptions } from "./modules/readout.ts";
import type { ConvGruOptions } from "./modules/recurrent.ts";
import type { RnnOptions } from "./modules/rnn.ts";
import type { ShifterOptions } from "./modules/shifter.ts";
import { SQUEEZE_POOL_KERNEL } from "./modules/squeeze-pool.ts";
import type { TemporalBasisOptions } from "./modules/temporal-basis.ts";
import type { WindowOptions } from "./modules/window.ts";

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

/** Everything about a convolution but its widths and padding. */
export function convOptions(config: ConvParams, defaultBias: boolean): BlockOptions["conv"] {
  return {
    depthwise: config.type === "depthwise",
    weightNormDim: config.weight_norm_dim,
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

export function poolOptions(config: PoolConfig | null, channels: number): PoolOptions | null {
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
    case "aablur":
    case "se_pool":
      return {
        type: config.type,
        channels,
        squeezed: Math.floor(channels / config.r),
        soft: config.use_soft,
        kernelSize: SQUEEZE_POOL_KERNEL,
        stride: [1, config.stride, config.stride],
        padding: [0, 0, 0],
      };
    case "locatt":
      return {
        type: config.type,
        channels: config.channels,
        channelWindow: config.chan_window,
        spatialKernel: config.spatial_kernel,
        layout: config.layout,
      };
  }
}

export function blockOptions(config: BlockConfig, outChannels: number): NetBlockOptions {
  return {
    outChannels,
    conv: convOptions(config.conv_params, config.norm_type === "none"),
    padding: paddingOf(config.conv_params.padding),
    norm: normOptions(config.norm_type, config.norm_params),
    activation: activationOptions(config.act_type, config.act_params),
    pool: poolOptions(config.pool_params, outChannels),
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
  | { type: "da"; options: DynamicAdaptationOptions }
  | { type: "temporal_basis"; options: TemporalBasisOptions }
  | { type: "conv"; options: NetBlockOptions }
  | { type: "adapter"; options: AdapterOptions };

/** @param samplingRate of the model config, Hz: turns the time constants of a da frontend into frames */
export function frontendOptions(config: FrontendConfig, samplingRate: number): FrontendOptions {
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
    case "da": {
      const { learnable_params, height, width, ...params } = config.params;
      return { type: "da", options: { cone: { ...params, sampling_rate: samplingRate }, learnable: learnable_params } };
    }
    case "temporal_basis": {
      const { causal, batch_norm, chomp, ...basis } = config.params;
      return { type: "temporal_basis", options: { basis, causal, batchNorm: batch_norm, chomp: chomp ?? 0 } };
    }
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
    case "concat":
      return { type: "concat", ...encodedOptions(config.params, featureDim) };
    case "film":
      return { type: "film", ...encodedOptions(config.params, featureDim), init: config.params.init };
    case "convgru": {
      const { behavior_dim, hidden_dim = featureDim, beh_emb_dim, kernel_size } = config.params;
      return {
        type: "convgru",
        behaviorDim: behavior_dim,
        featureDim,
        hiddenDim: hidden_dim,
        embeddingDim: beh_emb_dim,
        kernelSize: kernel_size,
      };
    }
  }
}

type EncodedParams = Extract<ModulatorConfig, { type: "concat" }>["params"];

function encodedOptions({ behavior_dim, encoder_params: encoder }: EncodedParams, featureDim: number) {
  return {
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

/** A perceptron of the spike history, or one on its own. */
export function mlpOptions(params: HistoryEncoderConfig["params"], inputDim: number, outputDim: number): MlpOptions {
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
    spectralNorm: params.spectral_norm ? { preIterations: params.spectral_pre_iterations } : null,
  };
}

export type RecurrentOptions = ({ type: "convgru" } & ConvGruOptions) | RnnOptions;

/** @throws UserError for a recurrence over whole frames where their size is not known */
export function recurrentOptions(config: RecurrentConfig, map: FeatureMap): RecurrentOptions | null {
  switch (config.type) {
    case "none":
      return null;
    case "convgru": {
      const { hidden_dim, kernel_size, n_layers } = config.params;
      const perLayer = (value: number | number[]) =>
        typeof value === "number" ? new Array<number>(n_layers).fill(value) : value;
      return {
        type: "convgru",
        inChannels: map.channels,
        hiddenDims: perLayer(hidden_dim),
        kernelSizes: perLayer(kernel_size),
      };
    }
    default: {
      const { type, params } = config;
      const { channels, height, width } = map;
      if (!Number.isFinite(height) || !Number.isFinite(width)) {
        throw new UserError(
          `Cannot build the model: recurrent type ${type} reads whole frames, and the size of the stimuli is not known`,
          {
            hint: "Say how large stimuli are (input; on the command line --lags, --height, --width), or use an adapter.",
          },
        );
      }
      return {
        type,
        frame: [channels, height, width],
        hiddenDim: params.hidden_dim,
        layers: params.num_layers,
        dropout: params.dropout,
      };
    }
  }
}

export type ReadoutOptions =
  | ({ type: "gaussian" } & GaussianReadoutOptions)
  | ({ type: "linear" } & LinearReadoutOptions)
  | ({ type: "gaussian_point" } & PointReadoutOptions)
  | ({ type: "factorized" } & FactorizedReadoutOptions);

/** What a readout reads. Rows and columns are infinite where the size of the stimuli is not known. */
export interface FeatureMap {
  channels: number;
  height: number;
  width: number;
}

/** @throws UserError for a readout that needs to know the size of the map and does not */
export function readoutOptions(config: ReadoutConfig, map: FeatureMap, nUnits: number): ReadoutOptions {
  const { channels } = map;
  const { bias } = config.params;
  const common = { channels, nUnits, bias };
  switch (config.type) {
    case "linear":
      return { type: "linear", ...common };
    case "gaussian": {
      const { initial_std, initial_mean_scale } = config.params;
      return { type: "gaussian", ...common, initialStd: initial_std, initialMeanScale: initial_mean_scale };
    }
    case "gaussian_point": {
      const { covariance, sample, init_mu_range, init_sigma } = config.params;
      return {
        type: "gaussian_point",
        ...common,
        covariance,
        sample,
        initMuRange: init_mu_range,
        initSigma: init_sigma,
      };
    }
    case "factorized": {
      if (!Number.isFinite(map.height) || !Number.isFinite(map.width)) {
        throw new UserError(
          "Cannot build the model: a factorized readout has a mask over the features, and their size is not known",
          {
            hint: "Say how large stimuli are (input; on the command line --lags, --height, --width), or use an adapter.",
          },
        );
      }
      const { non_negative, normalize, init, initial_std } = config.params;
      return {
        type: "factorized",
        ...common,
        ...map,
        nonNegative: non_negative,
        normalize,
        init,
        initialStd: initial_std,
      };
    }
  }
}

/** A session's shifter, or null in models without. */
export function shifterOptions(config: ShifterConfig): ShifterOptions | null {
  if (config.type === "none") return null;
  const { features, behavior_dim, hidden_dims, activation, max_shift } = config.params;
  const behaviorDim = behavior_dim ?? Math.max(...(features ?? [])) + 1;
  return {
    features,
    behaviorDim,
    atLeast: behavior_dim === null,
    maxShift: max_shift,
    network: {
      inputDim: features?.length ?? behaviorDim,
      hiddenDims: hidden_dims,
      activation: activationOptions(activation),
    },
  };
}

/** How many behaviour values per sample a model needs at least, 0 for none. */
export function behaviorNeeded({ modulator, shifter }: ModelConfig): number {
  const modulated = modulator.type === "none" ? 0 : modulator.params.behavior_dim;
  return Math.max(modulated, shifterOptions(shifter)?.behaviorDim ?? 0);
}

/** A session's spike history network, or null in models without. */
export function historyOptions(config: ModelConfig, nUnits: number): SpikeHistoryOptions | null {
  if (!config.history_encoder) return null;
  const { params } = config.history_encoder;
  const { inputDim, outputDim, ...network } = mlpOptions(params, params.num_lags * nUnits, nUnits);
  return { numLags: params.num_lags, nUnits, network };
}
