/**
 * @file A model stage by stage, from its configuration alone: shapes, parameters, cost. Nothing is allocated. Finds what
 * does not fit and names the configuration key (model specification, sections 2.3 and 20).
 */

import type { AdapterConfig, ModelConfig, ReadoutConfig } from "../config/model.ts";
import type { AdapterOptions } from "./modules/adapter.ts";
import { blockPadding } from "./modules/block.ts";
import type { NetBlockOptions } from "./modules/convnet.ts";
import type { LearnableTemporalOptions } from "./modules/frontend.ts";
import type { SpikeHistoryOptions } from "./modules/history.ts";
import { encoderOptions, type ModulatorOptions } from "./modules/modulator.ts";
import type { ConvGruOptions } from "./modules/recurrent.ts";
import { SMALLEST_SPLIT_SIZE } from "./modules/split-mp.ts";
import {
  adapterOptions,
  convnetOptions,
  frontendOptions,
  historyOptions,
  modulatorOptions,
  readoutOptions,
  recurrentOptions,
} from "./options.ts";
import {
  blockStage,
  convnetStages,
  convStage,
  type FeatureShape,
  misfit,
  mlpCost,
  product,
  type Stage,
} from "./shape-rules.ts";

export type { FeatureShape } from "./shape-rules.ts";

/** One recording's part of a model. `adapter` and `readout` take the place of the model's own. */
export interface SessionSpec {
  name: string;
  nUnits: number;
  adapter?: AdapterConfig;
  readout?: ReadoutConfig;
}

/** Size of a stimulus: frames (lags) and pixels. */
export interface InputShape {
  frames: number;
  height: number;
  width: number;
}

/** One stage of a model. */
export interface ModelRow {
  /** Key in the model config. */
  path: string;
  /** Shape of the result, without the batch. */
  output: readonly number[];
  /** Elements of all parameters, as the reference counts them: weight norm's unused copies included. */
  parameters: number;
  /** Multiply-adds of a forward pass per sample; taps that a window makes zero do not count. */
  multiplyAdds: number;
}

/** Sizes that are not known yet. Everything fits into them, so that only widths are checked. */
export const UNKNOWN_INPUT: InputShape = {
  frames: Number.POSITIVE_INFINITY,
  height: Number.POSITIVE_INFINITY,
  width: Number.POSITIVE_INFINITY,
};

/** Whether a model has no use for a stimulus: adapters, frontend and convnet are all switched off. */
export function ignoresStimulus(config: ModelConfig, sessions: readonly SessionSpec[]): boolean {
  const adapters = sessions.map(({ adapter }) => adapter ?? config.adapter);
  return [...adapters, config.frontend, config.convnet].every(({ type }) => type === "none");
}

/**
 * The stages of a model for stimuli of a given size. The rows of adapters and readouts stand for all sessions: parameters
 * add up, shape and cost are those of the first and of the most expensive one.
 *
 * @throws UserError naming the configuration key of the first stage that does not fit or is not available
 */
export function describeModel(
  config: ModelConfig,
  input: InputShape,
  sessions: readonly SessionSpec[] = [{ name: "session", nUnits: 1 }],
): ModelRow[] {
  const stimulus: FeatureShape = ignoresStimulus(config, sessions)
    ? [config.initial_input_channels, 1, 1, 1]
    : [config.initial_input_channels, input.frames, input.height, input.width];
  const adapted = sessions.map(({ adapter = config.adapter }) => adapterStage(adapterOptions(adapter), stimulus));
  const shapes = new Map(adapted.map(({ output }) => [output.join(), output]));
  const cores = [...shapes.values()].map((shape) => describeCore(config, shape));
  const core = cores[0]!;
  const features = core.at(-1)!.output;
  const readouts = sessions.map((session) => readoutRow(config, session, features));
  const history = sessions.flatMap(({ nUnits }) => historyOptions(config, nUnits) ?? []);
  return [
    merged("adapter", adapted),
    ...core,
    merged("readout", readouts),
    ...(history.length > 0 ? [merged("history_encoder", history.map(historyRow))] : []),
  ];
}

function merged(path: string, rows: readonly Omit<ModelRow, "path">[]): ModelRow {
  return {
    path,
    output: rows[0]!.output,
    parameters: rows.reduce((sum, row) => sum + row.parameters, 0),
    multiplyAdds: Math.max(...rows.map((row) => row.multiplyAdds)),
  };
}

/** The shared stages, frontend to recurrent, for adapted stimuli of a given shape. Throws like {@link describeModel}. */
export function describeCore(config: ModelConfig, input: FeatureShape): (ModelRow & Stage)[] {
  const rows: (ModelRow & Stage)[] = [];
  let shape = input;
  const add = (path: string, stage: Stage) => {
    rows.push({ path, ...stage });
    shape = stage.output;
  };
  add("frontend", frontendStage(config, shape));
  const convnet = convnetOptions(config.convnet, shape[0]);
  if (convnet) for (const [path, stage] of convnetStages(convnet, shape, "convnet.params")) add(path, stage);
  const modulator = modulatorOptions(config.modulator, shape[0]);
  if (modulator) add("modulator", modulatorStage(modulator, shape));
  const recurrent = recurrentOptions(config.recurrent, shape[0]);
  if (recurrent) add("recurrent", recurrentStage(recurrent, shape));
  return rows;
}

// --- stages ------------------------------------------------------------------------------------------------------------

function adapterStage(options: AdapterOptions | null, input: FeatureShape): Stage {
  if (!options) return { output: input, parameters: 0, multiplyAdds: 0 };
  const [channels, frames, height, width] = input;
  const { gridSize, transform } = options;
  const perFrame = gridSize * width * height + gridSize * gridSize * height;
  return {
    output: [channels, frames, gridSize, gridSize],
    parameters: 1 + (transform === "scale" ? 2 : 6),
    multiplyAdds: channels * frames * perFrame,
  };
}

function frontendStage(config: ModelConfig, input: FeatureShape): Stage {
  const frontend = frontendOptions(config.frontend);
  switch (frontend.type) {
    case "none":
      return { output: input, parameters: 0, multiplyAdds: 0 };
    case "adapter":
      return adapterStage(frontend.options, input);
    case "conv":
      return blockStage({ ...frontend.options, inChannels: input[0] }, input, "frontend.params");
    case "learnable_temporal":
      return temporalStage(frontend.options, input);
  }
}

function temporalStage(options: LearnableTemporalOptions, input: FeatureShape): Stage {
  if (input[0] !== 1) {
    const message = `a learnable_temporal frontend takes 1 input channel, found ${input[0]}`;
    throw misfit("frontend", message, "Set initial_input_channels to 1.");
  }
  if (options.splitMP && Math.min(input[2], input[3]) < SMALLEST_SPLIT_SIZE) {
    throw misfit("frontend.params.split_MP", `frames of ${input[2]} x ${input[3]} pixels are too small to be split`);
  }
  const inChannels = options.splitMP ? 2 : 1;
  const [, ...size] = input;
  return convStage(
    {
      ...options,
      inChannels,
      outChannels: options.channels,
      kernelSize: [options.kernelSize, 1, 1],
      groups: inChannels,
    },
    [inChannels, ...size],
    "frontend.params.kernel_size",
  );
}

function modulatorStage(options: ModulatorOptions, input: FeatureShape): Stage {
  const { type, featureDim } = options;
  const encoder = encoderOptions(options);
  const { parameters, multiplyAdds } = mlpCost(encoder);
  const [, ...size] = input;
  if (type === "concat") return { output: [featureDim + encoder.outputDim, ...size], parameters, multiplyAdds };
  return {
    output: input,
    parameters: parameters + 2 * (encoder.outputDim + 1) * featureDim,
    multiplyAdds: multiplyAdds + 2 * encoder.outputDim * featureDim + product(input),
  };
}

function recurrentStage({ inChannels, hiddenDims, kernelSizes }: ConvGruOptions, input: FeatureShape): Stage {
  const [, frames, height, width] = input;
  let parameters = 0;
  let multiplyAdds = 0;
  let from = inChannels;
  for (const [i, hidden] of hiddenDims.entries()) {
    const taps = kernelSizes[i]! ** 2;
    parameters += 3 * (hidden * (from + hidden) * taps + hidden);
    // The first frame has no state to convolve.
    multiplyAdds += 3 * hidden * taps * height * width * (frames * from + (frames - 1) * hidden);
    from = hidden;
  }
  return { output: [from, frames, height, width], parameters, multiplyAdds };
}

function readoutRow(config: ModelConfig, session: SessionSpec, features: FeatureShape): Omit<ModelRow, "path"> {
  const [channels, , height, width] = features;
  const { nUnits } = session;
  const options = readoutOptions(session.readout ?? config.readout, channels, nUnits);
  const perUnit = channels + (options.bias ? 1 : 0) + (options.type === "gaussian" ? 5 : 0);
  const baseline = config.baseline.enabled ? 1 : 0;
  const pixels = options.type === "gaussian" ? height * width : 1;
  return { output: [nUnits], parameters: nUnits * (perUnit + baseline), multiplyAdds: nUnits * channels * pixels };
}

function historyRow({ numLags, nUnits, network }: SpikeHistoryOptions): Omit<ModelRow, "path"> {
  return { output: [nUnits], ...mlpCost({ ...network, inputDim: numLags * nUnits, outputDim: nUnits }) };
}

// --- warnings ----------------------------------------------------------------------------------------------------------

/** Settings that have no effect, as sentences for the user: padding a block discards, norm groups that do not divide. */
export function modelWarnings(config: ModelConfig): string[] {
  const warnings: string[] = [];
  const check = (block: NetBlockOptions, path: string) => {
    if (blockPadding(block).discarded) {
      warnings.push(
        `${path}.conv_params.padding: no effect in this block, which is a valid convolution here ` +
          "(a single temporal tap, no causal padding, or no pad in its order). Write 0.",
      );
    }
    const { norm, outChannels } = block;
    if (norm.type === "group" && outChannels % (norm.groups ?? 1) !== 0) {
      warnings.push(
        `${path}.norm_params.num_groups: ${norm.groups} does not divide ${outChannels} channels, 1 is used`,
      );
    }
  };
  const frontend = frontendOptions(config.frontend);
  if (frontend.type === "conv") check(frontend.options, "frontend.params");
  const convnet = convnetOptions(config.convnet, 1);
  if (convnet?.stem) check(convnet.stem, "convnet.params.stem_config");
  for (const [i, block] of convnet?.blocks.entries() ?? []) check(block, `convnet.params.block_configs.${i}`);
  return warnings;
}
