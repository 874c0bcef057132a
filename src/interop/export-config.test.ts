import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { parseModelConfig } from "../config/model.ts";
import { parseSessionConfig } from "../config/session.ts";
import type { ModelSession } from "../training/model-info.ts";
import { beyondReference, referenceConfig } from "./export-config.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const CONFIGS = join(ROOT, "experiments/model_configs");
const REFERENCE: Record<string, unknown> = JSON.parse(
  readFileSync(join(ROOT, "test/fixtures/config/model_configs.json"), "utf8"),
);

const MODEL = {
  model_type: "v1multi",
  adapter: { type: "adapter", params: { grid_size: 31 } },
  convnet: {
    type: "resnet",
    params: {
      channels: [4],
      block_configs: [
        {
          conv_params: { type: "standard", kernel_size: 3, aa_signal: true },
          norm_type: "rms",
          act_type: "splitrelu",
          pool_params: { type: "max", kernel_size: 2 },
        },
      ],
    },
  },
  readout: { type: "gaussian", params: { initial_std: 0.5 } },
  output_activation: "softplus",
};

describe("referenceConfig()", () => {
  test("leaves out defaults, keeps types and params, and still means the same", () => {
    const config = parseModelConfig(MODEL);
    expect(referenceConfig(config)).toEqual({
      model_type: "v1multi",
      adapter: { type: "adapter", params: { grid_size: 31 } },
      convnet: {
        type: "resnet",
        params: {
          channels: [4],
          block_configs: [
            {
              conv_params: { type: "standard", kernel_size: 3, aa_signal: true },
              norm_type: "rms",
              act_type: "splitrelu",
              pool_params: { type: "max", kernel_size: 2 },
            },
          ],
        },
      },
      readout: { type: "gaussian", params: { initial_std: 0.5 } },
      output_activation: "softplus",
      regularization: [],
    });
    expect(parseModelConfig(referenceConfig(config))).toEqual(config);
  });

  test("leaves out what only mattered before training, and keeps what changes rates", () => {
    const params = { grid_size: 31, init_scale: 1, differentiate_sigma: true, blur_kernel: "centred" };
    const config = parseModelConfig({ ...MODEL, adapter: { type: "adapter", params } });
    expect(referenceConfig(config).adapter).toEqual({
      type: "adapter",
      params: { grid_size: 31, blur_kernel: "centred" },
    });
  });

  test("calls activations what PyTorch calls their classes, where the reference looks them up there", () => {
    const config = parseModelConfig({ ...MODEL, output_activation: "elu" });
    expect(referenceConfig(config).output_activation).toBe("ELU");
    expect(parseModelConfig(referenceConfig(config))).toEqual(config);
  });

  test.each(Object.keys(REFERENCE))("has no key in %s that the reference's own file does not have", (name) => {
    const config = parseModelConfig(REFERENCE[name]);
    expect(parseModelConfig(referenceConfig(config))).toEqual(config);
    expect(beyondReference(config)).toEqual([]);
  });
});

describe("beyondReference()", () => {
  test("names keys the reference does not have, where they change the rates", () => {
    const config = parseModelConfig({
      ...MODEL,
      lag_order: "oldest_first",
      adapter: { type: "adapter", params: { blur_kernel: "centred", init_scale: 1 } },
    });
    expect(beyondReference(config)).toEqual([
      'lag_order is "oldest_first": the reference has no such key; it refuses or ignores it',
      'adapter.params.blur_kernel is "centred": the reference has no such key; it refuses or ignores it',
    ]);
  });

  test("names components the reference does not have", () => {
    const config = parseModelConfig({ ...MODEL, readout: { type: "gaussian_point", params: {} } });
    expect(beyondReference(config)).toEqual(['readout.type is "gaussian_point": the reference has no such component']);
  });

  test("looks at what sessions replace", () => {
    const adapter = { type: "adapter", params: { blur_kernel: "centred" } };
    const raw = { session: "Allen_2022-02-16", types: ["gaborium"], cids: [0], keys_lags: { robs: 0 }, adapter };
    const config = parseSessionConfig({ ...raw, train_val_split: 0.8 });
    const session = { name: "Allen_2022-02-16", config } as ModelSession;
    expect(beyondReference(parseModelConfig(MODEL), [session])).toEqual([
      'session Allen_2022-02-16: adapter.params.blur_kernel is "centred": the reference has no such key; it refuses or ignores it',
    ]);
  });

  test.each(readdirSync(CONFIGS).filter((name) => name.startsWith("learned_")))(
    "has nothing to say about %s",
    (name) => {
      const { config } = loadModelConfig(join(CONFIGS, name));
      if (config.lag_order === "newest_first") expect(beyondReference(config)).toEqual([]);
      else expect(beyondReference(config)[0]).toContain("lag_order");
    },
  );
});
