/**
 * @file Shape and cost of blocks and convnets, computed from their options without building them (model specification,
 * sections 1, 7, 10 and 11).
 */

import { UserError } from "../errors.ts";
import type { ActivationOptions } from "./modules/activation.ts";
import { type BlockOptions, blockPadding } from "./modules/block.ts";
import {
  type AxisPadding,
  type BlockConvOptions,
  type ConvOptions,
  depthwiseParts,
  NO_PADDING,
  type Padding,
} from "./modules/conv.ts";
import { blockStride, type ConvnetOptions, shortcutProjects } from "./modules/convnet.ts";
import type { Triple } from "./modules/layer.ts";
import type { MlpOptions } from "./modules/mlp.ts";
import type { NormOptions } from "./modules/norm.ts";
import { support, windowAxes } from "./modules/window.ts";

/** Features `[channels, frames, height, width]` of one sample. */
export type FeatureShape = readonly [channels: number, frames: number, height: number, width: number];

/** What a part of a model costs. */
export interface Cost {
  /** Elements of all parameters, as the reference counts them: weight norm's unused copies included. */
  parameters: number;
  /** Of the parameters: elements that training leaves alone. Absent: none. */
  fixed?: number;
  /** Of the parameters: elements of weight norm's copies that nothing reads. Absent: none. */
  unused?: number;
  /** Multiply-adds of a forward pass per sample; taps that a window makes zero do not count. */
  multiplyAdds: number;
  /**
   * Elements per sample that wait for the backward pass, by a simple rule: the result of every convolution, norm,
   * activation, pool and filter, the padded copy of a convolution's input, and what a recurrence keeps per frame. Absent:
   * those of the output. Resident memory of a batch on a CPU, measured with three shipped models, was 1.2 times that in
   * float32 and twice that in bf16.
   */
  activations?: number;
  /** Of the activations: elements that stay float32 when autocast computes in bf16, those of norms first. Absent: none. */
  float32?: number;
}

/** A convolution, norm, activation, pool or shortcut. */
export interface Layer extends Cost {
  /** Configuration key within that of the stage; words in brackets for what has no key. */
  key: string;
  /** Shape of the result, without the batch. */
  output: FeatureShape;
}

/** What a stage makes of its input. */
export interface Stage extends Cost {
  /** Shape of the result, without the batch. */
  output: FeatureShape;
  /** What a block is made of, in the order it runs; parts that are not run come last and put out what the block does. */
  layers?: readonly Layer[];
}

/** Costs added up. */
export function totalCost(parts: readonly (Cost & { output?: readonly number[] })[]): Required<Cost> {
  const sum = (of: (part: (typeof parts)[number]) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    parameters: sum(({ parameters }) => parameters),
    fixed: sum(({ fixed = 0 }) => fixed),
    unused: sum(({ unused = 0 }) => unused),
    multiplyAdds: sum(({ multiplyAdds }) => multiplyAdds),
    activations: sum(({ activations, output = [] }) => activations ?? product(output)),
    float32: sum(({ float32 = 0 }) => float32),
  };
}

/** A configuration that does not fit, found at the key `path`. */
export function misfit(path: string, message: string, hint?: string): UserError {
  return new UserError(`Model does not fit: ${path}: ${message}`, { hint });
}

const AXES = ["frames", "rows", "columns"] as const;

export function product(values: Iterable<number>): number {
  let result = 1;
  for (const value of values) result *= value;
  return result;
}

const sizeOf = ([, frames, height, width]: FeatureShape): Triple => [frames, height, width];

/** Length of an axis after a sliding kernel. */
function slide(
  axis: number,
  length: number,
  { taps, stride, dilation = 1, padding }: { taps: number; stride: number; dilation?: number; padding: AxisPadding },
  path: string,
  what: string,
): number {
  const padded = length + padding[0] + padding[1];
  const extent = dilation * (taps - 1) + 1;
  if (padded < extent) {
    const withPadding = padded === length ? "" : ` (${padded} with padding)`;
    throw misfit(path, `${what} spans ${extent} ${AXES[axis]}, its input has ${length}${withPadding}`);
  }
  return Math.floor((padded - extent) / stride) + 1;
}

function slideAll(size: Triple, window: (axis: number) => Parameters<typeof slide>[2], path: string, what: string) {
  const [frames, height, width] = size.map((length, axis) => slide(axis, length, window(axis), path, what));
  return [frames!, height!, width!] as const;
}

// --- layers ------------------------------------------------------------------------------------------------------------

/** A convolution whose input is padded by `padding`. */
export function convStage(
  { depthwise = false, ...options }: BlockConvOptions,
  input: FeatureShape,
  path: string,
): Stage {
  if (!depthwise) return kernelStage(options, input, path);
  const parts = depthwiseParts(options);
  const filtered = kernelStage(parts.depthwise, input, path);
  const mixed = kernelStage(parts.pointwise, filtered.output, path);
  return { ...totalCost([filtered, mixed]), output: mixed.output };
}

function kernelStage(options: ConvOptions, input: FeatureShape, path: string): Stage {
  const {
    inChannels,
    outChannels,
    kernelSize,
    groups = 1,
    bias = true,
    window,
    weightNorm,
    weightNormDim = 0,
  } = options;
  const { stride = [1, 1, 1], dilation = [1, 1, 1], padding } = options;
  if (input[0] !== inChannels) throw misfit(path, `expected ${inChannels} channels, found ${input[0]}`);
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw misfit(path, `${groups} groups do not divide ${inChannels} input and ${outChannels} output channels`);
  }
  checkMirrored(options, input, path);
  const axis = (i: number) => ({
    taps: kernelSize[i]!,
    stride: stride[i]!,
    dilation: dilation[i]!,
    padding: padding?.[i] ?? ([0, 0] as const),
  });
  const size = slideAll(sizeOf(input), axis, path, "the kernel");
  const weights = (outChannels * inChannels * product(kernelSize)) / groups;
  const live = window
    ? windowAxes(kernelSize, window).map((taps) => support(taps).end - support(taps).first)
    : kernelSize;
  const norms = [outChannels, inChannels / groups, ...kernelSize][weightNormDim]!;
  return {
    output: [outChannels, ...size],
    parameters: (weightNorm ? 2 * weights + norms : weights) + (bias ? outChannels : 0),
    fixed: weightNorm === "unit" ? norms : 0,
    unused: weightNorm ? weights : 0,
    multiplyAdds: (product(size) * outChannels * inChannels * product(live)) / groups,
  };
}

/** Padding that shows the other end of an axis, or its mirror image, cannot be longer than the axis. */
function checkMirrored({ padding = NO_PADDING, paddingMode }: ConvOptions, input: FeatureShape, path: string): void {
  if (paddingMode !== "reflect" && paddingMode !== "circular") return;
  for (const [i, name] of AXES.entries()) {
    const length = sizeOf(input)[i]!;
    const most = paddingMode === "reflect" ? length - 1 : length;
    const widest = Math.max(...padding[i]!);
    if (widest > most) throw misfit(path, `${paddingMode} padding by ${widest} ${name}, its input has ${length}`);
  }
}

function normParameters({ type, affine }: NormOptions, channels: number): number {
  if (type === "none" || type === "layer") return 0;
  if (type === "grn") return 2 * channels;
  return (affine ?? type !== "instance") ? 2 * channels : 0;
}

export function activationParameters({ type }: ActivationOptions): number {
  return type === "splitrelu" || type === "bsoftplus" || type === "prelu" ? 1 : 0;
}

function activationCost(activation: ActivationOptions): Pick<Cost, "parameters" | "fixed"> {
  const parameters = activationParameters(activation);
  return { parameters, fixed: activation.type === "splitrelu" && !activation.trainableGain ? parameters : 0 };
}

/** Parameters of a perceptron and the multiply-adds of one sample. */
export function mlpCost(options: MlpOptions): { parameters: number; multiplyAdds: number } {
  const { inputDim, hiddenDims, outputDim, norm, activation, bias = true, outputActivation = false } = options;
  const widths = [inputDim, ...hiddenDims, outputDim];
  let parameters = 0;
  let multiplyAdds = 0;
  for (const [i, to] of widths.slice(1).entries()) {
    multiplyAdds += widths[i]! * to;
    parameters += (widths[i]! + (bias ? 1 : 0)) * to;
    if (i === hiddenDims.length && !outputActivation) break;
    parameters += activationParameters(activation) + (norm ? normParameters(norm, to) : 0);
  }
  return { parameters, multiplyAdds };
}

function padded([channels, ...size]: FeatureShape, padding: Padding): FeatureShape {
  const [frames, height, width] = size.map((length, axis) => length + padding[axis]![0] + padding[axis]![1]);
  return [channels, frames!, height!, width!];
}

/** A block, stage by stage in its order. */
export function blockStage(options: BlockOptions, input: FeatureShape, path: string): Stage {
  const { conv, outChannels, norm, activation, pool } = options;
  const { external, native } = blockPadding(options);
  const convOptions: BlockConvOptions = { ...conv, inChannels: options.inChannels, outChannels, padding: native };
  let shape = input;
  let padding = 0;
  const layers: Layer[] = [];
  const add = (key: string, { output = shape, ...cost }: Partial<Stage>) => {
    shape = output;
    // An order may run a part twice.
    const again = layers.some((layer) => layer.key === key) ? { parameters: 0, fixed: 0, unused: 0 } : {};
    layers.push({ key, output, parameters: 0, multiplyAdds: 0, ...cost, ...again });
  };
  for (const stage of options.order) {
    if (stage === "pad") {
      shape = padded(shape, external);
      // The padded copy is what the convolution keeps.
      padding = external.flat().some((count) => count > 0) ? product(shape) : 0;
    }
    if (stage === "conv") {
      const result = convStage(convOptions, shape, path);
      add("conv_params", { ...result, activations: product(result.output) + padding });
    }
    if (stage === "norm" && norm.type !== "none") {
      if (shape[0] !== outChannels) {
        const message = `the norm has ${outChannels} channels, its input ${shape[0]}`;
        throw misfit(path, message, "Put the norm before the activation.");
      }
      add("norm_type", { parameters: normParameters(norm, outChannels), float32: product(shape) });
    }
    if (stage === "act" && activation.type !== "none") {
      const output = activation.type === "splitrelu" ? doubled(shape, activation.splitDim ?? 1) : shape;
      add("act_type", { output, ...activationCost(activation) });
    }
    if (stage === "pool" && pool) add("pool_params", pooled(pool, shape, path));
  }
  // The reference makes all parts, whether the order runs them or not.
  const idle = { multiplyAdds: 0, activations: 0, float32: 0 };
  const has = (stage: BlockOptions["order"][number]) => options.order.includes(stage);
  if (!has("conv")) add("conv_params", { ...convStage(convOptions, unbounded(options), path), output: shape, ...idle });
  if (!has("norm") && norm.type !== "none")
    add("norm_type", { parameters: normParameters(norm, outChannels), ...idle });
  if (!has("act") && activation.type !== "none") add("act_type", { ...activationCost(activation), ...idle });
  return { output: shape, ...totalCost(layers), layers };
}

function unbounded({ inChannels }: BlockOptions): FeatureShape {
  return [inChannels, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
}

/** The shape with the tensor axis `dim` (batch is 0) twice as long. */
function doubled(shape: FeatureShape, dim: number): FeatureShape {
  const axis = (dim < 0 ? dim + 5 : dim) - 1;
  const [channels, frames, height, width] = shape.map((n, i) => (i === axis ? 2 * n : n));
  return [channels!, frames!, height!, width!];
}

function pooled(pool: NonNullable<BlockOptions["pool"]>, input: FeatureShape, path: string): Partial<Stage> {
  const size = sizeOf(input);
  if ("layout" in pool) {
    checkPoolChannels(pool, input, path);
    const { channels, channelWindow, spatialKernel } = pool;
    const taps = channelWindow + spatialKernel ** 2;
    return {
      output: input,
      parameters: channels * (channelWindow ** 2 + spatialKernel ** 2 + 2),
      multiplyAdds: taps * product(input),
      activations: 3 * product(input),
    };
  }
  if (!("stride" in pool)) return { output: [input[0], ...pool.kernelSize] };
  const { kernelSize, stride, padding } = pool;
  for (const [i, name] of AXES.entries()) {
    const [taps, edge, length] = [kernelSize[i]!, padding[i]!, size[i]!];
    if (2 * edge > taps) throw misfit(path, `${pool.type} pooling over ${taps} ${name} is padded by ${edge}`);
    if (pool.type === "avg" && length < taps)
      throw misfit(path, `avg pooling spans ${taps} ${name}, its input has ${length}`);
  }
  const axis = (i: number) => ({
    taps: kernelSize[i]!,
    stride: stride[i]!,
    padding: [padding[i]!, padding[i]!] as const,
  });
  const output: FeatureShape = [input[0], ...slideAll(size, axis, path, `${pool.type} pooling`)];
  if (!("squeezed" in pool)) return { output };
  checkPoolChannels(pool, input, path);
  const { channels, squeezed } = pool;
  if (squeezed === 0) {
    throw misfit(
      `${path}.pool_params.r`,
      `nothing remains of ${channels} channels`,
      "Choose a smaller r, or more channels.",
    );
  }
  const blur = pool.type === "aablur" ? product(input) : 0;
  return {
    output,
    parameters: 2 * channels * squeezed + channels + squeezed,
    multiplyAdds: 9 * blur + 2 * channels * squeezed * output[1],
    activations: blur + (pool.soft ? 2 * product(input) : 0) + 2 * product(output),
  };
}

/** These pools have weights per channel and are made for the convolution's channels. */
function checkPoolChannels({ type, channels }: { type: string; channels: number }, input: FeatureShape, path: string) {
  if (input[0] === channels) return;
  const hint = type === "locatt" ? "Set pool_params.channels." : "A split relu in front of it doubles the channels.";
  throw misfit(`${path}.pool_params`, `${type} pooling of ${channels} channels, its input has ${input[0]}`, hint);
}

// --- convnets ----------------------------------------------------------------------------------------------------------

/** Stem and layers of a convnet by configuration key, `path` being that of the convnet's params. */
export function convnetStages(options: ConvnetOptions, input: FeatureShape, path: string): [path: string, Stage][] {
  const stages: [string, Stage][] = [];
  let shape = input;
  if (options.stem) {
    const stemPath = `${path}.stem_config`;
    const stem = blockStage({ ...options.stem, inChannels: shape[0] }, shape, stemPath);
    stages.push([stemPath, stem]);
    shape = stem.output;
  }
  for (const [i, blockOptions] of options.blocks.entries()) {
    const blockPath = `${path}.block_configs.${i}`;
    const block = { ...blockOptions, inChannels: shape[0] };
    const layer = layerStage(options, block, shape, blockPath);
    stages.push([blockPath, layer]);
    shape = layer.output;
  }
  for (const [key, activation] of [
    ["final_activation", options.finalActivation],
    ["resnet_post_add_activation", options.postAddActivation],
  ] as const) {
    if (activation.type === "splitrelu") throw misfit(`${path}.${key}`, "splitrelu doubles channels: use it in blocks");
  }
  if (options.finalActivation.type !== "none") {
    const cost = { multiplyAdds: 0, ...activationCost(options.finalActivation) };
    stages.push([`${path}.final_activation`, { output: shape, ...cost }]);
  }
  return stages;
}

function layerStage(net: ConvnetOptions, block: BlockOptions, input: FeatureShape, path: string): Stage {
  const main = blockStage(block, input, path);
  if (net.type === "vanilla") return main;
  if (net.type === "densenet") {
    checkCrop(input, main.output, path, "what comes before it");
    return { ...main, output: [input[0] + main.output[0], ...sizeOf(main.output)] };
  }
  const outChannels = main.output[0];
  const projects = shortcutProjects(block, outChannels);
  const stride = projects ? blockStride(block) : ([1, 1, 1] as const);
  const [frames, height, width] = sizeOf(input).map((length, axis) => Math.floor((length - 1) / stride[axis]!) + 1);
  checkCrop([outChannels, frames!, height!, width!], main.output, path, "its shortcut");
  const { output } = main;
  const layers: Layer[] = [...main.layers!];
  if (projects) {
    const weights = input[0] * outChannels;
    const cost = { parameters: weights, multiplyAdds: (product(output) / outChannels) * weights };
    // The sum keeps neither of its terms.
    layers.push({ key: "(shortcut)", output, ...cost, activations: 0 });
  }
  if (net.postAddActivation.type !== "none") {
    layers.push({ key: "(post_add_activation)", output, multiplyAdds: 0, ...activationCost(net.postAddActivation) });
  }
  return { output, ...totalCost(layers), layers };
}

/** What is cut to the size of a block's output must not be smaller than it. */
function checkCrop(shape: FeatureShape, main: FeatureShape, path: string, what: string): void {
  for (const [axis, name] of AXES.entries()) {
    const [available, wanted] = [shape[axis + 1]!, main[axis + 1]!];
    if (available >= wanted) continue;
    throw misfit(
      path,
      `the block puts out ${wanted} ${name}, ${what} only ${available}`,
      "Less padding in the block, or pooling with the same stride along every axis, makes them fit.",
    );
  }
}
