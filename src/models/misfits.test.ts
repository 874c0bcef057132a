/**
 * @file What does not fit together is named by its configuration key before anything is allocated.
 */

import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { Generator, tensorStats } from "../torch/index.ts";
import { buildModel } from "./build.ts";
import { TINY_CONFIG, TINY_SESSIONS, tinyConfig } from "./tiny-model.fake.ts";

const INPUT = { frames: 10, height: 20, width: 22 };

type Block = Record<string, unknown> & { conv_params: Record<string, unknown> };

/** The tiny model with changes to a block, or to the params of its convnet. */
function convnet(changeBlock: (block: Block) => void, type = "resnet", params: Record<string, unknown> = {}) {
  const { convnet: tiny } = structuredClone(TINY_CONFIG);
  changeBlock(tiny.params.block_configs[0] as unknown as Block);
  return { convnet: { type, params: { ...tiny.params, ...params } } };
}

const inBlock = (change: Record<string, unknown>) => convnet((block) => Object.assign(block, change));
const inConv = (change: Record<string, unknown>) => convnet(({ conv_params }) => Object.assign(conv_params, change));
const BLOCK = "convnet.params.block_configs.0";

const MISFITS: [what: string, change: Record<string, unknown>, message: string][] = [
  [
    "squeeze pools behind a split relu",
    inBlock({ pool_params: { type: "aablur", r: 1 } }),
    `${BLOCK}.pool_params: aablur pooling of 3 channels, its input has 6`,
  ],
  [
    "fewer channels than squeeze-excite divides by",
    inBlock({ act_type: "silu", pool_params: { type: "se_pool", r: 8 } }),
    `${BLOCK}.pool_params.r: nothing remains of 3 channels`,
  ],
  [
    "channels that local attention was not made for",
    inBlock({ act_type: "silu", pool_params: { type: "locatt", channels: 6 } }),
    `${BLOCK}.pool_params: locatt pooling of 6 channels, its input has 3`,
  ],
  [
    "fewer lags than temporal taps",
    { frontend: { type: "learnable_temporal", params: { kernel_size: 16 } } },
    "frontend.params.kernel_size: the kernel spans 16 frames, its input has 10",
  ],
  [
    "fewer lags than dilated taps",
    { frontend: { type: "learnable_temporal", params: { kernel_size: 6, dilation: 2 } } },
    "frontend.params.kernel_size: the kernel spans 11 frames, its input has 10",
  ],
  [
    "channels in front of temporal kernels",
    { initial_input_channels: 2 },
    "frontend: a learnable_temporal frontend takes 1 input channel, found 2",
  ],
  [
    "frames that are too small to be split",
    {
      adapter: { type: "adapter", params: { grid_size: 2 } },
      frontend: { type: "learnable_temporal", params: { kernel_size: 4, split_MP: true } },
    },
    "frontend.params.split_MP: frames of 2 x 2 pixels are too small to be split",
  ],
  [
    "a kernel larger than the frame",
    inConv({ kernel_size: [3, 17, 3] }),
    `${BLOCK}: the kernel spans 17 rows, its input has 15`,
  ],
  [
    "groups that do not divide the channels",
    inConv({ groups: 3 }),
    `${BLOCK}: 3 groups do not divide 4 input and 3 output channels`,
  ],
  [
    "a norm behind the split that doubles channels",
    inBlock({ order: ["pad", "conv", "act", "norm"] }),
    `${BLOCK}: the norm has 3 channels, its input 6`,
  ],
  [
    "a shortcut that is smaller than its block",
    convnet((block) => {
      Object.assign(block.conv_params, { stride: 2, padding: [0, 3, 3] });
      block.pool_params = null;
    }),
    `${BLOCK}: the block puts out 9 rows, its shortcut only 8`,
  ],
  [
    "a pool whose stride is not the shortcut's along lags",
    inBlock({
      causal: false,
      order: ["conv", "norm", "act", "pool"],
      pool_params: { type: "max", kernel_size: [1, 2, 2], stride: [2, 2, 2], padding: [0, 1, 1] },
      conv_params: { kernel_size: 3, padding: [3, 1, 1] },
    }),
    `${BLOCK}: the block puts out 5 frames, its shortcut only 3`,
  ],
  [
    "features in front of a dense block that are smaller than its output",
    convnet((block) => {
      block.conv_params.padding = [0, 4, 4];
      block.pool_params = null;
    }, "densenet"),
    `${BLOCK}: the block puts out 19 rows, what comes before it only 15`,
  ],
  [
    "a pool larger than its input",
    inBlock({ pool_params: { type: "max", kernel_size: [1, 30, 1] } }),
    `${BLOCK}: max pooling spans 30 rows, its input has 11`,
  ],
  [
    "an average over more frames than there are, padded or not",
    inBlock({ pool_params: { type: "avg", kernel_size: [6, 1, 1], padding: [2, 0, 0] } }),
    `${BLOCK}: avg pooling spans 6 frames, its input has 5`,
  ],
  [
    "a pool padded by more than half its window",
    inBlock({ pool_params: { type: "max", kernel_size: 2, padding: 2 } }),
    `${BLOCK}: max pooling over 2 frames is padded by 2`,
  ],
  [
    "a mirror image longer than the frame",
    inBlock({
      order: ["conv"],
      causal: false,
      conv_params: { kernel_size: 3, padding: [5, 1, 1], padding_mode: "reflect" },
    }),
    `${BLOCK}: reflect padding by 5 frames, its input has 5`,
  ],
  [
    "a split after the last block",
    convnet(() => {}, "resnet", { final_activation: "splitrelu" }),
    "convnet.params.final_activation: splitrelu doubles channels: use it in blocks",
  ],
  [
    "frames dropped to the last",
    { frontend: { type: "temporal_basis", params: { chomp: 10 } } },
    "frontend.params.chomp: drops 10 frames at the start, the stimulus has 10",
  ],
];

describe("buildModel() refuses, without allocating anything,", () => {
  test.each(MISFITS)("%s", (_, change, message) => {
    const { created } = tensorStats();
    const generator = new Generator(1);
    const build = () => buildModel(tinyConfig(change), TINY_SESSIONS, { generator, input: INPUT });
    expect(build).toThrow(UserError);
    expect(build).toThrow(`Model does not fit: ${message}`);
    expect(tensorStats().created).toBe(created);
  });
});
