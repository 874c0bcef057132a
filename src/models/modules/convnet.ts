/**
 * @file Convnets: blocks in sequence, with additive shortcuts (resnet), or appending to what came before (densenet)
 * (model specification, section 11).
 */

import { cat, ModuleList, ops, scope, type Tensor } from "../../torch/index.ts";
import { type ActivationOptions, makeActivation } from "./activation.ts";
import { Block, type BlockOptions } from "./block.ts";
import { type BuildContext, fanInOf, Layer, type Observer, type Triple, uniformFanIn } from "./layer.ts";

/** A block without its input width, which follows from what is in front of it. */
export type NetBlockOptions = Omit<BlockOptions, "inChannels">;

export interface ConvnetOptions {
  type: "vanilla" | "resnet" | "densenet";
  inChannels: number;
  stem: NetBlockOptions | null;
  blocks: readonly NetBlockOptions[];
  /** resnet: after every addition. */
  postAddActivation: ActivationOptions;
  finalActivation: ActivationOptions;
}

/** Stem, layers and final activation. Observers see `convnet.stem` and `convnet.layers.<i>`. */
export class Convnet extends Layer {
  readonly outChannels: number;
  readonly #appends: boolean;
  readonly #stem: Block | null = null;
  readonly #layers: readonly Layer[];
  readonly #finalActivation: Layer;

  constructor(options: ConvnetOptions, context: BuildContext) {
    super();
    this.#appends = options.type === "densenet";
    let channels = options.inChannels;
    if (options.stem) {
      this.#stem = new Block({ ...options.stem, inChannels: channels }, context);
      channels = this.#stem.outChannels;
    }
    const layers: (Block | ResidualLayer)[] = [];
    for (const blockOptions of options.blocks) {
      const block = { ...blockOptions, inChannels: channels };
      const layer =
        options.type === "resnet"
          ? new ResidualLayer(block, options.postAddActivation, context)
          : new Block(block, context);
      channels = this.#appends ? channels + layer.outChannels : layer.outChannels;
      layers.push(layer);
    }
    this.#layers = layers;
    this.outChannels = channels;
    this.child("layers", new ModuleList(layers));
    if (this.#stem) this.child("stem", this.#stem);
    this.#finalActivation = this.child("final_activation", makeActivation(options.finalActivation, context));
  }

  override forward(x: Tensor, observe?: Observer): Tensor {
    let features = this.#stem ? run(this.#stem, x) : x;
    if (this.#stem) observe?.("convnet.stem", features);
    for (const [i, layer] of this.#layers.entries()) {
      const y = run(layer, features);
      observe?.(`convnet.layers.${i}`, y);
      features = this.#appends ? cat([crop(features, y), y], 1) : y;
    }
    return this.#finalActivation.forward(features);
  }
}

/** Runs a layer in a scope of its own: what it made on the way is freed when it is done. */
function run(layer: Layer, x: Tensor): Tensor {
  return scope(() => layer.forward(x));
}

/** Stride of a block as a whole: that of its convolution times that of its pooling. */
export function blockStride({ conv, pool }: Pick<BlockOptions, "conv" | "pool">): Triple {
  const convStride = conv.stride ?? [1, 1, 1];
  const poolStride: Triple = pool && "stride" in pool ? pool.stride : [1, 1, 1];
  return [convStride[0] * poolStride[0], convStride[1] * poolStride[1], convStride[2] * poolStride[2]];
}

/** Whether a resnet's shortcut is a convolution: the width changes, or the block has a stride. */
export function shortcutProjects(block: Pick<BlockOptions, "inChannels" | "conv" | "pool">, out: number): boolean {
  return block.inChannels !== out || blockStride(block).some((stride) => stride > 1);
}

/** `activation(block(x) + shortcut(x))`, the shortcut cut to the block's output. */
class ResidualLayer extends Layer {
  readonly outChannels: number;
  readonly #block: Block;
  readonly #shortcut: Shortcut | null;
  readonly #activation: Layer;

  constructor(options: BlockOptions, activation: ActivationOptions, context: BuildContext) {
    super();
    this.#block = this.child("main_block", new Block(options, context));
    this.outChannels = this.#block.outChannels;
    this.#shortcut = shortcutProjects(options, this.outChannels)
      ? this.child("shortcut", new Shortcut(options.inChannels, this.outChannels, blockStride(options), context))
      : null;
    this.#activation = this.child("post_add_activation", makeActivation(activation, context));
  }

  override forward(x: Tensor): Tensor {
    const y = this.#block.forward(x);
    const shortcut = this.#shortcut ? this.#shortcut.forward(x, y) : crop(x, y);
    return this.#activation.forward(y.add(shortcut));
  }
}

/** A strided 1x1x1 convolution without bias. */
class Shortcut extends Layer {
  readonly #weight: Tensor;
  readonly #stride: Triple;
  readonly #cropsFirst: boolean;

  constructor(inChannels: number, outChannels: number, stride: Triple, context: BuildContext) {
    super();
    const shape = [outChannels, inChannels, 1, 1, 1];
    this.#weight = this.parameter("weight", uniformFanIn(shape, fanInOf(shape), context));
    this.#stride = stride;
    this.#cropsFirst = context.formulation === "fast";
  }

  /** The projection of `x`, cut to the size of `like`. */
  override forward(x: Tensor, like: Tensor = x): Tensor {
    if (!this.#cropsFirst) return crop(ops.conv3d(x, this.#weight, null, this.#stride), like);
    // Pixels that stride or crop would drop need no product; what remains is one matrix product per sample.
    const strided = this.#stride.reduce((s, stride, i) => (stride > 1 ? s.slice(i + 2, 0, null, stride) : s), x);
    const pixels = crop(strided, like);
    const [batch, channels, ...size] = pixels.shape as [number, number, number, number, number];
    const weight = this.#weight.view([1, -1, channels]).expand([batch, -1, channels]);
    return ops.bmm(weight, pixels.reshape([batch, channels, -1])).view([batch, -1, ...size]);
  }
}

/**
 * `x` cut to the frames and pixels of `like`: the last frames, the central pixels. Pixels are not resampled: after a
 * pooled block they cover less of the image than `like` does.
 */
export function crop(x: Tensor, like: Tensor): Tensor {
  let cut = x;
  for (const dim of [2, 3, 4]) {
    const surplus = x.size(dim) - like.size(dim);
    const start = dim === 2 ? surplus : Math.floor(surplus / 2);
    if (surplus > 0) cut = cut.slice(dim, start, start + like.size(dim));
  }
  return cut;
}
