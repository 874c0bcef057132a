import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { loadDatasetConfigs } from "./dataset.ts";
import { loadModelConfig, readModelConfig } from "./load.ts";
import { parseModelConfig } from "./model.ts";
import { originsOf, printConfig } from "./print.ts";
import { plainSource } from "./source.ts";

const text = [
  "convnet:",
  "  type: vanilla",
  "  params:",
  "    channels: [4]",
  "    block_configs:",
  "      - conv_params: {kernel_size: [1, 5, 5]}",
  "        norm_type: RMS",
  "        act_type: leakyrelu",
  "modulator: {type: film, params: {n_vars: 7}}",
].join("\n");

describe("printConfig()", () => {
  test("shows every value of a model with its line or as a default", () => {
    const { config, source } = readModelConfig(text, "x.yaml");
    const printed = printConfig(config, originsOf(source));
    const { model_type, convnet, modulator } = parse(printed);
    expect({ model_type, convnet, modulator }).toMatchObject({
      model_type: "v1",
      convnet: { type: "vanilla", params: { channels: [4] } },
      modulator: { params: { behavior_dim: 7 } },
    });
    expect(printed.slice(0, printed.indexOf("recurrent:"))).toBe(`model_type: v1 # default
initial_input_channels: 1 # default
sampling_rate: 240 # default
lag_order: newest_first # default
adapter:
  type: none # default
  params: {} # default
frontend:
  type: none # default
  params: {} # default
convnet:
  type: vanilla # x.yaml:2
  params:
    channels: [4] # x.yaml:4
    stem_config: null # default
    final_activation: none # default
    block_configs:
      - conv_params:
          type: standard # default
          kernel_size: [1, 5, 5] # x.yaml:6
          padding: 0 # default
          groups: 1 # default
          stride: 1 # default
          dilation: 1 # default
          padding_mode: replicate # default
          aa_signal: false # default
          aa_window: hann # default
          aa_window_kwargs:
            power: 1 # default
            sym: true # default
          use_weight_norm: false # default
          keep_unit_norm: false # default
          weight_norm_dim: 0 # default
        norm_type: rms # x.yaml:7
        norm_params:
          eps: 0.00001 # default
          target_dim: 1 # default
        act_type: leakyrelu # x.yaml:8
        act_params:
          negative_slope: 0.01 # default
        pool_params: null # default
        dropout: 0 # default
        causal: true # default
        order: [pad, conv, norm, act, dropout, pool] # default
modulator:
  type: film # x.yaml:9
  params:
    behavior_dim: 7 # x.yaml:9
    encoder_params:
      type: mlp # default
      dims: [64, 64] # default
      activation: gelu # default
      bias: true # default
      residual: true # default
      dropout: 0 # default
      last_layer_activation: false # default
    init: reference # default
`);
  });

  test("tells a session's overrides from its parent's values", () => {
    const root = fileURLToPath(new URL("../../test/fixtures/config", import.meta.url));
    const { sessions, sources } = loadDatasetConfigs(`${root}/parent.yaml`);
    const lines = printConfig(sessions[1]!, originsOf(sources[1]!)).replaceAll(root, "").split("\n");
    for (const line of [
      "session: Syn_2020-01-02 # default",
      "types: [backimage, gaborium] # /parent.yaml:2",
      "cids: [4, 1, 2] # /sessions/Syn_2020-01-02.yaml:2",
      "  source_rate: 240 # /parent.yaml:9",
      "train_val_split: 0.5 # /sessions/Syn_2020-01-02.yaml:6",
      "seed: 1002 # /parent.yaml:78",
      "      - pixelnorm: {} # /parent.yaml:33",
      "          axis: 1 # /parent.yaml:34",
      "          factor: 2 # /sessions/Syn_2020-01-02.yaml:12",
      "          threshold: 45 # /parent.yaml:75",
      "    grid_size: 9 # /sessions/Syn_2020-01-02.yaml:16",
      "    init_sigma: 1 # default",
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.filter((line) => line.startsWith("_"))).toEqual([]);
  });

  test("prints a shipped model so that it loads again to the same values", () => {
    const path = "../../experiments/model_configs/learned_resnet_concat_convgru_gaussian.yaml";
    const { config, source } = loadModelConfig(fileURLToPath(new URL(path, import.meta.url)));
    expect(readModelConfig(printConfig(config, originsOf(source)), "printed").config).toEqual(config);
  });

  test("names the whole for values without a file", () => {
    const written = { convnet: { type: "none" } };
    const printed = printConfig(parseModelConfig(written), originsOf(plainSource("checkpoint", written)));
    expect(printed).toContain("convnet:\n  type: none # checkpoint\n");
  });
});
