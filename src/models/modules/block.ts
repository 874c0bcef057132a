/**
 * @file The convolution block: padding, convolution, norm, activation, dropout and pooling in a configured order (model
 * specification, section 7).
 */

import { Module, ops, type Tensor } from "../../torch/index.ts";
import { type ActivationOptions, makeActivation, SplitRelu } from "./activation.ts";
import { type BlockConvOptions, type ConvOptions, frame, makeConv, NO_PADDING, type Padding } from "./conv.ts";
import { type BuildContext, Layer, type Triple } from "./layer.ts";
import { GlobalResponseNorm, makeNorm, type NormOptions } from "./norm.ts";
import { makePool, Pool, type PoolOptions } from "./pool.ts";

export type BlockStage = "pad" | "conv" | "norm" | "act" | "dropout" | "pool";

export interface BlockOptions {
  inChannels: number;
  /** Channels of the convolution; a split relu doubles them. */
  outChannels: number;
  conv: Omit<BlockConvOptions, "inChannels" | "outChannels" | "padding">;
  /** As configured; the block decides what becomes of it, see {@link blockPadding}. */
  padding: Triple;
  norm: NormOptions;
  activation: ActivationOptions;
  pool: PoolOptions | null;
  dropout: number;
  causal: boolean;
  order: readonly BlockStage[];
}

type PaddingOptions = Pick<BlockOptions, "padding" | "causal" | "order"> & {
  conv: Pick<ConvOptions, "kernelSize" | "dilation">;
};

/**
 * Padding for a kernel: on the lag axis all in front when `causal`, else half on each side; axes with a single tap get
 * none.
 */
export function framePadding(kernelSize: Triple, dilation: Triple, padding: Triple, causal: boolean): Padding {
  const [time, rows, columns] = kernelSize.map((taps, axis) => (taps > 1 ? padding[axis]! : 0)) as [
    number,
    number,
    number,
  ];
  return [causal ? [dilation[0] * (kernelSize[0] - 1), 0] : [time, time], [rows, rows], [columns, columns]];
}

/**
 * Who pads a block, and by how much: its `pad` stage (`external`, replicating edges) or the convolution itself (`native`).
 * Configured padding is partly ignored: the lag entry of a causal block always, everything when a block with `pad` in its
 * order is not causal or has a single temporal tap (`discarded`).
 */
export function blockPadding({ conv, padding, causal, order }: PaddingOptions): {
  external: Padding;
  native: Padding;
  discarded: boolean;
} {
  const pads = order.includes("pad");
  if (causal && conv.kernelSize[0] > 1) {
    const external = pads ? framePadding(conv.kernelSize, conv.dilation ?? [1, 1, 1], padding, true) : NO_PADDING;
    return { external, native: NO_PADDING, discarded: !pads && (padding[1] > 0 || padding[2] > 0) };
  }
  if (pads) return { external: NO_PADDING, native: NO_PADDING, discarded: padding.some((p) => p > 0) };
  const [time, rows, columns] = padding;
  const native: Padding = [
    [time, time],
    [rows, rows],
    [columns, columns],
  ];
  return { external: NO_PADDING, native, discarded: false };
}

/** Channels a block puts out: doubled by a split relu that is part of its order. */
function blockOutChannels({
  outChannels,
  activation,
  order,
}: Pick<BlockOptions, "outChannels" | "activation" | "order">): number {
  const doubles = activation.type === "splitrelu" && (activation.splitDim ?? 1) === 1 && order.includes("act");
  return doubles ? 2 * outChannels : outChannels;
}

/** The parts by stage, under the name the reference keeps them. All exist, whether or not the order runs them. */
class Components extends Module {
  readonly conv: Layer;
  readonly norm: Layer;
  readonly act: Layer;
  readonly pool: Layer | null;

  constructor(options: BlockOptions, convPadding: Pick<ConvOptions, "padding" | "paddingMode">, context: BuildContext) {
    super();
    const { inChannels, outChannels } = options;
    this.conv = this.child("conv", makeConv({ ...options.conv, inChannels, outChannels, ...convPadding }, context));
    this.norm = this.child("norm", makeNorm(options.norm, outChannels, context));
    this.act = this.child("act", makeActivation(options.activation, context));
    this.pool = options.pool ? this.child("pool", makePool(options.pool, context)) : null;
  }
}

/** `[batch, inChannels, T, H, W]` to `[batch, outChannels, T', H', W']`. */
export class Block extends Layer {
  readonly outChannels: number;
  readonly #components: Components;
  readonly #external: Padding;
  readonly #dropout: number;
  readonly #steps: readonly ((x: Tensor) => Tensor)[];

  constructor(options: BlockOptions, context: BuildContext) {
    super();
    const { external, native } = blockPadding(options);
    const fast = context.formulation === "fast";
    // A convolution that pads for itself can pad less where its window is zero anyway.
    const convPads = fast && options.order.join().includes("pad,conv");
    const padding: Pick<ConvOptions, "padding" | "paddingMode"> = convPads
      ? { padding: external, paddingMode: "replicate" }
      : { padding: native };
    this.#external = convPads ? NO_PADDING : external;
    this.#dropout = options.dropout;
    this.#components = this.child("components", new Components(options, padding, context));
    this.#steps = this.#plan(options.order, fast);
    this.outChannels = blockOutChannels(options);
  }

  override forward(x: Tensor): Tensor {
    return this.#steps.reduce((y, step) => step(y), x);
  }

  #plan(order: readonly BlockStage[], fast: boolean): ((x: Tensor) => Tensor)[] {
    const { conv, norm, act, pool } = this.#components;
    const run: Record<BlockStage, (x: Tensor) => Tensor> = {
      pad: (x) => frame(x, this.#external, "replicate"),
      conv: (x) => conv.forward(x),
      norm: (x) => norm.forward(x),
      act: (x) => act.forward(x),
      dropout: (x) => (this.training && this.#dropout > 0 ? ops.dropout(x, this.#dropout, true) : x),
      pool: (x) => pool?.forward(x) ?? x,
    };
    const stages = this.#dropout > 0 ? order : order.filter((stage) => stage !== "dropout");
    const at = stages.indexOf("act");
    const poolsFirst =
      fast &&
      stages[at + 1] === "pool" &&
      pool instanceof Pool &&
      pool.options.type === "max" &&
      act instanceof SplitRelu &&
      act.splitDim === 1;
    if (!poolsFirst) return stages.map((stage) => run[stage]);
    const scales = stages[at - 1] === "norm" && norm instanceof GlobalResponseNorm ? norm : null;
    return [
      ...stages.slice(0, scales ? at - 1 : at).map((stage) => run[stage]),
      (x) => {
        const affine = scales && { gain: scales.gain(x), shift: scales.shift };
        return act.pooledForward(x, (half) => pool.forward(half), affine);
      },
      ...stages.slice(at + 2).map((stage) => run[stage]),
    ];
  }
}
