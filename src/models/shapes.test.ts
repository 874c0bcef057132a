import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { noGrad, tensorScope, zeros } from "../torch/index.ts";
import { doubles } from "./comparison.fake.ts";
import { describeModel } from "./shapes.ts";
import { TINY_CONFIG, TINY_SESSIONS, tinyConfig, tinyTwin } from "./tiny-model.fake.ts";

function shipped(name: string) {
  return loadModelConfig(fileURLToPath(new URL(`../../experiments/model_configs/${name}.yaml`, import.meta.url)))
    .config;
}

describe("describeModel()", () => {
  test.each<[string, Record<string, unknown>]>([
    ["resnet", {}],
    ["densenet", { convnet: { ...TINY_CONFIG.convnet, type: "densenet" } }],
    ["vanilla", { convnet: { ...TINY_CONFIG.convnet, type: "vanilla" } }],
    ["resnet behind cones", { frontend: { type: "da" } }],
    [
      "resnet behind a temporal basis",
      { frontend: { type: "temporal_basis", params: { batch_norm: true, chomp: 3 } } },
    ],
  ])("gives the shapes that a %s computes", (_, change) => {
    using _scope = tensorScope();
    const input = { frames: 10, height: 20, width: 22 };
    const rows = describeModel(tinyConfig(change), input, TINY_SESSIONS);
    const computed = new Map<string, readonly number[]>();
    const stimulus = doubles([1, 1, 10, 20, 22]).detach().float();
    noGrad(() =>
      tinyTwin("reference", change).forward([{ session: 0, stimulus, behavior: null }], (stage, value) => {
        computed.set(stage, value.shape.slice(1));
      }),
    );
    const described = Object.fromEntries(rows.map(({ path, output }) => [path, output]));
    expect(described.adapter).toEqual(computed.get("adapters.0"));
    expect(described.frontend).toEqual(computed.get("frontend"));
    expect(described["convnet.params.stem_config"]).toEqual(computed.get("convnet.stem"));
    expect(described["convnet.params.block_configs.1"]).toEqual(computed.get("convnet"));
    expect(described.recurrent).toEqual(computed.get("recurrent"));
  });

  test.each<[string, Record<string, unknown>]>([
    ["a convgru", {}],
    ["a gru of two layers", { recurrent: { type: "gru", params: { hidden_dim: 5, num_layers: 2 } } }],
    ["an lstm of three layers", { recurrent: { type: "lstm", params: { hidden_dim: 5, num_layers: 3 } } }],
    ["a film modulator", { modulator: { type: "film", params: { behavior_dim: 3 } } }],
    ["a convgru modulator", { modulator: { type: "convgru", params: { behavior_dim: 3, hidden_dim: 5 } } }],
    ["a convgru modulator of the features' width", { modulator: { type: "convgru", params: { behavior_dim: 3 } } }],
  ])("gives shapes and parameters of what follows the convnet: %s", (_, change) => {
    using _scope = tensorScope();
    const rows = describeModel(tinyConfig(change), { frames: 10, height: 20, width: 22 }, TINY_SESSIONS);
    const twin = tinyTwin("reference", change);
    const behavior = "modulator" in change ? zeros([1, 3]) : null;
    const computed = new Map<string, readonly number[]>();
    noGrad(() =>
      twin.forward([{ session: 0, stimulus: zeros([1, 1, 10, 20, 22]), behavior }], (stage, value) => {
        computed.set(stage, value.shape.slice(1));
      }),
    );
    for (const path of ["modulator", "recurrent"]) {
      const row = rows.find((candidate) => candidate.path === path);
      const weights = [...twin.namedParameters()].filter(({ name }) => name.startsWith(`${path}.`));
      expect(row?.parameters ?? 0).toBe(weights.reduce((sum, { tensor }) => sum + tensor.numel, 0));
      if (row) expect(row.output).toEqual(computed.get(path));
    }
  });

  test("counts what a gru and a convgru modulator multiply", () => {
    const change = {
      modulator: { type: "convgru", params: { behavior_dim: 3, beh_emb_dim: 2, hidden_dim: 5, kernel_size: 1 } },
      recurrent: { type: "gru", params: { hidden_dim: 7 } },
    };
    const rows = describeModel(tinyConfig(change), { frames: 10, height: 20, width: 22 });
    const [channels, frames, height, width] = rows.findLast(({ path }) => path.startsWith("convnet"))!.output as [
      number,
      number,
      number,
      number,
    ];
    const pixels = height * width;
    const cost = (path: string) => rows.find((row) => row.path === path)!.multiplyAdds;
    const gates = 3 * 5 * pixels * (frames * (channels + 2) + (frames - 1) * 5);
    expect(cost("modulator")).toBe(3 * 2 + gates + 5 * 5 * pixels);
    expect(cost("recurrent")).toBe(3 * 7 * (5 * pixels + 7));
  });

  test.each<[string, Record<string, unknown>, number, number]>([
    ["da", {}, 7, 2 * 10 * 10],
    ["da", { filter_length: 4 }, 7, 2 * 4 * 10],
    ["temporal_basis", { num_delta_funcs: 2, num_cosine_funcs: 3, history_bins: 3, batch_norm: true }, 10, 5 * 4 * 10],
  ])("counts what a %s frontend with %j costs", (type, params, parameters, perPixel) => {
    const config = tinyConfig({ frontend: { type, params } });
    const row = describeModel(config, { frames: 10, height: 20, width: 20 }).find(({ path }) => path === "frontend")!;
    expect(row).toMatchObject({ parameters, multiplyAdds: perPixel * 19 * 19 });
  });

  test("counts the taps that are multiplied with, not those a window makes zero", () => {
    const stem = describeModel(shipped("learned_resnet_none_convgru_gaussian"), {
      frames: 33,
      height: 51,
      width: 51,
    }).find(({ path }) => path.endsWith("stem_config"))!;
    expect(stem.multiplyAdds).toBe(18 * 45 * 45 * 8 * 4 * 5 * 5);
  });
});
