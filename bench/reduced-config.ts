/**
 * @file Shipped model configurations made small enough to train in minutes on one CPU core, and the corrections of the
 * reference that can be switched on in them (model specification, M-02 to M-06).
 */

import { loadModelConfig } from "../src/config/load.ts";
import type { ModelConfig } from "../src/config/model.ts";
import { modelConfigFile } from "./comparison-flags.ts";

/** Width of the stem, which has 8 or 16 channels in the shipped models. */
const STEM_WIDTH = 4;
/** All other widths are divided by this, but not below the least. */
const DIVISOR = 8;
const LEAST_WIDTH = 8;
/** Rows and columns of the resampled frame: three blocks need more of them than two. Both leave 2 x 2 features. */
const GRIDS = { two: 27, three: 39 };

/** Every shipped model that sees the stimulus and follows the reference. */
export const CONFIGS = [
  "learned_resnet_none_none_gaussian",
  "learned_resnet_none_convgru_gaussian",
  "learned_resnet_concat_convgru_gaussian",
  "learned_resnet_film_none_gaussian",
  "learned_dense_none_convgru_gaussian",
  "learned_dense_concat_convgru_gaussian",
  "learned_dense_concat_convgru_gaussian_history",
  "learned_dense_film_none_gaussian",
  "learned_resnet_wide3_none_convgru_gaussian",
] as const;

/** Which corrections are on. */
export const VARIANTS = {
  reference: [],
  lags: ["lags"],
  adapter: ["adapter"],
  init: ["init"],
  all: ["lags", "adapter", "init"],
} as const satisfies Record<string, readonly ("lags" | "adapter" | "init")[]>;

export type Variant = keyof typeof VARIANTS;

/**
 * A shipped model with the same structure, kernels and regularisers, but narrower and with fewer pixels.
 *
 * @param name of a file in experiments/model_configs, without .yaml
 */
export function reducedConfig(name: string, variant: Variant): ModelConfig {
  const { config } = loadModelConfig(modelConfigFile(name));
  const { adapter, frontend, convnet, modulator, recurrent } = config;
  if (adapter.type !== "adapter" || frontend.type !== "learnable_temporal" || convnet.type === "none") {
    throw new Error(`${name} is not built like the shipped models: expected an adapter, learnt kernels and a convnet`);
  }
  const { params: net } = convnet;
  adapter.params.grid_size = net.channels.length > 2 ? GRIDS.three : GRIDS.two;
  net.channels = net.channels.map(narrower);
  if (net.stem_config) net.stem_config.out_channels = STEM_WIDTH;
  if (modulator.type === "concat" || modulator.type === "film") {
    const { encoder_params: encoder } = modulator.params;
    encoder.dims = encoder.dims.map(narrower);
  }
  if (recurrent.type === "convgru") recurrent.params.hidden_dim = [recurrent.params.hidden_dim].flat().map(narrower);

  const corrections: readonly string[] = VARIANTS[variant];
  if (corrections.includes("lags")) config.lag_order = "oldest_first";
  if (corrections.includes("adapter")) {
    Object.assign(adapter.params, { blur_kernel: "centred", init_scale: 1, differentiate_sigma: true });
  }
  if (corrections.includes("init")) frontend.params.apply_init = true;
  return config;
}

function narrower(width: number): number {
  return Math.max(LEAST_WIDTH, Math.round(width / DIVISOR));
}
