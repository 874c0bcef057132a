import { describe, expect, test } from "vitest";
import { readModelConfig } from "./load.ts";

describe("readModelConfig() refuses", () => {
  const head = ["convnet:", "  type: none"];
  const convnet = (...lines: string[]) => [
    "convnet:",
    "  type: resnet",
    "  params:",
    ...lines.map((line) => `    ${line}`),
  ];
  const conv = (...lines: string[]) => convnet("channels: [4]", "block_configs:", "  - conv_params:", ...lines);

  test.each<[string, string[], string]>([
    ["a missing convnet", ["model_type: v1multi"], '1:1 missing key "convnet": expected a mapping'],
    [
      "an unknown model type",
      [...head, "model_type: v2"],
      '3:13 model_type: expected one of v1, v1multi, v1multi_history, found "v2": did you mean "v1"?',
    ],
    [
      "an unknown top-level key",
      [...head, "regularisation: []"],
      '3:1 unknown key "regularisation": did you mean "regularization"?',
    ],
    [
      "an unknown convnet",
      ["convnet:", "  type: x3d"],
      '2:9 convnet.type: expected one of none, vanilla, resnet, densenet, found "x3d"',
    ],
    [
      "a misspelt convnet",
      ["convnet: {type: densnet}"],
      '1:17 convnet.type: expected one of none, vanilla, resnet, densenet, found "densnet": did you mean "densenet"?',
    ],
    [
      "a misspelt adapter",
      [...head, "adapter: {type: adaptor}"],
      '3:17 adapter.type: expected one of none, adapter, found "adaptor": did you mean "adapter"?',
    ],
    [
      "a misspelt frontend",
      [...head, "frontend: {type: learnable_temporl}"],
      '3:18 frontend.type: expected one of none, learnable_temporal, da, temporal_basis, conv, adapter, found "learnable_temporl": did you mean "learnable_temporal"?',
    ],
    [
      "a modulator that the reference only mentions",
      [...head, "modulator: {type: stn}"],
      '3:19 modulator.type: expected one of none, concat, film, convgru, found "stn"',
    ],
    [
      "a misspelt modulator",
      [...head, "modulator: {type: flim}"],
      '3:19 modulator.type: expected one of none, concat, film, convgru, found "flim": did you mean "film"?',
    ],
    [
      "an unknown recurrent stage",
      [...head, "recurrent: {type: convlstm}"],
      '3:19 recurrent.type: expected one of none, convgru, gru, lstm, found "convlstm"',
    ],
    [
      "a misspelt readout",
      [...head, "readout: {type: gausian}"],
      '3:17 readout.type: expected one of gaussian, linear, gaussian_point, factorized, found "gausian": did you mean "gaussian"?',
    ],
    [
      "a misspelt output activation as it was written",
      [...head, "output_activation: Softpluss"],
      '3:20 output_activation: expected one of none, relu, leakyrelu, elu, prelu, gelu, sigmoid, tanh, silu, mish, softplus, bsoftplus, splitrelu, square, found "Softpluss": did you mean "softplus"?',
    ],
    [
      "an unknown convolution",
      conv("      kernel_size: 3", "      type: separable"),
      '8:17 convnet.params.block_configs.0.conv_params.type: expected one of standard, depthwise, found "separable"',
    ],
    [
      "a misspelt window",
      conv("      kernel_size: 5", "      aa_window: han"),
      '8:22 convnet.params.block_configs.0.conv_params.aa_window: expected one of hann, hamming, general_hamming, blackman, nuttall, general_cosine, bartlett, cosine, gaussian, exponential, kaiser, found "han": did you mean "hann"?',
    ],
    [
      "keys of another frontend",
      [...head, "frontend: {type: da, params: {num_channels: 4}}"],
      '3:31 frontend.params: unknown key "num_channels": known keys are alpha, beta, gamma, tau_y_ms, tau_z_ms, n_y, n_z, filter_length, learnable_params, height, width',
    ],
    [
      "keys of another pool",
      conv("      kernel_size: 3", "    pool_params: {type: max, kernel_size: 2, use_soft: true}"),
      '8:50 convnet.params.block_configs.0.pool_params: unknown key "use_soft": known keys are type, kernel_size, stride, padding',
    ],
    [
      "keys of another convnet",
      ["convnet:", "  type: densenet", "  params:", "    channels: []", "    block_configs: []", "    growth: 3"],
      '6:5 convnet.params: unknown key "growth": known keys are channels, stem_config, final_activation, checkpointing, dim, base_channels, block_configs',
    ],
    [
      "the width of a block of a vanilla net",
      [
        "convnet:",
        "  type: vanilla",
        "  params:",
        "    channels: [4]",
        "    block_configs:",
        "      - conv_params: {kernel_size: 3}",
        "        out_channels: 4",
      ],
      '7:9 convnet.params.block_configs.0: unknown key "out_channels": known keys are conv_params, norm_type, norm_params, act_type, act_params, pool_params, dropout, causal, order',
    ],
    [
      "keys of another readout",
      [...head, "readout: {type: linear, params: {bias: true, initial_std: 1}}"],
      '3:46 readout.params: unknown key "initial_std": known keys are n_units, bias',
    ],
    [
      "a key of the encoder one level too high",
      [...head, "modulator: {type: concat, params: {dims: [64]}}"],
      '3:36 modulator.params: unknown key "dims": known keys are behavior_dim, feature_dim, encoder_params',
    ],
    ["missing channels", convnet("block_configs: []"), '3:3 convnet.params: missing key "channels": expected a list'],
    ["missing params", ["convnet:", "  type: resnet"], '1:1 convnet: missing key "params": expected a mapping'],
    [
      "a text among the channels",
      convnet('channels: [16, 32, "64x"]', "block_configs: []"),
      '4:24 convnet.params.channels.2: expected a number, found "64x"',
    ],
    [
      "too few blocks",
      convnet("channels: [4, 8]", "block_configs:", "  - conv_params: {kernel_size: 3}"),
      "6:7 convnet.params.block_configs: expected one block per entry of channels (2), found 1",
    ],
    [
      "a block without kernel size",
      conv("      padding: 1"),
      '6:9 convnet.params.block_configs.0.conv_params: missing key "kernel_size": expected a number or a list',
    ],
    [
      "an unknown norm as it was written",
      conv("      kernel_size: 3", "    norm_type: RMSS"),
      '8:20 convnet.params.block_configs.0.norm_type: expected one of none, rms, grn, layer, batch, instance, group, found "RMSS": did you mean "rms"?',
    ],
    [
      "a weight norm axis of a standard convolution",
      conv("      kernel_size: 3", "      weight_norm_dim: 2"),
      "8:28 convnet.params.block_configs.0.conv_params.weight_norm_dim: a standard convolution keeps axis 0: write 0 or leave it out",
    ],
    [
      "groups of a depthwise convolution",
      conv("      kernel_size: 3", "      type: depthwise", "      groups: 2"),
      "9:19 convnet.params.block_configs.0.conv_params.groups: a depthwise convolution sets its own groups: leave it out",
    ],
    [
      "a parameter of another norm",
      conv("      kernel_size: 3", "    norm_type: rms", "    norm_params: {num_groups: 4}"),
      "9:35 convnet.params.block_configs.0.norm_params.num_groups: num_groups is read by group only, not by rms",
    ],
    [
      "a parameter of another activation",
      conv("      kernel_size: 3", "    act_params: {negative_slope: 0.2}"),
      "8:38 convnet.params.block_configs.0.act_params.negative_slope: negative_slope is read by leakyrelu only, not by relu",
    ],
    [
      "a parameter of another window",
      conv("      kernel_size: 5", "      aa_window_kwargs: {beta: 6}"),
      "8:36 convnet.params.block_configs.0.conv_params.aa_window_kwargs.beta: beta is read by kaiser only, not by hann",
    ],
    [
      "general_cosine without weights",
      conv("      kernel_size: 5", "      aa_window: general_cosine"),
      "8:22 convnet.params.block_configs.0.conv_params.aa_window: general_cosine needs its weights: a list a under aa_window_kwargs",
    ],
    [
      "a pool without kernel size",
      conv("      kernel_size: 5", "    pool_params: {type: max}"),
      '8:22 convnet.params.block_configs.0.pool_params: missing key "kernel_size": expected a number or a list',
    ],
    [
      "pools that are gone",
      conv("      kernel_size: 5", "    pool_params: {type: learned}"),
      '8:29 convnet.params.block_configs.0.pool_params.type: expected one of none, max, avg, adaptivemax, adaptiveavg, aablur, se_pool, locatt, found "learned"',
    ],
    [
      "a stage that does not exist",
      conv("      kernel_size: 5", "    order: [pad, conv, nrom]"),
      '8:28 convnet.params.block_configs.0.order.2: expected one of pad, conv, norm, act, dropout, pool, found "nrom": did you mean "norm"?',
    ],
    [
      "split_MP with an odd number of kernels",
      [...head, "frontend:", "  type: learnable_temporal", "  params: {num_channels: 5, split_MP: true}"],
      "5:26 frontend.params.num_channels: split_MP needs an even number, found 5",
    ],
    [
      "padding of the temporal frontend",
      [...head, "frontend: {type: learnable_temporal, params: {padding: 1}}"],
      '3:47 frontend.params: unknown key "padding": known keys are kernel_size, num_channels, init_type, apply_init, split_MP, bias, causal, stride, dilation, padding_mode, aa_signal, aa_window, aa_window_kwargs, use_weight_norm, keep_unit_norm, weight_norm_dim',
    ],
    [
      "init_scale of an affine adapter",
      [...head, "adapter:", "  type: adapter", "  params: {transform: affine, init_scale: 1}"],
      "5:43 adapter.params.init_scale: an affine adapter starts at the identity: leave init_scale out",
    ],
    [
      "widths for another number of layers",
      [...head, "recurrent: {type: convgru, params: {n_layers: 2, hidden_dim: [8]}}"],
      "3:62 recurrent.params.hidden_dim: expected one per layer (n_layers 2), found 1",
    ],
    [
      "an even GRU kernel",
      [...head, "recurrent: {type: convgru, params: {kernel_size: 4}}"],
      "3:50 recurrent.params.kernel_size: expected odd sizes, found 4",
    ],
    [
      "an even kernel of the GRU in a modulator",
      [...head, "modulator: {type: convgru, params: {kernel_size: 4}}"],
      "3:50 modulator.params.kernel_size: expected odd sizes, found 4",
    ],
    [
      "a start of film in another modulator",
      [...head, "modulator: {type: concat, params: {init: identity}}"],
      '3:36 modulator.params: unknown key "init": known keys are behavior_dim, feature_dim, encoder_params',
    ],
    [
      "power iterations without spectral norm",
      [...head, "model_type: v1multi_history", "history_encoder: {params: {spectral_pre_iterations: 15}}"],
      "4:53 history_encoder.params.spectral_pre_iterations: read with spectral_norm only: set spectral_norm to true",
    ],
    [
      "n_layers of a library GRU",
      [...head, "recurrent: {type: gru, params: {n_layers: 2}}"],
      '3:33 recurrent.params: unknown key "n_layers": did you mean "num_layers"?',
    ],
    [
      "n_layers of a library LSTM",
      [...head, "recurrent: {type: lstm, params: {n_layers: 2}}"],
      '3:34 recurrent.params: unknown key "n_layers": did you mean "num_layers"?',
    ],
    [
      "a bidirectional GRU",
      [...head, "recurrent: {type: gru, params: {bidirectional: true}}"],
      '3:33 recurrent.params: unknown key "bidirectional": known keys are hidden_dim, num_layers, dropout, kernel_size',
    ],
    [
      "a linear readout without bias",
      [...head, "readout: {type: linear, params: {}}"],
      '3:33 readout.params: missing key "bias": expected true or false',
    ],
    [
      "spike history of a model without it",
      [...head, "history_encoder: {}", "model_type: v1multi"],
      "3:18 history_encoder: history_encoder is read by model_type v1multi_history only, not by v1multi",
    ],
    [
      "an unknown regulariser",
      [...head, "regularization:", "  - {name: a, type: l3, lambda: 1}"],
      '4:21 regularization.0.type: expected one of l1, l2, group_lasso, ortho, proximal_l1, proximal_clamp, proximal_clamp_positive, proximal_clamp_min, found "l3": did you mean "l1"?',
    ],
    [
      "a regulariser without lambda",
      [...head, "regularization:", "  - {name: a, type: l1}"],
      '4:5 regularization.0: missing key "lambda": expected a number',
    ],
    [
      "start_lambda of another schedule",
      [...head, "regularization:", "  - {name: a, type: l1, lambda: 1, schedule: {kind: warmup, start_lambda: 2}}"],
      "4:75 regularization.0.schedule.start_lambda: start_lambda is read by linear_decay only, not by warmup",
    ],
  ])("%s", (_, lines, expected) => {
    const text = `${lines.join("\n")}\n`;
    const [place, ...message] = expected.split(" ");
    let found = "nothing";
    try {
      readModelConfig(text, "x.yaml");
    } catch (error) {
      found = (error as Error).message;
    }
    expect(found.split("\n")[0]).toBe("Cannot use x.yaml: 1 problem");
    expect(found.split("\n")[1]).toBe(`x.yaml:${place} ${message.join(" ")}`);
  });
});
