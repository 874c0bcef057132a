import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { IGNORED, ignoredKeys } from "./ignored-keys.ts";
import { jsonSchemas } from "./json-schema.ts";
import { ModelConfigSchema, parseModelConfig } from "./model.ts";

const ignored = (value: unknown) =>
  ignoredKeys(ModelConfigSchema, parseModelConfig(value)).map(({ path, reason }) => [path.join("."), reason]);

/** Every kind of stage whose schema has such keys, each key given. */
const BLOCK = {
  conv_params: { kernel_size: 3 },
  act_params: { inplace: true },
  out_channels: 7,
  channel_multiplier: 2,
};
const MODELS = [
  {
    height: 51,
    width: 51,
    lambda_pred: 0.1,
    frontend: { type: "learnable_temporal", params: { causal: true } },
    convnet: {
      type: "resnet",
      params: {
        channels: [4],
        checkpointing: false,
        dim: 3,
        base_channels: 8,
        stem_config: { out_channels: 4, conv_params: { kernel_size: 3 }, act_params: { inplace: false } },
        block_configs: [BLOCK],
      },
    },
    modulator: { type: "film", params: { feature_dim: 3 } },
    recurrent: { type: "gru", params: { kernel_size: 3 } },
    readout: { type: "gaussian", params: { n_units: 8 } },
  },
  {
    frontend: { type: "da", params: { height: 51, width: 51 } },
    convnet: { type: "none", params: { checkpointing: true } },
    modulator: {
      type: "convgru",
      params: {
        use_layer_norm: true,
        learnable_h0: true,
        use_depthwise: false,
        use_grouped: false,
        num_groups: 1,
        use_residual: true,
        grad_clip_val: 10,
      },
    },
  },
];

describe("ignoredKeys()", () => {
  test("names every key of a model that has no effect, with the reason", () => {
    expect(ignored(MODELS[0])).toEqual([
      ["height", ""],
      ["width", ""],
      ["frontend.params.causal", ""],
      ["convnet.params.stem_config.act_params.inplace", ""],
      ["convnet.params.checkpointing", ""],
      ["convnet.params.dim", ""],
      ["convnet.params.base_channels", ""],
      ["convnet.params.block_configs.0.act_params.inplace", ""],
      ["convnet.params.block_configs.0.out_channels", "`channels` of the net decides"],
      ["convnet.params.block_configs.0.channel_multiplier", ""],
      ["modulator.params.feature_dim", "the convnet decides"],
      ["recurrent.params.kernel_size", ""],
      ["readout.params.n_units", "the sessions' cids decide"],
      ["lambda_pred", ""],
    ]);
  });

  test("says nothing about a stage that is switched off, and nothing without such keys", () => {
    expect(ignored(MODELS[1]).map(([path]) => path)).not.toContain("convnet.params.checkpointing");
    expect(ignored({ convnet: { type: "none" } })).toEqual([]);
  });

  test("finds every key that the schema describes so", () => {
    const described = new Set<string>();
    const collect = (node: unknown): void => {
      if (typeof node !== "object" || node === null) return;
      for (const [key, value] of Object.entries("properties" in node ? (node.properties as object) : {})) {
        if ((value as { description?: string }).description?.startsWith(IGNORED)) described.add(key);
      }
      Object.values(node).forEach(collect);
    };
    collect(JSON.parse(jsonSchemas()["model.schema.json"]));
    const found = MODELS.flatMap((model) => ignored(model).map(([path]) => path!.split(".").at(-1)!));
    expect([...new Set(found)].sort()).toEqual([...described].sort());
  });

  test("finds the keys of the reference's models", () => {
    const shipped = JSON.parse(
      readFileSync(new URL("../../test/fixtures/config/model_configs.json", import.meta.url), "utf8"),
    );
    expect(ignored(shipped.learned_resnet_concat_convgru_gaussian).map(([path]) => path)).toEqual([
      "frontend.params.causal",
      "convnet.params.checkpointing",
      "modulator.params.feature_dim",
      "readout.params.n_units",
    ]);
  });
});
