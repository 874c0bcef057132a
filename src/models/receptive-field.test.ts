import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { Generator, randn, scope, setNumThreads, type Tensor } from "../torch/index.ts";
import { buildModel } from "./build.ts";
import { pixelField, visibleLags } from "./receptive-field.ts";
import { describeModel } from "./shapes.ts";
import { tinyConfig } from "./tiny-model.fake.ts";

setNumThreads(1);

const SESSION = { name: "a", nUnits: 4 };
/** So many samples that every position wins a maximum in some of them. */
const BATCH = 24;

function shipped(name: string): ModelConfig {
  const path = `../../experiments/model_configs/${name}.yaml`;
  return loadModelConfig(fileURLToPath(new URL(path, import.meta.url))).config;
}

function lagsFrom(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/**
 * Positions along an axis of the stimulus that have a gradient, in weights of which a part of the last frame of the
 * features is summed.
 */
function reached(
  config: ModelConfig,
  size: readonly number[],
  axis: 2 | 3 | 4,
  part: (last: Tensor) => Tensor = (last) => last,
): number[] {
  return scope(() => {
    const generator = new Generator(5);
    const [frames, height, width] = size as [number, number, number];
    const input = { frames, height, width };
    const twin = buildModel(config, [SESSION], { generator, formulation: "reference", input });
    twin.eval();
    const stimulus = randn([BATCH, config.initial_input_channels, ...size], generator).setRequiresGrad();
    const behavior = config.modulator.type === "none" ? null : randn([BATCH, 2], generator);
    const features = twin.coreForward(config.lag_order === "oldest_first" ? stimulus.flip(2) : stimulus, behavior);
    const summed = part(features.select(2, -1));
    // Weights of both signs, so that nothing cancels as the plain sum of a normalised map would.
    summed.mul(randn(summed.shape, generator)).sum().backward();
    const others = [0, 1, 2, 3, 4].filter((dim) => dim !== axis);
    const gradients = [...stimulus.grad!.abs().sum(others).toTypedArray()];
    twin.dispose();
    return [...gradients.keys()].filter((i) => gradients[i] !== 0);
  });
}

const ascending = (values: readonly number[]) => values.toSorted((a, b) => a - b);

// --- random models -----------------------------------------------------------------------------------------------------

/** Draws from a list, the same for the same seed. */
function dice(seed: number): <T>(options: readonly T[]) => T {
  let state = seed * 2654435761;
  return (options) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return options[(state >>> 8) % options.length]!;
  };
}

function randomModel(seed: number): unknown {
  const roll = dice(seed);
  const block = (norms: readonly string[]) => ({
    conv_params: {
      kernel_size: [roll([1, 2, 3, 5]), roll([1, 3]), roll([1, 3])],
      stride: roll([1, 1, 1, 2, [2, 1, 1]]),
      dilation: roll([1, 1, [2, 1, 1]]),
      padding: roll([0, 1, [1, 0, 0]]),
      padding_mode: roll(["replicate", "zeros"]),
      aa_signal: roll([true, false]),
      bias: true,
    },
    norm_type: roll(norms),
    act_type: roll(["none", "gelu", "splitrelu"]),
    causal: roll([true, true, false]),
    pool_params: roll([
      null,
      null,
      { type: "max", kernel_size: 2, stride: 2 },
      { type: "avg", kernel_size: [3, 1, 1], stride: [2, 1, 1], padding: [1, 0, 0] },
      { type: "max", kernel_size: [2, 2, 2], stride: 1 },
      { type: "adaptiveavg", kernel_size: [3, 2, 2] },
    ]),
    order: roll([
      ["pad", "conv", "norm", "act", "pool"],
      ["conv", "norm", "act", "pool"],
      ["pad", "conv", "pool", "act"],
    ]),
  });
  const norms = roll([
    ["none", "rms", "batch"],
    ["none", "rms", "grn", "instance"],
  ]);
  const frontend = roll([
    { type: "none" },
    {
      type: "learnable_temporal",
      params: {
        kernel_size: roll([4, 6]),
        num_channels: 3,
        aa_signal: roll([true, false]),
        dilation: roll([1, [2, 1, 1]]),
      },
    },
    { type: "da", params: { filter_length: 5, beta: 0.1 } },
    {
      type: "temporal_basis",
      params: {
        num_cosine_funcs: 3,
        history_bins: roll([4, 6]),
        peak_range_ms: [5, 15],
        causal: roll([true, false]),
        chomp: roll([null, 2]),
      },
    },
    { type: "conv", params: { ...block(norms), out_channels: 3 } },
  ]);
  const type = roll(["resnet", "densenet", "vanilla", "none"]);
  const convnet =
    type === "none"
      ? { type }
      : {
          type,
          params: {
            channels: [4, 4],
            stem_config: roll([null, { ...block(norms), out_channels: 3 }]),
            block_configs: [block(norms), block(norms)],
          },
        };
  return {
    model_type: "v1multi",
    lag_order: roll(["newest_first", "oldest_first"]),
    frontend,
    convnet,
    modulator: roll([
      { type: "none" },
      { type: "none" },
      { type: "film" },
      { type: "convgru", params: { hidden_dim: 3 } },
    ]),
    recurrent: roll([
      { type: "none" },
      { type: "none" },
      { type: "convgru", params: { hidden_dim: 3, n_layers: 2 } },
      { type: "gru", params: { hidden_dim: 3 } },
    ]),
    readout: { type: "gaussian" },
  };
}

/** Random models that fit stimuli of that size. */
function fittingModels(count: number, size: readonly [number, number, number]): ModelConfig[] {
  const [frames, height, width] = size;
  const models: ModelConfig[] = [];
  for (let seed = 1; models.length < count; seed++) {
    const config = parseModelConfig(randomModel(seed));
    try {
      describeModel(config, { frames, height, width }, [SESSION]);
      if (visibleLags(config, frames) !== null) models.push(config);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return models;
}

// --- tests -------------------------------------------------------------------------------------------------------------

describe("visibleLags()", () => {
  test.each<[string, number, number[], number[]]>([
    ["learned_resnet_none_none_gaussian", 33, lagsFrom(11, 31), lagsFrom(1, 10)],
    ["learned_resnet_none_none_gaussian", 25, lagsFrom(3, 23), lagsFrom(1, 2)],
    ["learned_dense_film_none_gaussian", 33, lagsFrom(11, 31), lagsFrom(1, 10)],
    ["learned_resnet_film_none_gaussian", 33, lagsFrom(11, 31), lagsFrom(1, 10)],
    ["learned_resnet_none_convgru_gaussian", 33, lagsFrom(1, 31), []],
  ])("finds what was measured in %s with %d lags", (name, frames, seen, viaNorms) => {
    expect(visibleLags(shipped(name), frames)).toMatchObject({ seen, viaNorms });
  });

  test("turns round with the lag order, and says when a recurrence reads backwards", () => {
    const seen = (name: string, lag_order: ModelConfig["lag_order"]) =>
      visibleLags({ ...shipped(name), lag_order }, 33)!;
    expect(seen("learned_resnet_none_none_gaussian", "oldest_first").seen).toEqual(lagsFrom(1, 21));
    expect(seen("learned_resnet_none_convgru_gaussian", "newest_first").scansToOldest).toBe(true);
    expect(seen("learned_resnet_none_convgru_gaussian", "oldest_first").scansToOldest).toBe(false);
    expect(seen("learned_resnet_none_none_gaussian", "newest_first").scansToOldest).toBe(false);
  });

  test("has nothing to say about models that see behaviour only", () => {
    expect(visibleLags(shipped("modulator_only_convgru"), 33)).toBeNull();
    expect(pixelField(shipped("modulator_only_convgru"), { frames: 33, height: 51, width: 51 })).toBeNull();
  });

  test("agrees with the gradient of a tiny flagship, with and without its norms over frames", () => {
    const size = [17, 20, 20];
    const config = tinyConfig({ adapter: { type: "none" }, recurrent: { type: "none" } });
    const { seen, viaNorms } = visibleLags(config, 17)!;
    expect(viaNorms).not.toEqual([]);
    expect(reached(config, size, 2)).toEqual(ascending([...viaNorms, ...seen]));
    const { convnet } = structuredClone(config);
    if (convnet.type === "resnet") for (const block of convnet.params.block_configs) block.norm_type = "none";
    expect(reached({ ...config, convnet }, size, 2)).toEqual(seen);
  });

  test("agrees with gradients, to the lag, in 80 random models", () => {
    const size = [14, 9, 9] as const;
    for (const config of fittingModels(80, size)) {
      const { seen, viaNorms } = visibleLags(config, size[0])!;
      expect(reached(config, size, 2), JSON.stringify(config)).toEqual(ascending([...seen, ...viaNorms]));
    }
  });
});

describe("pixelField()", () => {
  test("agrees with gradients, to the pixel, in 40 random convnets", () => {
    const size = [14, 21, 17] as const;
    const norms = /"(grn|instance)"/;
    const models = fittingModels(80, size).filter((config) => !norms.test(JSON.stringify(config)));
    for (const { modulator, recurrent, ...rest } of models.slice(0, 40)) {
      const config = parseModelConfig(rest);
      const field = pixelField(config, { frames: size[0], height: size[1], width: size[2] })!;
      for (const [i, axis] of ([3, 4] as const).entries()) {
        const middle = (last: Tensor) => last.select(axis - 1, last.shape[axis - 1]! >> 1);
        const seen = reached(config, size, axis, middle);
        expect(field.size[i], JSON.stringify(config)).toBe(seen.at(-1)! - seen[0]! + 1);
      }
    }
    expect(models.length).toBeGreaterThanOrEqual(40);
  });

  test("knows the field behind an adapter, whose first view is the central 69 % of the frame", () => {
    const field = pixelField(shipped("learned_resnet_none_convgru_gaussian"), { frames: 33, height: 51, width: 71 })!;
    // 5 live taps, then 7, a pool of 2, then 3 of the pooled: 5 + 6 + 1 + 2 * 2.
    expect(field).toMatchObject({ size: [16, 16], step: [2, 2], frame: [51, 51], view: Math.LN2 });
    expect(field.spacing.map((pixels) => Number(pixels.toFixed(4)))).toEqual([0.6793, 0.9565]);
  });
});
