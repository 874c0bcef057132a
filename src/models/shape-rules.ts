/**
 * @file Shape and cost of blocks and convnets, computed from their options without building them (model specification,
 * sections 1, 7, 10 and 11).
 */

import { UserError } from "../errors.ts";
import type { ActivationOptions } from "./modules/activation.ts";
import { type BlockOptions, blockPadding } from "./modules/block.ts";
import type { AxisPadding, ConvOptions, Padding } from "./modules/conv.ts";
import { blockStride, type ConvnetOptions, shortcutProjects } from "./modules/convnet.ts";
import type { Triple } from "./modules/layer.ts";
import type { MlpOptions } from "./modules/mlp.ts";
import type { NormOptions } from "./modules/norm.ts";
import { support, windowAxes } from "./modules/window.ts";

/** Features `[channels, frames, height, width]` of one sample. */
export type FeatureShape = readonly [channels: number, frames: number, height: number, width: number];

/** What a stage makes of its input. */
export interface Stage {
  /** Shape of the result, without the batch. */
  output: FeatureShape;
  /** Elements of all parameters, as the reference counts them: weight norm's unused copies included. */
  parameters: number;
  /** Multiply-adds of a forward pass per sample; taps that a window makes zero do not count. */
  multiplyAdds: number;
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
export function convStage(options: ConvOptions, input: FeatureShape, path: string): Stage {
  const { inChannels, outChannels, kernelSize, groups = 1, bias = true, window, weightNorm } = options;
  const { stride = [1, 1, 1], dilation = [1, 1, 1], padding } = options;
  if (input[0] !== inChannels) throw misfit(path, `expected ${inChannels} channels, found ${input[0]}`);
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw misfit(path, `${groups} groups do not divide ${inChannels} input and ${outChannels} output channels`);
  }
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
  return {
    output: [outChannels, ...size],
    parameters: (weightNorm ? 2 * weights + outChannels : weights) + (bias ? outChannels : 0),
    multiplyAdds: (product(size) * outChannels * inChannels * product(live)) / groups,
  };
}

function normParameters({ type, affine }: NormOptions, channels: number): number {
  if (type === "none" || type === "layer") return 0;
  if (type === "grn") return 2 * channels;
  return (affine ?? type !== "instance") ? 2 * channels : 0;
}

export function activationParameters({ type }: ActivationOptions): number {
  return type === "splitrelu" || type === "bsoftplus" || type === "prelu" ? 1 : 0;
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
  const convOptions: ConvOptions = { ...conv, inChannels: options.inChannels, outChannels, padding: native };
  let shape = input;
  let multiplyAdds = 0;
  const convParameters = convStage(convOptions, [options.inChannels, ...UNBOUNDED], path).parameters;
  for (const stage of options.order) {
    if (stage === "pad") shape = padded(shape, external);
    if (stage === "conv") {
      const result = convStage(convOptions, shape, path);
      shape = result.output;
      multiplyAdds += result.multiplyAdds;
    }
    if (stage === "norm" && norm.type !== "none" && shape[0] !== outChannels) {
      throw misfit(
        path,
        `the norm has ${outChannels} channels, its input ${shape[0]}`,
        "Put the norm before the activation.",
      );
    }
    if (stage === "act" && activation.type === "splitrelu") shape = doubled(shape, activation.splitDim ?? 1);
    if (stage === "pool" && pool) shape = [shape[0], ...pooledSize(pool, sizeOf(shape), path)];
  }
  const parameters = convParameters + normParameters(norm, outChannels) + activationParameters(activation);
  return { output: shape, parameters, multiplyAdds };
}

/** The shape with the tensor axis `dim` (batch is 0) twice as long. */
function doubled(shape: FeatureShape, dim: number): FeatureShape {
  const axis = (dim < 0 ? dim + 5 : dim) - 1;
  const [channels, frames, height, width] = shape.map((n, i) => (i === axis ? 2 * n : n));
  return [channels!, frames!, height!, width!];
}

const UNBOUNDED: Triple = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];

function pooledSize(pool: NonNullable<BlockOptions["pool"]>, size: Triple, path: string): Triple {
  if (!("stride" in pool)) return pool.kernelSize;
  const axis = (i: number) => ({
    taps: pool.kernelSize[i]!,
    stride: pool.stride[i]!,
    padding: [pool.padding[i]!, pool.padding[i]!] as const,
  });
  return slideAll(size, axis, path, `${pool.type} pooling`);
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
  const activation = activationParameters(net.postAddActivation);
  return {
    output: main.output,
    parameters: main.parameters + activation + (projects ? input[0] * outChannels : 0),
    multiplyAdds: main.multiplyAdds + (projects ? product(main.output) * input[0] : 0),
  };
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
