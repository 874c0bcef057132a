import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { noGrad, tensorScope } from "../torch/index.ts";
import { doubles } from "./comparison.fake.ts";
import { describeModel, modelWarnings } from "./shapes.ts";
import { TINY_CONFIG, TINY_SESSIONS, tinyConfig, tinyTwin } from "./tiny-model.fake.ts";

const SESSIONS = [8, 12].map((nUnits, i) => ({ name: `s${i}`, nUnits }));

function shipped(name: string) {
  return loadModelConfig(fileURLToPath(new URL(`../../experiments/model_configs/${name}.yaml`, import.meta.url)))
    .config;
}

/** Published facts of the shipped configurations: frames and pixels 51 x 51, two sessions of 8 and 12 units. */
const SHIPPED: Record<string, { total: number; convnet25: number[] | null; convnet33: number[] | null }> = {
  learned_dense_concat_convgru_gaussian: { total: 1_418_797, convnet25: [112, 5, 14, 14], convnet33: [112, 9, 14, 14] },
  learned_dense_film_none_gaussian: { total: 4_822_713, convnet25: [536, 5, 14, 14], convnet33: [536, 9, 14, 14] },
  learned_dense_none_convgru_gaussian: { total: 1_190_701, convnet25: [112, 5, 14, 14], convnet33: [112, 9, 14, 14] },
  learned_resnet_concat_convgru_gaussian: {
    total: 4_552_153,
    convnet25: [256, 5, 14, 14],
    convnet33: [256, 9, 14, 14],
  },
  learned_resnet_film_none_gaussian: { total: 299_049, convnet25: [64, 5, 15, 15], convnet33: [64, 9, 15, 15] },
  learned_resnet_none_convgru_gaussian: { total: 4_324_057, convnet25: [256, 5, 14, 14], convnet33: [256, 9, 14, 14] },
  learned_resnet_none_none_gaussian: { total: 2_999_129, convnet25: [256, 5, 14, 14], convnet33: [256, 9, 14, 14] },
  learned_resnet_wide3_none_convgru_gaussian: {
    total: 18_024_914,
    convnet25: [384, 5, 8, 8],
    convnet33: [384, 9, 8, 8],
  },
  modulator_only_convgru: { total: 676_884, convnet25: null, convnet33: null },
};

describe("describeModel()", () => {
  test.each(Object.entries(SHIPPED))("agrees with what is known of %s", (name, { total, convnet25, convnet33 }) => {
    const config = shipped(name);
    const rows = (frames: number) => describeModel(config, { frames, height: 51, width: 51 }, SESSIONS);
    expect(rows(33).reduce((sum, { parameters }) => sum + parameters, 0)).toBe(total);
    const convnet = (frames: number) => rows(frames).findLast(({ path }) => path.startsWith("convnet"))?.output ?? null;
    expect([convnet(25), convnet(33)]).toEqual([convnet25, convnet33]);
  });

  test.each<[string, Record<string, unknown>]>([
    ["resnet", {}],
    ["densenet", { convnet: { ...TINY_CONFIG.convnet, type: "densenet" } }],
    ["vanilla", { convnet: { ...TINY_CONFIG.convnet, type: "vanilla" } }],
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

  test("counts the taps that are multiplied with, not those a window makes zero", () => {
    const stem = describeModel(shipped("learned_resnet_none_convgru_gaussian"), {
      frames: 33,
      height: 51,
      width: 51,
    }).find(({ path }) => path.endsWith("stem_config"))!;
    expect(stem.multiplyAdds).toBe(18 * 45 * 45 * 8 * 4 * 5 * 5);
  });

  test("explains why the reference's cones model fails, were its components there", () => {
    const { convnet } = structuredClone(TINY_CONFIG);
    const block = convnet.params.block_configs[0]!;
    Object.assign(block.conv_params, { stride: 2, padding: [0, 3, 3] });
    Object.assign(block, { pool_params: null });
    const fails = () => describeModel(tinyConfig({ convnet }), { frames: 10, height: 20, width: 20 });
    expect(fails).toThrow("convnet.params.block_configs.0: the block puts out 9 rows, its shortcut only 8");
  });

  test.each<[string, (block: Record<string, unknown>) => void, string]>([
    [
      "groups",
      (block) => Object.assign(block.conv_params as object, { groups: 3 }),
      "3 groups do not divide 4 input and 3 output channels",
    ],
    [
      "a norm behind a split",
      (block) => Object.assign(block, { order: ["pad", "conv", "act", "norm"] }),
      "the norm has 3 channels, its input 6",
    ],
    [
      "a pool larger than its input",
      (block) => Object.assign(block, { pool_params: { type: "max", kernel_size: [1, 30, 1] } }),
      "max pooling spans 30 rows, its input has 11",
    ],
  ])("names the block with a problem: %s", (_, spoil, message) => {
    const { convnet } = structuredClone(TINY_CONFIG);
    spoil(convnet.params.block_configs[0]!);
    const describeIt = () => describeModel(tinyConfig({ convnet }), { frames: 10, height: 20, width: 20 });
    expect(describeIt).toThrow(`convnet.params.block_configs.0: ${message}`);
  });
});

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
});
