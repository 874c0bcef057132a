import { describe, expect, test } from "vitest";
import { modelWarnings } from "./model-warnings.ts";
import { TINY_CONFIG, tinyConfig } from "./tiny-model.fake.ts";

describe("modelWarnings()", () => {
  test("names padding that has no effect, and norm groups that do not divide", () => {
    const { convnet } = structuredClone(TINY_CONFIG);
    Object.assign(convnet.params.stem_config.conv_params, { padding: 2 });
    Object.assign(convnet.params.block_configs[1]!, { norm_type: "group", norm_params: { num_groups: 3 } });
    expect(modelWarnings(tinyConfig({ convnet }))).toEqual([
      expect.stringContaining("convnet.params.stem_config.conv_params.padding: no effect"),
      expect.stringContaining("convnet.params.block_configs.1.norm_params.num_groups: 3 does not divide 4 channels"),
    ]);
    expect(modelWarnings(tinyConfig())).toEqual([]);
  });

  test("names every ignored key, once", () => {
    const { convnet } = structuredClone(TINY_CONFIG);
    Object.assign(convnet.params, { checkpointing: true, dim: 3 });
    Object.assign(convnet.params.block_configs[1]!, { out_channels: 9 });
    const modulator = { type: "film", params: { feature_dim: 32 } };
    expect(modelWarnings(tinyConfig({ convnet, modulator }))).toEqual([
      "convnet.params.checkpointing: accepted and ignored",
      "convnet.params.dim: accepted and ignored",
      "convnet.params.block_configs.1.out_channels: accepted and ignored, `channels` of the net decides",
      "modulator.params.feature_dim: accepted and ignored, the convnet decides",
    ]);
  });

  test("says that a gru leaves the readout no places", () => {
    const recurrent = { type: "gru", params: { hidden_dim: 4 } };
    expect(modelWarnings(tinyConfig({ recurrent }))).toEqual([
      expect.stringContaining("readout.type: gaussian places units on the feature map, but gru leaves one pixel"),
    ]);
    expect(modelWarnings(tinyConfig({ recurrent, readout: { type: "linear", params: { bias: true } } }))).toEqual([]);
  });

  test("looks into a frontend that is a block", () => {
    const frontend = {
      type: "conv",
      params: { out_channels: 2, conv_params: { kernel_size: [1, 3, 3], padding: 1 } },
    };
    expect(modelWarnings(tinyConfig({ frontend }))).toEqual([
      expect.stringContaining("frontend.params.conv_params.padding: no effect"),
    ]);
  });
});
