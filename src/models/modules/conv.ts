/**
 * @file Standard and depthwise convolutions with weight norm and window (model specification, section 6).
 *
 * Effective weight = window * (g * v / ||v||): normalised first, tapered second. A window with zeros at its ends makes
 * kernels smaller than they look; the fast form drops those taps, and the input only they would have read, before it
 * convolves. The parameters stay whole.
 */

import {
  cat,
  ops,
  Parametrizations,
  ParametrizedWeight,
  type Tensor,
  WeightNorm,
  withoutAutocast,
} from "../../torch/index.ts";
import { DftConvolution, dftPays } from "./dft-conv.ts";
import { type BuildContext, castForAutocast, fanInOf, Layer, type Triple, uniformFanIn } from "./layer.ts";
import { support, type WindowOptions, WindowParametrization, windowAxes } from "./window.ts";

/** Samples added before and after an axis; negative numbers take samples away. */
export type AxisPadding = readonly [before: number, after: number];
/** Padding of time, rows and columns. */
export type Padding = readonly [AxisPadding, AxisPadding, AxisPadding];
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

export const NO_PADDING: Padding = [
  [0, 0],
  [0, 0],
  [0, 0],
];

export interface ConvOptions {
  inChannels: number;
  outChannels: number;
  kernelSize: Triple;
  stride?: Triple;
  dilation?: Triple;
  groups?: number;
  bias?: boolean;
  padding?: Padding;
  paddingMode?: PaddingMode;
  window?: WindowOptions | null;
  /** `free` learns the norm of every kernel, `unit` holds it at 1. */
  weightNorm?: "free" | "unit" | null;
  /** Weight axis whose entries have a norm each. */
  weightNormDim?: number;
}

/**
 * A convolution whose weight and bias have the names PyTorch gives them, with or without parametrisations: `[batch,
 * inChannels, T, H, W]` to `[batch, outChannels, T', H', W']`.
 */
export class Kernel extends Layer {
  readonly bias: Tensor | null;
  readonly #weight: Tensor | ParametrizedWeight;
  readonly #size: Triple;
  readonly #stride: Triple;
  readonly #dilation: Triple;
  readonly #groups: number;
  readonly #padding: Padding;
  readonly #paddingMode: PaddingMode;
  /** Taps that are multiplied with anything but zero, per axis. */
  readonly #taps: readonly { first: number; end: number }[];
  readonly #dft: DftConvolution | null;

  constructor(options: ConvOptions, context: BuildContext) {
    super();
    const { inChannels, outChannels, kernelSize, groups = 1, bias = true, window = null } = options;
    this.#size = kernelSize;
    this.#stride = options.stride ?? [1, 1, 1];
    this.#dilation = options.dilation ?? [1, 1, 1];
    this.#groups = groups;
    this.#padding = options.padding ?? NO_PADDING;
    this.#paddingMode = options.paddingMode ?? "replicate";
    const dense = groups === 1 && [...this.#stride, ...this.#dilation].every((step) => step === 1);
    this.#dft = dense && context.formulation === "fast" ? new DftConvolution() : null;
    this.#taps =
      window && context.formulation === "fast"
        ? windowAxes(kernelSize, window).map(support)
        : kernelSize.map((end) => ({ first: 0, end }));

    const shape = [outChannels, inChannels / groups, ...kernelSize];
    const fanIn = fanInOf(shape);
    const weight = uniformFanIn(shape, fanIn, context);
    const chain = parametrizations(weight, options);
    // PyTorch moves a parametrised weight behind the bias.
    if (chain.length === 0) this.#weight = this.parameter("weight", weight);
    else this.#weight = new ParametrizedWeight(weight, chain);
    this.bias = bias ? this.parameter("bias", uniformFanIn([outChannels], fanIn, context)) : null;
    if (this.#weight instanceof ParametrizedWeight) this.child("parametrizations", new Parametrizations(this.#weight));
  }

  /** Weight after normalisation and window, whole. */
  effectiveWeight(): Tensor {
    return this.#weight instanceof ParametrizedWeight ? this.#weight.value() : this.#weight;
  }

  /** Starts the kernels at `values` (shape of the weight), also behind weight norm and window. */
  initialize(values: Tensor): void {
    if (!(this.#weight instanceof ParametrizedWeight)) {
      this.#weight.detach().copy_(values);
      return;
    }
    this.#weight.original.detach().copy_(values);
    for (const link of this.#weight.chain) {
      if (!(link instanceof WeightNorm)) continue;
      link.v.detach().copy_(values);
      if (link.g.requiresGrad) link.g.detach().copy_(values.norm([1, 2, 3, 4]));
    }
  }

  /** The part of the effective weight that is computed with, and the padding that then takes the place of the declared. */
  cropped(): { weight: Tensor; padding: Padding } {
    let weight = this.effectiveWeight();
    const padding = this.#taps.map(({ first, end }, axis): AxisPadding => {
      const size = this.#size[axis]!;
      if (first > 0 || end < size) weight = weight.slice(axis + 2, first, end);
      const [before, after] = this.#padding[axis]!;
      return [before - first * this.#dilation[axis]!, after - (size - end) * this.#dilation[axis]!];
    });
    return { weight, padding: [padding[0]!, padding[1]!, padding[2]!] };
  }

  override forward(x: Tensor): Tensor {
    const { weight, padding } = this.cropped();
    const framed = frame(x, padding, this.#paddingMode);
    if (this.#dft && dftPays(framed, weight)) return this.#byTransforms(this.#dft, framed, weight);
    return ops.conv3d(framed, weight, this.bias, this.#stride, 0, this.#dilation, this.#groups);
  }

  /** Transforms need full precision inside; what comes out has the type a convolution would give. */
  #byTransforms(dft: DftConvolution, x: Tensor, weight: Tensor): Tensor {
    const y = withoutAutocast(() => dft.forward(x.to({ dtype: weight.dtype }), weight));
    return castForAutocast(this.bias ? y.add(this.bias.view([1, -1, 1, 1, 1])) : y);
  }
}

function parametrizations(
  weight: Tensor,
  { kernelSize, window, weightNorm, weightNormDim = 0 }: ConvOptions,
): (WeightNorm | WindowParametrization)[] {
  return [
    ...(weightNorm ? [new WeightNorm(weight, { dim: weightNormDim, unitNorm: weightNorm === "unit" })] : []),
    ...(window ? [new WindowParametrization(kernelSize, window)] : []),
  ];
}

/** The standard convolution: a {@link Kernel} under the name `conv`. */
export class Conv extends Layer {
  readonly kernel: Kernel;

  constructor(options: ConvOptions, context: BuildContext) {
    super();
    this.kernel = this.child("conv", new Kernel(options, context));
  }

  override forward(x: Tensor): Tensor {
    return this.kernel.forward(x);
  }
}

/** The convolution of a block: standard or depthwise. */
export function makeConv({ depthwise = false, ...options }: BlockConvOptions, context: BuildContext): Layer {
  return depthwise ? new DepthwiseConv(options, context) : new Conv(options, context);
}

export interface BlockConvOptions extends ConvOptions {
  depthwise?: boolean;
}

/**
 * Every channel is filtered by a kernel of its own (`depthwise`: with stride, dilation, padding and window, without bias),
 * then the channels are mixed pixel by pixel (`pointwise`).
 */
export class DepthwiseConv extends Layer {
  readonly #depthwise: Kernel;
  readonly #pointwise: Kernel;

  constructor(options: ConvOptions, context: BuildContext) {
    super();
    const { depthwise, pointwise } = depthwiseParts(options);
    this.#depthwise = this.child("depthwise", new Kernel(depthwise, context));
    this.#pointwise = this.child("pointwise", new Kernel(pointwise, context));
  }

  override forward(x: Tensor): Tensor {
    return this.#pointwise.forward(this.#depthwise.forward(x));
  }
}

/** The two convolutions that a depthwise one consists of. */
export function depthwiseParts(options: ConvOptions): { depthwise: ConvOptions; pointwise: ConvOptions } {
  const { inChannels, outChannels, bias, weightNorm } = options;
  return {
    depthwise: { ...options, outChannels: inChannels, groups: inChannels, bias: false },
    pointwise: { inChannels, outChannels, kernelSize: [1, 1, 1], bias, weightNorm },
  };
}

/** `x` `[batch, channels, T, H, W]` with samples added to or taken from both ends of its last three axes. */
export function frame(x: Tensor, padding: Padding, mode: PaddingMode): Tensor {
  let framed = x;
  for (const [axis, [before, after]] of padding.entries()) {
    const [skip, drop] = [Math.max(0, -before), Math.max(0, -after)];
    if (skip || drop) framed = framed.slice(axis + 2, skip, framed.size(axis + 2) - drop);
  }
  if (padding.every(([before, after]) => before <= 0 && after <= 0)) return framed;
  framed = castForAutocast(framed);
  for (const [axis, [before, after]] of padding.entries()) {
    framed = extend(framed, axis + 2, Math.max(0, before), Math.max(0, after), mode);
  }
  return framed;
}

function extend(x: Tensor, dim: number, before: number, after: number, mode: PaddingMode): Tensor {
  if (before === 0 && after === 0) return x;
  const length = x.size(dim);
  const zeros = (count: number) => ops.zeros_like(x.slice(dim, 0, 1)).expand(sized(x, dim, count));
  const edge = (at: number, count: number) => x.slice(dim, at, at + 1).expand(sized(x, dim, count));
  const pieces = {
    zeros: () => [zeros(before), x, zeros(after)],
    replicate: () => [edge(0, before), x, edge(length - 1, after)],
    reflect: () => [x.slice(dim, 1, before + 1).flip(dim), x, x.slice(dim, length - 1 - after, length - 1).flip(dim)],
    circular: () => [x.slice(dim, length - before), x, x.slice(dim, 0, after)],
  };
  return cat(
    pieces[mode]().filter((piece) => piece.size(dim) > 0),
    dim,
  );
}

function sized(x: Tensor, dim: number, length: number): number[] {
  return x.shape.map((n, axis) => (axis === dim ? length : n));
}
