/**
 * @file The learnt temporal frontend: one set of temporal kernels applied at every pixel (model specification, section
 * 5.2). `makeFrontend` in build.ts chooses between this one and the others, each of which has its own file.
 */

import { cat, linspace, randn, stack, type Tensor, tensor, zeros } from "../../torch/index.ts";
import { Conv, type PaddingMode } from "./conv.ts";
import { filterLags } from "./lag-filter.ts";
import { type BuildContext, Layer, type Triple } from "./layer.ts";
import { MagnoParvoSplit } from "./split-mp.ts";
import type { WindowOptions } from "./window.ts";

export type KernelInit = "gaussian_derivatives" | "random" | "identity" | "biphasic";

export interface LearnableTemporalOptions {
  /** Taps of a kernel. */
  kernelSize: number;
  /** Number of kernels, and of output channels. */
  channels: number;
  init: KernelInit;
  /** Start from `init` behind a window or weight norm too; the reference keeps the default initialisation there. */
  applyInit: boolean;
  /** The first half of the kernels sees the fine detail of every frame, the second half its coarse structure. */
  splitMP: boolean;
  bias: boolean;
  stride?: Triple;
  dilation?: Triple;
  paddingMode?: PaddingMode;
  window?: WindowOptions | null;
  weightNorm?: "free" | "unit" | null;
}

/** `[batch, 1, T, H, W]` to `[batch, channels, T - kernelSize + 1, H, W]` (at stride and dilation 1). */
export class LearnableTemporal extends Layer {
  readonly outChannels: number;
  readonly #conv: Conv;
  readonly #split: MagnoParvoSplit | null;
  readonly #asProduct: boolean;

  constructor(options: LearnableTemporalOptions, context: BuildContext) {
    super();
    const { kernelSize, channels, init, applyInit, splitMP, stride = [1, 1, 1], dilation = [1, 1, 1] } = options;
    this.outChannels = channels;
    this.#split = splitMP ? new MagnoParvoSplit() : null;
    const inChannels = splitMP ? 2 : 1;
    this.#conv = this.child(
      "temporal_conv",
      new Conv(
        {
          inChannels,
          outChannels: channels,
          kernelSize: [kernelSize, 1, 1],
          stride,
          dilation,
          groups: inChannels,
          bias: options.bias,
          paddingMode: options.paddingMode,
          window: options.window,
          weightNorm: options.weightNorm,
        },
        context,
      ),
    );
    if (init !== "random" && (applyInit || (!options.window && !options.weightNorm))) {
      this.#conv.kernel.initialize(
        initialKernels(init, kernelSize, channels, context).view([channels, 1, kernelSize, 1, 1]),
      );
    }
    const unit = [...stride, ...dilation].every((step) => step === 1);
    this.#asProduct = context.formulation === "fast" && unit;
  }

  override forward(x: Tensor): Tensor {
    const input = this.#split ? this.#split.forward(x) : x;
    return this.#asProduct ? this.#product(input) : this.#conv.forward(input);
  }

  /** The convolution as a matrix product over lags. */
  #product(x: Tensor): Tensor {
    const { weight, padding } = this.#conv.kernel.cropped();
    const [skip, drop] = [-padding[0][0], -padding[0][1]];
    const used = x.slice(2, skip, x.size(2) - drop);
    const groups = used.size(1);
    const kernels = weight.view([groups, -1, weight.size(2)]);
    const outputs = Array.from({ length: groups }, (_, group) =>
      filterLags(used.select(1, group), kernels.select(0, group), [0, 0], "fast"),
    );
    const y = cat(outputs, 1);
    return this.#conv.kernel.bias ? y.add(this.#conv.kernel.bias.view([1, -1, 1, 1, 1])) : y;
  }
}

// --- initial kernels -------------------------------------------------------------------------------------------------

/** Frames per second that biphasic kernels assume, whatever the data rate is. */
const BIPHASIC_RATE = 120;

/** Kernels `[count, taps]` as a function of lag. */
export function initialKernels(
  init: Exclude<KernelInit, "random">,
  taps: number,
  count: number,
  context: BuildContext,
): Tensor {
  switch (init) {
    case "gaussian_derivatives":
      return gaussianDerivatives(taps, count, context);
    case "biphasic":
      return tensor(biphasic(taps)).to({ dtype: "float32" }).expand([count, taps]);
    case "identity": {
      const kernels = zeros([count, taps]);
      for (let i = 0; i < count; i++)
        kernels
          .select(0, i)
          .select(0, Math.min(i, taps - 1))
          .fill_(1);
      return kernels;
    }
  }
}

/** A Gaussian, its first two derivatives, then noise under it; each of length 1. */
function gaussianDerivatives(taps: number, count: number, { generator }: BuildContext): Tensor {
  const t = linspace(-(taps - 1) / 2, (taps - 1) / 2, taps);
  const variance = (taps / 6) ** 2;
  const gaussian = t
    .square()
    .div(-2 * variance)
    .exp();
  const kernels = Array.from({ length: count }, (_, i) => {
    if (i === 0) return gaussian;
    if (i === 1) return gaussian.mul(t).div(-variance);
    if (i === 2) return gaussian.mul(t.square().div(variance).sub(1)).div(variance);
    return randn([taps], generator).mul(gaussian);
  });
  return stack(kernels.map((kernel) => kernel.div(kernel.norm())));
}

/** A fast excitatory minus a slow inhibitory alpha function, without mean; its positive part sums to 1. */
function biphasic(taps: number): Float64Array {
  const alpha = (t: number, tau: number) => (t * Math.exp(-t / tau)) / tau ** 2;
  const q = Float64Array.from({ length: taps }, (_, i) => {
    const t = i / BIPHASIC_RATE;
    return alpha(t, 0.008) - 0.9 * alpha(t, 0.022);
  });
  const mean = q.reduce((sum, value) => sum + value, 0) / taps;
  const centred = q.map((value) => value - mean);
  const positive = centred.reduce((sum, value) => sum + Math.max(0, value), 0);
  return centred.map((value) => value / Math.max(positive, 1e-12));
}
