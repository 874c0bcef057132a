/**
 * @file What a model configuration says without effect: keys nothing reads, padding a block discards, norm groups that do
 * not divide, places on a map of one pixel (model specification, sections 7 and 8, M-11 and M-31).
 */

import { ignoredKeys } from "../config/ignored-keys.ts";
import { type ModelConfig, ModelConfigSchema } from "../config/model.ts";
import { blockPadding } from "./modules/block.ts";
import type { NetBlockOptions } from "./modules/convnet.ts";
import { convnetOptions, frontendOptions } from "./options.ts";

/** Settings that have no effect, one sentence each, beginning with the key. */
export function modelWarnings(config: ModelConfig): string[] {
  const ignored = ignoredKeys(ModelConfigSchema, config).map(
    ({ path, reason }) => `${path.join(".")}: accepted and ignored${reason === "" ? "" : `, ${reason}`}`,
  );
  const blocks = blocksOf(config).flatMap(([path, block]) => blockWarnings(path, block));
  return [...ignored, ...blocks, ...onePixelWarnings(config)];
}

/** A gru or lstm turns a frame into a single pixel, where a readout has no place to choose. */
function onePixelWarnings({ recurrent, readout }: ModelConfig): string[] {
  if ((recurrent.type !== "gru" && recurrent.type !== "lstm") || readout.type === "linear") return [];
  return [
    `readout.type: ${readout.type} places units on the feature map, but ${recurrent.type} leaves one pixel of it. ` +
      "Write linear.",
  ];
}

/** All convolution blocks by configuration key. */
function blocksOf({ frontend, sampling_rate, convnet }: ModelConfig): [path: string, block: NetBlockOptions][] {
  const front = frontendOptions(frontend, sampling_rate);
  const net = convnetOptions(convnet, 1);
  return [
    ...(front.type === "conv" ? [["frontend.params", front.options] satisfies [string, NetBlockOptions]] : []),
    ...(net?.stem ? [["convnet.params.stem_config", net.stem] satisfies [string, NetBlockOptions]] : []),
    ...(net?.blocks ?? []).map((block, i): [string, NetBlockOptions] => [`convnet.params.block_configs.${i}`, block]),
  ];
}

function blockWarnings(path: string, block: NetBlockOptions): string[] {
  const warnings: string[] = [];
  if (blockPadding(block).discarded) {
    warnings.push(
      `${path}.conv_params.padding: no effect in this block, which is a valid convolution here ` +
        "(a single temporal tap, no causal padding, or no pad in its order). Write 0.",
    );
  }
  const { norm, outChannels } = block;
  if (norm.type === "group" && outChannels % (norm.groups ?? 1) !== 0) {
    warnings.push(`${path}.norm_params.num_groups: ${norm.groups} does not divide ${outChannels} channels, 1 is used`);
  }
  return warnings;
}
