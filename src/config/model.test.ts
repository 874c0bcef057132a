import { readFileSync } from "node:fs";
import { describe, expect, expectTypeOf, test } from "vitest";
import { type ConvnetConfig, type ModelConfig, parseModelConfig } from "./model.ts";

const shipped: Record<string, Record<string, unknown>> = JSON.parse(
  readFileSync(new URL("../../test/fixtures/config/model_configs.json", import.meta.url), "utf8"),
);

const block = { conv_params: { kernel_size: [3, 5, 5] } };

/** A resnet of one block, with changes. */
function parse(changes: Record<string, unknown> = {}, blockChanges: Record<string, unknown> = {}): ModelConfig {
  const convnet = { type: "resnet", params: { channels: [8], block_configs: [{ ...block, ...blockChanges }] } };
  return parseModelConfig({ convnet, ...changes });
}

function onlyBlock(config: ModelConfig) {
  if (config.convnet.type !== "resnet") throw new Error("expected a resnet");
  return config.convnet.params.block_configs[0]!;
}

describe("parseModelConfig() on shipped configurations", () => {
  test.each(Object.entries(shipped))("accepts %s and keeps what it says", (_, written) => {
    const config = parseModelConfig(written);
    expect(config).toMatchObject(written);
  });

  test.each(Object.entries(shipped))("gives the same when it parses its own result: %s", (_, written) => {
    const config = parseModelConfig(written);
    expect(parseModelConfig(config)).toEqual(config);
  });

  test("leaves its argument alone", () => {
    const written = structuredClone(shipped.learned_resnet_concat_convgru_gaussian);
    parseModelConfig(written);
    expect(written).toEqual(shipped.learned_resnet_concat_convgru_gaussian);
  });
});

describe("parseModelConfig() defaults", () => {
  test("at the top level", () => {
    expect(parse()).toMatchObject({
      model_type: "v1",
      initial_input_channels: 1,
      sampling_rate: 240,
      lag_order: "newest_first",
      adapter: { type: "none", params: {} },
      frontend: { type: "none", params: {} },
      modulator: { type: "none", params: {} },
      recurrent: { type: "none", params: {} },
      readout: { type: "gaussian", params: { bias: true, initial_std: 5, initial_mean_scale: 0 } },
      output_activation: "none",
      baseline: { enabled: false, activation: "relu", init_value: 0.001 },
      regularization: [],
    });
  });

  test("of a block", () => {
    const parsed = onlyBlock(parse());
    expect(parsed).toEqual({
      conv_params: {
        type: "standard",
        kernel_size: [3, 5, 5],
        padding: 0,
        groups: 1,
        stride: 1,
        dilation: 1,
        padding_mode: "replicate",
        aa_signal: false,
        aa_window: "hann",
        aa_window_kwargs: { power: 1, sym: true, alpha: 0.54, std: 1, tau: 1, beta: 12 },
        use_weight_norm: false,
        keep_unit_norm: false,
        weight_norm_dim: 0,
      },
      norm_type: "batch",
      norm_params: { eps: 1e-5, target_dim: 1, num_groups: 1 },
      act_type: "relu",
      act_params: {
        negative_slope: 0.01,
        approximate: "none",
        split_dim: 1,
        trainable_gain: false,
        beta_init: 1,
        beta_min: 0.1,
        beta_max: 10,
      },
      pool_params: null,
      dropout: 0,
      causal: true,
      order: ["pad", "conv", "norm", "act", "dropout", "pool"],
    });
    expect(parsed.conv_params.bias).toBeUndefined();
  });

  test("of stages with empty or missing params", () => {
    const config = parse({
      adapter: { type: "adapter", params: null },
      frontend: { type: "learnable_temporal" },
      modulator: { type: "film", params: { encoder_params: null } },
      recurrent: { type: "convgru", params: {} },
    });
    expect(config.adapter.params).toEqual({
      init_sigma: 1,
      grid_size: 25,
      transform: "scale",
      blur_kernel: "reference",
      differentiate_sigma: false,
      init_scale: null,
    });
    expect(config.frontend.params).toMatchObject({
      kernel_size: 16,
      num_channels: 6,
      init_type: "gaussian_derivatives",
      apply_init: false,
      split_MP: false,
      bias: false,
    });
    expect(config.modulator.params).toEqual({
      behavior_dim: 2,
      encoder_params: {
        type: "mlp",
        dims: [64, 64],
        activation: "gelu",
        bias: true,
        residual: true,
        dropout: 0,
        last_layer_activation: false,
      },
      init: "reference",
    });
    expect(config.recurrent.params).toEqual({ hidden_dim: 64, kernel_size: 3, n_layers: 1 });
  });

  test("of the history encoder, present in history models only", () => {
    expect(parse().history_encoder).toBeUndefined();
    expect(parse({ model_type: "v1multi_history" }).history_encoder?.params).toMatchObject({
      num_lags: 5,
      hidden_dims: [32, 10],
      norm_type: "none",
      act_type: "relu",
      spectral_norm: false,
    });
  });

  test("of frontends da and temporal_basis", () => {
    expect(parse({ frontend: { type: "da" } }).frontend.params).toEqual({
      alpha: 1,
      beta: 8e-5,
      gamma: 0.5,
      tau_y_ms: 5,
      tau_z_ms: 60,
      n_y: 5,
      n_z: 2,
      filter_length: 200,
      learnable_params: false,
    });
    expect(parse({ frontend: { type: "temporal_basis" } }).frontend.params).toEqual({
      num_delta_funcs: 0,
      num_cosine_funcs: 10,
      history_bins: 32,
      log_spacing: true,
      peak_range_ms: [5, 100],
      bin_size_ms: 5,
      normalize: true,
      orthogonalize: false,
      causal: true,
      batch_norm: false,
      chomp: null,
    });
  });
});

describe("parseModelConfig() other spellings", () => {
  test("names of norms and activations in any case, their aliases, and null", () => {
    expect(onlyBlock(parse({}, { norm_type: "RMS", act_type: "SplitReLU" }))).toMatchObject({
      norm_type: "rms",
      act_type: "splitrelu",
    });
    expect(onlyBlock(parse({}, { norm_type: null, act_type: "Swish" }))).toMatchObject({
      norm_type: "none",
      act_type: "silu",
    });
    expect(parse({ output_activation: "Identity" }).output_activation).toBe("none");
    expect(parse({ output_activation: null }).output_activation).toBe("none");
  });

  test("conv and cnn for vanilla, none for no pool, n_vars for behavior_dim, empty regularization", () => {
    const params = { channels: [4], block_configs: [{ ...block, pool_params: "none" }] };
    const config = parse({
      convnet: { type: "cnn", params },
      modulator: { type: "concat", params: { n_vars: 7 } },
      regularization: null,
    });
    expect(config.convnet).toMatchObject({ type: "vanilla", params: { block_configs: [{ pool_params: null }] } });
    expect(config.modulator.params).toMatchObject({ behavior_dim: 7 });
    expect(config.regularization).toEqual([]);
  });

  test("a stage of type none ignores its params", () => {
    expect(parse({ modulator: { type: "none", params: { behavior_dim: 42 } } }).modulator.type).toBe("none");
  });
});

test("ConvnetConfig is told apart by its type", () => {
  expectTypeOf<Extract<ConvnetConfig, { type: "resnet" }>["params"]["channels"]>().toEqualTypeOf<number[]>();
  expectTypeOf<ConvnetConfig["type"]>().toEqualTypeOf<"none" | "vanilla" | "resnet" | "densenet">();
});
