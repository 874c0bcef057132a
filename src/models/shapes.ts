/**
 * @file A model stage by stage, from its configuration alone: shapes, parameters, cost. Nothing is allocated. Finds what
 * does not fit and names the configuration key (model specification, sections 2.3 and 20).
 */

import type { AdapterConfig, ModelConfig, ReadoutConfig } from "../config/model.ts";
import type { AdapterOptions } from "./modules/adapter.ts";
import type { DynamicAdaptationOptions } from "./modules/dynamic-adaptation.ts";
import type { LearnableTemporalOptions } from "./modules/frontend.ts";
import type { SpikeHistoryOptions } from "./modules/history.ts";
import {
  type ConvGruModulatorOptions,
  encoderOptions,
  type ModulatorOptions,
  modulatorGruOptions,
} from "./modules/modulator.ts";
import type { ConvGruOptions } from "./modules/recurrent.ts";
import { gatesOf, type RnnOptions } from "./modules/rnn.ts";
import { fitsShifter, type ShifterOptions, shifterNeeds } from "./modules/shifter.ts";
import { SMALLEST_SPLIT_SIZE } from "./modules/split-mp.ts";
import { basisSize, type TemporalBasisOptions } from "./modules/temporal-basis.ts";
import {
  adapterOptions,
  convnetOptions,
  type FeatureMap,
  frontendOptions,
  historyOptions,
  modulatorOptions,
  type ReadoutOptions,
  readoutOptions,
  recurrentOptions,
  shifterOptions,
} from "./options.ts";
import {
  blockStage,
  type Cost,
  convnetStages,
  convStage,
  type FeatureShape,
  type Layer,
  misfit,
  mlpCost,
  product,
  type Stage,
  totalCost,
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

/** One stage of a model. Its costs are those of its layers together. */
export interface ModelRow extends Required<Cost> {
  /** Key in the model config; what has none is in brackets. */
  path: string;
  /** Shape of the result, without the batch. */
  output: readonly number[];
  /** Convolution, norm, activation, pool and shortcut of a block. */
  layers: readonly ModelRow[];
}

type CoreRow = ModelRow & { output: FeatureShape };

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
  const stimulus = stimulusShape(config, input, sessions);
  const adapted = sessions.map(({ adapter = config.adapter }) => adapterStage(adapterOptions(adapter), stimulus));
  const cores = new Map(adapted.map(({ output }) => [output.join(), describeCore(config, output)]));
  checkFrameSizes(config, [...cores.values()]);
  const coreOf = ({ output }: Stage) => cores.get(output.join())!;
  const readouts = sessions.map((session, i) => readoutRow(config, session, coreOf(adapted[i]!).at(-1)!.output));
  const shifter = shifterOptions(config.shifter);
  const history = sessions.flatMap(({ nUnits }) => historyOptions(config, nUnits) ?? []);
  return [
    merged("adapter", adapted),
    ...coreOf(adapted[0]!),
    merged("readout", readouts),
    ...(shifter
      ? [
          merged(
            "shifter",
            sessions.map(() => shifterRow(shifter)),
          ),
        ]
      : []),
    ...(history.length > 0 ? [merged("history_encoder", history.map(historyRow))] : []),
  ];
}

/** A recurrence over whole frames has weights for every pixel, so the frames of all sessions must be of one size. */
function checkFrameSizes({ recurrent: { type } }: ModelConfig, cores: readonly (readonly CoreRow[])[]): void {
  if (type !== "gru" && type !== "lstm") return;
  const sizes = new Set(cores.map((rows) => rows.at(-2)!.output.slice(2).join(" x ")));
  if (sizes.size === 1) return;
  const message = `type ${type} reads whole frames, and those of the sessions differ: ${[...sizes].join(", ")} pixels`;
  throw misfit("recurrent", message, "Give all adapters the same grid_size.");
}

/** The map that each session's readout reads, for stimuli of a given size. Throws like {@link describeModel}. */
export function describeFeatures(
  config: ModelConfig,
  input: InputShape,
  sessions: readonly SessionSpec[],
): FeatureMap[] {
  const stimulus = stimulusShape(config, input, sessions);
  return sessions.map(({ adapter = config.adapter }) => {
    const adapted = adapterStage(adapterOptions(adapter), stimulus).output;
    const [channels, , height, width] = describeCore(config, adapted).at(-1)!.output;
    return { channels, height, width };
  });
}

function stimulusShape(config: ModelConfig, input: InputShape, sessions: readonly SessionSpec[]): FeatureShape {
  const channels = config.initial_input_channels;
  if (ignoresStimulus(config, sessions)) return [channels, 1, 1, 1];
  return [channels, input.frames, input.height, input.width];
}

/** A row for all sessions: a sample passes through one of them. */
function merged(path: string, stages: readonly SessionStage[]): ModelRow {
  const { output } = stages[0]!;
  const most = (of: (cost: Required<Cost>) => number) => Math.max(...stages.map((stage) => of(totalCost([stage]))));
  return {
    path,
    output,
    ...totalCost(stages),
    multiplyAdds: most(({ multiplyAdds }) => multiplyAdds),
    activations: most(({ activations }) => activations),
    float32: most(({ float32 }) => float32),
    layers: [],
  };
}

function rowOf<Shape extends readonly number[]>(
  path: string,
  stage: Cost & { output: Shape; layers?: readonly Layer[] },
): ModelRow & { output: Shape } {
  const layers = stage.layers ?? [];
  return {
    path,
    output: stage.output,
    ...totalCost([stage]),
    layers: layers.map(({ key, ...layer }) => rowOf(key.startsWith("(") ? `${path} ${key}` : `${path}.${key}`, layer)),
  };
}

/** The shared stages, frontend to recurrent, for adapted stimuli of a given shape. Throws like {@link describeModel}. */
export function describeCore(config: ModelConfig, input: FeatureShape): CoreRow[] {
  const rows: CoreRow[] = [];
  let shape = input;
  const add = (path: string, stage: Stage) => {
    rows.push(rowOf(path, stage));
    shape = stage.output;
  };
  add("frontend", frontendStage(config, shape));
  const convnet = convnetOptions(config.convnet, shape[0]);
  if (convnet) for (const [path, stage] of convnetStages(convnet, shape, "convnet.params")) add(path, stage);
  const modulator = modulatorOptions(config.modulator, shape[0]);
  if (modulator) add("modulator", modulatorStage(modulator, shape));
  const [channels, , height, width] = shape;
  const recurrent = recurrentOptions(config.recurrent, { channels, height, width });
  if (recurrent)
    add("recurrent", recurrent.type === "convgru" ? gruStage(recurrent, shape) : rnnStage(recurrent, shape));
  return rows;
}

// --- stages ------------------------------------------------------------------------------------------------------------

/** A stage that is switched off. */
function passedOn(input: FeatureShape): Stage {
  return { output: input, parameters: 0, multiplyAdds: 0, activations: 0 };
}

function adapterStage(options: AdapterOptions | null, input: FeatureShape): Stage {
  if (!options) return passedOn(input);
  const [channels, frames, height, width] = input;
  const { gridSize, transform } = options;
  const perFrame = gridSize * width * height + gridSize * gridSize * height;
  return {
    output: [channels, frames, gridSize, gridSize],
    parameters: 1 + (transform === "scale" ? 2 : 6),
    multiplyAdds: channels * frames * perFrame,
    float32: channels * frames * gridSize * gridSize,
  };
}

function frontendStage(config: ModelConfig, input: FeatureShape): Stage {
  const frontend = frontendOptions(config.frontend, config.sampling_rate);
  switch (frontend.type) {
    case "none":
      return passedOn(input);
    case "adapter":
      return adapterStage(frontend.options, input);
    case "conv":
      return blockStage({ ...frontend.options, inChannels: input[0] }, input, "frontend.params");
    case "learnable_temporal":
      return temporalStage(frontend.options, input);
    case "da":
      return adaptationStage(frontend.options, input);
    case "temporal_basis":
      return basisStage(frontend.options, input);
  }
}

function requireOneChannel(type: string, channels: number): void {
  if (channels === 1) return;
  const message = `a ${type} frontend takes 1 input channel, found ${channels}`;
  throw misfit("frontend", message, "Set initial_input_channels to 1.");
}

function temporalStage(options: LearnableTemporalOptions, input: FeatureShape): Stage {
  requireOneChannel("learnable_temporal", input[0]);
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

function adaptationStage({ cone, learnable }: DynamicAdaptationOptions, input: FeatureShape): Stage {
  requireOneChannel("da", input[0]);
  const perPixel = 2 * Math.min(cone.filter_length, input[1]);
  const [parameters, fixed] = [7, learnable ? 0 : 7];
  // Both filtered stimuli and their quotient.
  const activations = 3 * product(input);
  const multiplyAdds = perPixel * product(input);
  return { output: input, parameters, fixed, multiplyAdds, activations, float32: activations };
}

function basisStage({ basis, batchNorm, chomp }: TemporalBasisOptions, input: FeatureShape): Stage {
  const [channels, frames, height, width] = input;
  const functions = basisSize(basis);
  if (functions === 0) throw misfit("frontend.params.num_cosine_funcs", "the basis has no functions");
  if (chomp >= frames) {
    throw misfit("frontend.params.chomp", `drops ${chomp} frames at the start, the stimulus has ${frames}`);
  }
  return {
    output: [channels * functions, frames - chomp, height, width],
    parameters: batchNorm ? 2 * functions : 0,
    multiplyAdds: functions * Math.min(basis.history_bins + 1, frames) * product(input),
  };
}

function modulatorStage(options: ModulatorOptions, input: FeatureShape): Stage {
  const { type, featureDim } = options;
  if (type === "convgru") return gruModulatorStage(options, input);
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

function gruModulatorStage(options: ConvGruModulatorOptions, [, frames, height, width]: FeatureShape): Stage {
  const { behaviorDim, embeddingDim, hiddenDim } = options;
  const gruOptions = modulatorGruOptions(options);
  const input: FeatureShape = [gruOptions.inChannels, frames, height, width];
  const output: FeatureShape = [hiddenDim, 1, height, width];
  const parts = [
    gruStage(gruOptions, input),
    {
      parameters: (behaviorDim + 1) * embeddingDim,
      multiplyAdds: behaviorDim * embeddingDim,
      activations: embeddingDim,
    },
    {
      parameters: (hiddenDim + 1) * hiddenDim,
      multiplyAdds: hiddenDim * product(output),
      activations: product(output),
    },
  ];
  return { output, ...totalCost(parts) };
}

function rnnStage({ type, frame, hiddenDim, layers }: RnnOptions, input: FeatureShape): Stage {
  const frames = input[1];
  const rows = gatesOf(type) * hiddenDim;
  const inputs = Array.from({ length: layers }, (_, i) => (i === 0 ? product(frame) : hiddenDim));
  const weights = inputs.reduce((sum, from) => sum + rows * (from + hiddenDim), 0);
  return {
    output: [hiddenDim, frames, 1, 1],
    parameters: weights + layers * 2 * rows,
    multiplyAdds: frames * weights,
    // The input in another order; per frame and layer the gates and the state.
    activations: frames * (product(frame) + layers * (rows + hiddenDim)),
  };
}

function gruStage({ inChannels, hiddenDims, kernelSizes }: ConvGruOptions, input: FeatureShape): Stage {
  const [, frames, height, width] = input;
  let parameters = 0;
  let multiplyAdds = 0;
  let activations = 0;
  let from = inChannels;
  for (const [i, hidden] of hiddenDims.entries()) {
    // The input in another order; per frame update, reset, candidate, the part of the state that is reset, the step, the state.
    activations += frames * height * width * (from + 6 * hidden);
    const taps = kernelSizes[i]! ** 2;
    parameters += 3 * (hidden * (from + hidden) * taps + hidden);
    // The first frame has no state to convolve.
    multiplyAdds += 3 * hidden * taps * height * width * (frames * from + (frames - 1) * hidden);
    from = hidden;
  }
  return { output: [from, frames, height, width], parameters, multiplyAdds, activations };
}

/** Units instead of features. */
type SessionStage = Cost & { output: readonly number[] };

function readoutRow(config: ModelConfig, session: SessionSpec, features: FeatureShape): SessionStage {
  const [channels, , height, width] = features;
  const { nUnits } = session;
  checkShifts(config, session);
  const options = readoutOptions(session.readout ?? config.readout, { channels, height, width }, nUnits);
  const perUnit = channels + (options.bias ? 1 : 0) + (config.baseline.enabled ? 1 : 0);
  const { own, multiplyAdds, activations } = readoutCost(options, height * width, config.shifter.type !== "none");
  return { output: [nUnits], parameters: nUnits * (perUnit + own), multiplyAdds, activations: activations + nUnits };
}

/** A readout's multiply-adds and what it keeps beside its output; parameters per unit beside features and bias. */
function readoutCost(
  options: ReadoutOptions,
  pixels: number,
  shifted: boolean,
): { own: number; multiplyAdds: number; activations: number } {
  const { channels, nUnits } = options;
  // Features as every unit sees them, which it weighs afterwards.
  const seen = nUnits * channels;
  switch (options.type) {
    case "linear":
      return { own: 0, multiplyAdds: seen, activations: channels };
    case "gaussian":
      // Features are weighed first and then pooled, or the other way round where fields differ from sample to sample.
      return {
        own: 5,
        multiplyAdds: seen * pixels,
        activations: nUnits * pixels + (shifted ? seen : 0),
      };
    case "gaussian_point":
      // Four neighbours are interpolated.
      return {
        own: 2 + { isotropic: 1, uncorrelated: 2, full: 4 }[options.covariance],
        multiplyAdds: 5 * seen,
        activations: seen,
      };
    case "factorized":
      return { own: pixels, multiplyAdds: seen * (pixels + 1), activations: seen };
  }
}

/** A shifter needs readouts that look at places, and behaviour that suits the modulator as well. */
function checkShifts({ shifter, modulator, readout }: ModelConfig, session: SessionSpec): void {
  const input = shifterOptions(shifter);
  if (!input) return;
  const { type } = session.readout ?? readout;
  if (type !== "gaussian" && type !== "gaussian_point") {
    const whose = session.readout ? `the ${type} readout of session "${session.name}"` : `a ${type} readout`;
    throw misfit("shifter", `${whose} has no places to shift`, "Use gaussian or gaussian_point readouts.");
  }
  if (modulator.type === "none" || fitsShifter(input, modulator.params.behavior_dim)) return;
  const [needed, modulated] = [shifterNeeds(input), modulator.params.behavior_dim];
  throw misfit("shifter.params", `it takes ${needed} behaviour values, the modulator ${modulated}`);
}

function shifterRow({ network }: ShifterOptions): SessionStage {
  return { output: [2], ...mlpCost({ ...network, outputDim: 2 }) };
}

function historyRow({ numLags, nUnits, network }: SpikeHistoryOptions): SessionStage {
  return { output: [nUnits], ...mlpCost({ ...network, inputDim: numLags * nUnits, outputDim: nUnits }) };
}
