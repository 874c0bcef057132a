/**
 * @file A model configuration in the reference's words, and what its code does not know (model specification, sections 2 to
 * 15).
 *
 * Our configurations state every default, and the reference's constructors refuse keys that are not theirs; so whatever
 * equals its default is left out. Our own keys stand for the reference's behaviour when they are absent.
 */
import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import type { ModelSession } from "../training/model-info.ts";

type Mapping = Record<string, unknown>;

/** Types of the reference's components by section. */
const REFERENCE_TYPES: Readonly<Record<string, readonly string[]>> = {
  adapter: ["none", "adapter"],
  frontend: ["none", "adapter", "da", "conv", "temporal_basis", "learnable_temporal"],
  convnet: ["none", "vanilla", "resnet", "densenet"],
  modulator: ["none", "concat", "film", "convgru"],
  recurrent: ["none", "convgru", "gru", "lstm"],
  readout: ["gaussian", "linear"],
};

/** Every key of the reference's model configurations, wherever it stands. */
const REFERENCE_KEYS: ReadonlySet<string> = new Set(
  [
    "model_type initial_input_channels sampling_rate height width adapter frontend convnet modulator recurrent readout",
    "output_activation baseline history_encoder regularization lambda_pred type params enabled activation init_value",
    // adapter, frontends
    "init_sigma grid_size transform kernel_size num_channels init_type split_MP bias causal",
    "alpha beta gamma tau_y_ms tau_z_ms n_y n_z filter_length learnable_params",
    "num_delta_funcs num_cosine_funcs history_bins log_spacing peak_range_ms bin_size_ms normalize orthogonalize",
    "batch_norm chomp",
    // convnets and blocks
    "channels block_configs stem_config final_activation resnet_post_add_activation checkpointing dim base_channels",
    "out_channels channel_multiplier conv_params norm_type norm_params act_type act_params pool_params dropout order",
    "padding groups stride dilation padding_mode aa_signal aa_window aa_window_kwargs use_weight_norm keep_unit_norm",
    "weight_norm_dim power sym a std tau eps affine target_dim num_groups negative_slope approximate split_dim",
    "trainable_gain beta_init beta_min beta_max inplace r use_soft chan_window spatial_kernel",
    // modulators, recurrents, readouts, history
    "behavior_dim n_vars feature_dim encoder_params dims residual last_layer_activation hidden_dim beh_emb_dim",
    "use_layer_norm learnable_h0 use_depthwise use_grouped use_residual grad_clip_val n_layers num_layers",
    "n_units initial_std initial_mean_scale num_lags hidden_dims output_activation spectral_norm",
    // regularisers
    "name lambda apply_to schedule kind start_epoch end_epoch start_lambda",
  ].flatMap((line) => line.split(" ")),
);

/** Our keys that only matter before or during training: trained weights give the same rates without them. */
const TRAINING_KEYS: ReadonlySet<string> = new Set(["init_scale", "apply_init", "differentiate_sigma", "init"]);

/** Activations that the reference only knows as class names of PyTorch. */
const CLASS_NAMES: Readonly<Record<string, string>> = { elu: "ELU", prelu: "PReLU" };

/** The configuration of a trained twin for the reference's code: what differs from the defaults, types and params. */
export function referenceConfig(config: ModelConfig): Mapping {
  const { regularization, ...model } = structuredClone(config) as Mapping;
  const wanted = JSON.stringify(parseModelConfig({ ...config, regularization: [] }));
  const isSame = (): boolean => {
    try {
      return JSON.stringify(parseModelConfig(model)) === wanted;
    } catch {
      return false;
    }
  };
  leaveOutDefaults(model, isSame);
  translate(model);
  return { ...model, regularization };
}

/** Removes what can be removed without changing the meaning. */
function leaveOutDefaults(mapping: Mapping, isSame: () => boolean): void {
  for (const [key, value] of Object.entries(mapping)) {
    const isKept = key === "type" || key === "params" || key === "model_type";
    if (!isKept) {
      delete mapping[key];
      if (isSame()) continue;
    }
    // Deleting moved the key to the end; order is of no importance to the reference.
    mapping[key] = value;
    for (const part of [value].flat()) if (isMapping(part)) leaveOutDefaults(part, isSame);
  }
}

function translate(mapping: Mapping): void {
  for (const [key, value] of Object.entries(mapping)) {
    if (TRAINING_KEYS.has(key)) delete mapping[key];
    else if (typeof value === "string" && /act_type$|activation$/.test(key)) mapping[key] = CLASS_NAMES[value] ?? value;
    for (const part of [value].flat()) if (isMapping(part)) translate(part);
  }
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * What of a model the reference's code does not understand or computes differently, one sentence each; none for a model
 * that is the reference's own.
 */
export function beyondReference(config: ModelConfig, sessions: readonly ModelSession[] = []): string[] {
  const found = problemsOf(referenceConfig(config), []);
  for (const { name, config: own } of sessions) {
    for (const section of ["adapter", "readout"] as const) {
      if (own?.[section] === undefined) continue;
      const whole = referenceConfig({ ...config, [section]: own[section] });
      found.push(...problemsOf({ [section]: whole[section] }, []).map((text) => `session ${name}: ${text}`));
    }
  }
  return [...new Set(found)];
}

function problemsOf(mapping: Mapping, path: readonly string[]): string[] {
  return Object.entries(mapping).flatMap(([key, value]) => {
    const here = [...path, key];
    if (!REFERENCE_KEYS.has(key)) {
      return [`${here.join(".")} is ${JSON.stringify(value)}: the reference has no such key; it refuses or ignores it`];
    }
    const types = path.length === 0 ? REFERENCE_TYPES[key] : undefined;
    const type = isMapping(value) ? value.type : undefined;
    if (types !== undefined && typeof type === "string" && !types.includes(type)) {
      return [`${here.join(".")}.type is "${type}": the reference has no such component`];
    }
    return [value].flat().flatMap((part) => (isMapping(part) ? problemsOf(part, here) : []));
  });
}
