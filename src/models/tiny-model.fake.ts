/**
 * @file A small twin with every stage of the flagship, for tests.
 */

import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import { Generator } from "../torch/index.ts";
import { buildModel } from "./build.ts";
import type { Formulation } from "./modules/layer.ts";
import type { SessionSpec } from "./shapes.ts";
import type { Twin } from "./twin.ts";

const windowed = { aa_signal: true, use_weight_norm: true, keep_unit_norm: true };

/** Takes stimuli of at least 9 frames, and of any size. */
export const TINY_CONFIG = {
  model_type: "v1multi",
  adapter: { type: "adapter", params: { grid_size: 19 } },
  frontend: {
    type: "learnable_temporal",
    params: { kernel_size: 6, num_channels: 3, aa_signal: true, aa_window_kwargs: { power: 0.25 } },
  },
  convnet: {
    type: "resnet",
    params: {
      channels: [3, 4],
      stem_config: {
        out_channels: 2,
        conv_params: { kernel_size: [1, 5, 5], ...windowed },
        norm_type: "rms",
        act_type: "splitrelu",
        order: ["pad", "conv", "norm", "act"],
      },
      block_configs: [
        {
          conv_params: { kernel_size: [3, 5, 5], ...windowed },
          norm_type: "grn",
          act_type: "splitrelu",
          pool_params: { type: "max", kernel_size: 2, stride: 2 },
        },
        { conv_params: { kernel_size: [3, 3, 3], ...windowed }, norm_type: "grn", act_type: "splitrelu" },
      ],
    },
  },
  recurrent: { type: "convgru", params: { hidden_dim: 4, kernel_size: 3 } },
  readout: { type: "gaussian", params: { initial_std: 1, initial_mean_scale: 0.3 } },
  output_activation: "softplus",
};

export const TINY_SESSIONS: readonly SessionSpec[] = [
  { name: "a", nUnits: 3 },
  { name: "b", nUnits: 5 },
  { name: "c", nUnits: 2 },
];

export function tinyConfig(change: Record<string, unknown> = {}): ModelConfig {
  return parseModelConfig({ ...TINY_CONFIG, ...change });
}

export function tinyTwin(
  formulation: Formulation = "fast",
  change: Record<string, unknown> = {},
  sessions: readonly SessionSpec[] = TINY_SESSIONS,
): Twin {
  return buildModel(tinyConfig(change), sessions, { generator: new Generator(3), formulation });
}
