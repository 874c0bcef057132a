/**
 * @file What all parts of a twin share: the layer interface, the context they are built in, sizes per axis, and the
 * default initialisation of weights (model specification, sections 1 and 17.1).
 */

import { autocastDType, type Generator, Module, type Tensor, uniform } from "../../torch/index.ts";

/**
 * How the mathematics is carried out. Both give the same values and gradients.
 *
 * - `fast`: no arithmetic on taps that are zero, on frames nobody reads, or twice on the same weights.
 * - `reference`: the formulas as they are written, for tests and benchmarks.
 */
export type Formulation = "fast" | "reference";

/** What every constructor needs beside its own options. */
export interface BuildContext {
  /** The stream initial values are drawn from. */
  readonly generator: Generator;
  readonly formulation: Formulation;
}

/** A part that maps one tensor to one tensor. */
export abstract class Layer extends Module {
  abstract forward(x: Tensor): Tensor;
}

/** Passes its input on. Stands for a stage that is switched off. */
export class Identity extends Layer {
  override forward(x: Tensor): Tensor {
    return x;
  }
}

/**
 * Sees intermediate results by the name of the part that made them, such as `convnet.layers.0`. They are freed with the
 * pass: copy, or `keep`, what must live longer.
 */
export type Observer = (stage: string, value: Tensor) => unknown;

/** Sizes along time, rows and columns. */
export type Triple = readonly [time: number, rows: number, columns: number];

/** One number for all three axes, or a size for each. */
export function triple(size: number | Triple): Triple {
  return typeof size === "number" ? [size, size, size] : size;
}

/** Draws from U(-1/sqrt(n), 1/sqrt(n)), n = `fanIn`: the default of convolutions and linear maps, biases included. */
export function uniformFanIn(shape: readonly number[], fanIn: number, { generator }: BuildContext): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return uniform(shape, -bound, bound, generator);
}

/** Inputs that one output of a weight sums over: the product of all its axes but the first. */
export function fanInOf(weightShape: readonly number[]): number {
  return weightShape.slice(1).reduce((product, n) => product * n, 1);
}

/** What autocast would make of the input of a convolution or product. Casting before copying halves the copy. */
export function castForAutocast(x: Tensor): Tensor {
  return x.to({ dtype: autocastDType() ?? x.dtype });
}

/** Half types as float32, for sums of squares and states that add up over frames: bfloat16 loses what they are about. */
export function atLeastFloat32(x: Tensor): Tensor {
  return x.dtype === "float64" ? x : x.float();
}
