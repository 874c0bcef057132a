/**
 * @file What a model's output can depend on, from its configuration alone: which lags of the stimulus reach the frame that
 * readouts use, and how many pixels one feature pixel sees (model specification, sections 3 and 6 to 13).
 *
 * An axis is followed from stage to stage as one set of stimulus positions per position of the stage's result. Sets are
 * bit masks: bit i is position i. Nothing is built; taps that a window makes exactly zero carry nothing.
 */

import type { ModelConfig } from "../config/model.ts";
import { coneFilters } from "../signal/cone-filters.ts";
import { raisedCosineBasis } from "../signal/raised-cosine.ts";
import { type BlockOptions, type BlockStage, blockPadding } from "./modules/block.ts";
import type { AxisPadding, ConvOptions, PaddingMode } from "./modules/conv.ts";
import { blockStride, type ConvnetOptions, type NetBlockOptions, shortcutProjects } from "./modules/convnet.ts";
import type { LocalAttentionOptions } from "./modules/local-attention.ts";
import type { NormOptions } from "./modules/norm.ts";
import type { PoolOptions } from "./modules/pool.ts";
import { support, windowAxes } from "./modules/window.ts";
import { adapterOptions, convnetOptions, type FrontendOptions, frontendOptions } from "./options.ts";
import { type InputShape, ignoresStimulus, type SessionSpec } from "./shapes.ts";

const ANY_SESSION: readonly SessionSpec[] = [{ name: "session", nUnits: 1 }];

/** Frames, rows or columns of `[T, H, W]`. */
type Axis = 0 | 1 | 2;

/** Along one axis: the stimulus positions that every position of a result depends on. */
interface Trace {
  /** Through convolutions, pools and recurrence. */
  direct: readonly bigint[];
  /** Also through the statistics of norms that look at the whole axis. */
  any: readonly bigint[];
}

/** For every position of a result the positions of the input it reads. */
type Reads = readonly (readonly number[])[];

// --- lags --------------------------------------------------------------------------------------------------------------

/** Positions on the lag axis as the data serve it (0 is first, as a rule the newest), in increasing order. */
export interface VisibleLags {
  /** Those that reach the scored output through convolutions, pools and recurrence. */
  seen: readonly number[];
  /** Those that reach it through nothing but norms over all frames: weakly, and the same for every pixel. */
  viaNorms: readonly number[];
  /** Whether a recurrence reads them from the newest to the oldest. */
  scansToOldest: boolean;
}

/**
 * The lags that can change what readouts use: the last frame of the model's last stage.
 *
 * @param frames length of the stimulus' lag axis; the model must fit it (`describeModel` tells)
 * @returns null for models that ignore the stimulus
 */
export function visibleLags(config: ModelConfig, frames: number): VisibleLags | null {
  if (ignoresStimulus(config, ANY_SESSION)) return null;
  const reversed = config.lag_order === "oldest_first";
  const features = recurred(config, convolved(config, frames, 0));
  const [direct, any] = [features.direct.at(-1)!, features.any.at(-1)!];
  const lags = (mask: bigint) => {
    const positions = bitsOf(mask);
    return reversed ? positions.map((i) => frames - 1 - i).reverse() : positions;
  };
  const recurs = config.recurrent.type !== "none" || config.modulator.type === "convgru";
  return { seen: lags(direct), viaNorms: lags(any & ~direct), scansToOldest: recurs && !reversed };
}

// --- pixels ------------------------------------------------------------------------------------------------------------

/** What one pixel of the features sees, in rows and columns of the frame the core is given. */
export interface PixelField {
  /** Extent of a pixel in the middle of the features. A recurrence widens it from frame to frame; that is not counted. */
  size: readonly [rows: number, columns: number];
  /** Distance between the fields of neighbouring pixels. */
  step: readonly [rows: number, columns: number];
  /** Size of the frame the core is given: the adapter's grid, or the stimulus. */
  frame: readonly [rows: number, columns: number];
  /** Stimulus pixels per pixel of that frame in a new model; 1 without an adapter. */
  spacing: readonly [rows: number, columns: number];
  /** Share of the stimulus' width that a new adapter looks at; 1 without one. */
  view: number;
}

/** softplus(0): where an adapter's scale starts unless its options say otherwise. */
const REFERENCE_SCALE = Math.LN2;

/**
 * The receptive field of a feature pixel of the convnet.
 *
 * @returns null for models that ignore the stimulus
 */
export function pixelField(config: ModelConfig, { height, width }: InputShape): PixelField | null {
  if (ignoresStimulus(config, ANY_SESSION)) return null;
  const frontend = frontendOptions(config.frontend, config.sampling_rate);
  const adapter = adapterOptions(config.adapter) ?? (frontend.type === "adapter" ? frontend.options : null);
  const frame = adapter ? ([adapter.gridSize, adapter.gridSize] as const) : ([height, width] as const);
  const [rows, columns] = [fieldAlong(config, frame[0], 1), fieldAlong(config, frame[1], 2)];
  const view = adapter ? (adapter.initScale ?? (adapter.transform === "affine" ? 1 : REFERENCE_SCALE)) : 1;
  // The reference's blur loses one row and one column.
  const lost = adapter && adapter.blurKernel !== "centred" ? 1 : 0;
  const spacing = (pixels: number, grid: number) =>
    adapter && grid > 1 ? (view * (pixels - lost - 1)) / (grid - 1) : 1;
  return {
    size: [rows.size, columns.size],
    step: [rows.step, columns.step],
    frame,
    spacing: [spacing(height, frame[0]), spacing(width, frame[1])],
    view,
  };
}

function fieldAlong(config: ModelConfig, length: number, axis: 1 | 2): { size: number; step: number } {
  const { direct } = convolved(config, length, axis);
  const middle = bitsOf(direct[direct.length >> 1]!);
  const frontend = frontendOptions(config.frontend, config.sampling_rate);
  const convnet = convnetOptions(config.convnet, 1);
  const strides = [
    frontend.type === "conv" ? blockStride(frontend.options)[axis] : 1,
    frontend.type === "learnable_temporal" ? (frontend.options.stride?.[axis] ?? 1) : 1,
    ...[convnet?.stem ?? [], convnet?.blocks ?? []].flat().map((block) => blockStride(block)[axis]),
  ];
  return { size: middle.at(-1)! - middle[0]! + 1, step: strides.reduce((product, stride) => product * stride, 1) };
}

// --- stages ------------------------------------------------------------------------------------------------------------

/** Frontend and convnet. */
function convolved(config: ModelConfig, length: number, axis: Axis): Trace {
  const start = Array.from({ length }, (_, i) => 1n << BigInt(i));
  const frontend = frontendOptions(config.frontend, config.sampling_rate);
  const x = throughFrontend(frontend, { direct: start, any: start }, axis);
  const convnet = convnetOptions(config.convnet, 1);
  return convnet ? throughConvnet(convnet, x, axis) : x;
}

function throughFrontend(frontend: FrontendOptions, x: Trace, axis: Axis): Trace {
  switch (frontend.type) {
    case "none":
    case "adapter":
      return x;
    case "conv":
      return throughBlock(frontend.options, x, axis);
    case "learnable_temporal": {
      const { kernelSize, splitMP, ...options } = frontend.options;
      // Down by two and up again with five taps each: four pixels to both sides.
      const blur = { taps: range(9), extent: 9, padding: [4, 4] } as const;
      const split = splitMP && axis > 0 ? join(x, gather(x, slidingReads(x.any.length, blur))) : x;
      return gather(split, convReads(split.any.length, { ...options, kernelSize: [kernelSize, 1, 1] }, axis));
    }
    case "da": {
      if (axis > 0) return x;
      const { fast, slow } = coneFilters(frontend.options.cone);
      return gather(x, filterReads(x.any.length, [fast, slow], 0));
    }
    case "temporal_basis": {
      if (axis > 0) return x;
      const { basis, causal, chomp } = frontend.options;
      const rows = raisedCosineBasis(basis);
      const ahead = causal ? 0 : rows[0]!.length - 1 - Math.floor(rows[0]!.length / 2);
      const weights = causal ? rows : rows.map((row) => row.toReversed());
      return gather(x, filterReads(x.any.length, weights, ahead).slice(chomp));
    }
  }
}

/** `weights[k]` belongs to the value k - `ahead` frames ago; beyond the ends there are zeros. */
function filterReads(length: number, filters: readonly Float64Array[], ahead: number): Reads {
  const count = filters[0]!.length;
  const live = range(count).filter((k) => filters.some((filter) => Math.fround(filter[k]!) !== 0));
  return range(length).map((t) => live.map((k) => t + ahead - k).filter((i) => i >= 0 && i < length));
}

function throughConvnet({ type, stem, blocks }: ConvnetOptions, input: Trace, axis: Axis): Trace {
  const inFront = stem ? throughBlock(stem, input, axis) : input;
  return blocks.reduce((x, block) => {
    const y = throughBlock(block, x, axis);
    if (type === "vanilla") return y;
    const length = y.any.length;
    if (type === "densenet") return join(cropped(x, length, axis), y);
    return join(cropped(throughShortcut(block, x, axis), length, axis), y);
  }, inFront);
}

function throughShortcut(block: NetBlockOptions, x: Trace, axis: Axis): Trace {
  // Whether widths differ does not matter here: a projection with stride 1 passes positions on as they are.
  if (!shortcutProjects({ ...block, inChannels: block.outChannels }, block.outChannels)) return x;
  return gather(x, slidingReads(x.any.length, { taps: [0], extent: 1, stride: blockStride(block)[axis] }));
}

/** As shortcuts are cut: the last frames, the central pixels. */
function cropped(x: Trace, length: number, axis: Axis): Trace {
  const surplus = x.any.length - length;
  const start = axis === 0 ? surplus : Math.floor(surplus / 2);
  return gather(
    x,
    range(length).map((i) => [i + start]),
  );
}

/** Lags alone: the states of a recurrence know every frame up to their own. */
function recurred({ modulator, recurrent }: ModelConfig, x: Trace): Trace {
  const frames = x.any.length;
  const upToEach = range(frames).map((t) => range(t + 1));
  // This modulator keeps its last state only.
  const modulated = modulator.type === "convgru" ? gather(x, upToEach.slice(-1)) : x;
  return recurrent.type === "none" ? modulated : gather(modulated, upToEach.slice(0, modulated.any.length));
}

// --- blocks ------------------------------------------------------------------------------------------------------------

function throughBlock(options: Omit<BlockOptions, "inChannels">, input: Trace, axis: Axis): Trace {
  const { external, native } = blockPadding(options);
  const through = (x: Trace, stage: BlockStage): Trace => {
    const length = x.any.length;
    switch (stage) {
      case "pad":
        return gather(x, slidingReads(length, { taps: [0], extent: 1, padding: external[axis] }));
      case "conv":
        return gather(x, convReads(length, { ...options.conv, padding: native }, axis));
      case "norm":
        return looksAlong(options.norm, axis) ? mixed(x) : x;
      case "act":
        return doublesAlong(options.activation, axis)
          ? gather(
              x,
              [...range(length), ...range(length)].map((i) => [i]),
            )
          : x;
      case "dropout":
        return x;
      case "pool":
        return options.pool ? throughPool(options.pool, x, axis) : x;
    }
  };
  return options.order.reduce(through, input);
}

function doublesAlong({ type, splitDim = 1 }: BlockOptions["activation"], axis: Axis): boolean {
  return type === "splitrelu" && tensorAxis(splitDim) === axis + 2;
}

/** Whether a norm's statistics are over an axis. Batch norm has running ones when it predicts. */
function looksAlong({ type, targetDims = [1] }: NormOptions, axis: Axis): boolean {
  if (type === "rms" || type === "layer") return targetDims.map(tensorAxis).includes(axis + 2);
  return type === "grn" || type === "instance" || type === "group";
}

/** An axis of `[batch, channels, T, H, W]`, counted from the front. */
function tensorAxis(dim: number): number {
  return dim < 0 ? dim + 5 : dim;
}

function convReads(
  length: number,
  options: Pick<ConvOptions, "kernelSize" | "stride" | "dilation" | "padding" | "paddingMode" | "window">,
  axis: Axis,
): Reads {
  const { kernelSize, stride, dilation, padding, paddingMode = "replicate", window } = options;
  const extent = kernelSize[axis];
  const { first, end } = window ? support(windowAxes(kernelSize, window)[axis]) : { first: 0, end: extent };
  return slidingReads(length, {
    taps: range(end - first).map((tap) => first + tap),
    extent,
    stride: stride?.[axis],
    dilation: dilation?.[axis],
    padding: padding?.[axis],
    mode: paddingMode,
  });
}

function throughPool(pool: PoolOptions, x: Trace, axis: Axis): Trace {
  const length = x.any.length;
  if ("layout" in pool) return throughLocalAttention(pool, x, axis);
  switch (pool.type) {
    case "aablur":
    case "se_pool": {
      // Squeeze-excite sees the whole frame too, but only to scale it.
      if (axis === 0) return x;
      const blurred = pool.type === "aablur" ? gather(x, slidingReads(length, centred(3))) : x;
      const window = { taps: range(2), extent: 2, stride: pool.stride[axis], padding: [0, 0] as const };
      return gather(blurred, slidingReads(length, { ...window, mode: "zeros" }));
    }
    case "max":
    case "avg": {
      const [extent, edge] = [pool.kernelSize[axis], pool.padding[axis]];
      const window = { taps: range(extent), extent, stride: pool.stride[axis], padding: [edge, edge] as const };
      return gather(x, slidingReads(length, { ...window, mode: "zeros" }));
    }
    case "adaptivemax":
    case "adaptiveavg": {
      const count = pool.kernelSize[axis];
      const reads = range(count).map((i) => {
        const [first, end] = [Math.floor((i * length) / count), Math.ceil(((i + 1) * length) / count)];
        return range(end - first).map((k) => first + k);
      });
      return gather(x, reads);
    }
  }
}

function throughLocalAttention({ layout, spatialKernel }: LocalAttentionOptions, x: Trace, axis: Axis): Trace {
  const length = x.any.length;
  if (axis > 0) return gather(x, slidingReads(length, centred(spatialKernel)));
  // The reference's reading of memory brings frames of all lags together.
  return layout === "per_frame"
    ? x
    : gather(
        x,
        range(length).map(() => range(length)),
      );
}

/** A window of odd length that keeps an axis as long as it is. */
function centred(extent: number): Sliding {
  const edge = (extent - 1) / 2;
  return { taps: range(extent), extent, padding: [edge, edge], mode: "zeros" };
}

// --- sets --------------------------------------------------------------------------------------------------------------

interface Sliding {
  /** Taps that are not zero. */
  taps: readonly number[];
  /** All taps. */
  extent: number;
  stride?: number | undefined;
  dilation?: number | undefined;
  padding?: AxisPadding | undefined;
  /** What stands in the padding. */
  mode?: PaddingMode;
}

function slidingReads(length: number, sliding: Sliding): Reads {
  const { taps, extent, stride = 1, dilation = 1, padding = [0, 0], mode = "replicate" } = sliding;
  const span = dilation * (extent - 1) + 1;
  const count = Math.floor((length + padding[0] + padding[1] - span) / stride) + 1;
  return range(count).map((i) =>
    taps.flatMap((tap) => sourceOf(i * stride + tap * dilation - padding[0], length, mode) ?? []),
  );
}

/** The position that a padded axis shows at `i`, or null for a zero. */
function sourceOf(i: number, length: number, mode: PaddingMode): number | null {
  if (i >= 0 && i < length) return i;
  switch (mode) {
    case "zeros":
      return null;
    case "replicate":
      return i < 0 ? 0 : length - 1;
    case "reflect":
      return i < 0 ? -i : 2 * (length - 1) - i;
    case "circular":
      return (i + length) % length;
  }
}

function gather({ direct, any }: Trace, reads: Reads): Trace {
  const unions = (masks: readonly bigint[]) => reads.map((positions) => union(positions.map((i) => masks[i]!)));
  return { direct: unions(direct), any: unions(any) };
}

/** Both at every position. */
function join(a: Trace, b: Trace): Trace {
  return { direct: a.direct.map((mask, i) => mask | b.direct[i]!), any: a.any.map((mask, i) => mask | b.any[i]!) };
}

/** Every position also depends on all others. */
function mixed({ direct, any }: Trace): Trace {
  const all = union(any);
  return { direct, any: any.map(() => all) };
}

function union(masks: readonly bigint[]): bigint {
  return masks.reduce((all, mask) => all | mask, 0n);
}

function bitsOf(mask: bigint): number[] {
  const length = mask.toString(2).length;
  return range(length).filter((i) => (mask >> BigInt(i)) & 1n);
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
