/**
 * @file Features of the stimulus for blocks of samples: every frame that a block shows is read and projected once,
 * however many samples look back at it, and no more than a block is in memory.
 */

import { setImmediate } from "node:timers/promises";
import { firstRows } from "../../data/resident-stimuli.ts";
import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";
import { empty, gatherFrames, noGrad, scope, type Tensor, tensor } from "../../torch/index.ts";
import type { RunOptions } from "./baseline.ts";

/** Size of a frame. */
export interface FrameShape {
  channels: number;
  height: number;
  width: number;
}

/** How samples become features. */
export interface StimulusFeatures {
  readonly frame: FrameShape;
  /** In frames; the first of the served ones. */
  readonly lags: Int32Array;
  /** Numbers that stand for a frame. */
  readonly frameWidth: number;
  /** Features of a sample. */
  readonly width: number;
  /** Scale group of every feature, [width]: features of a group are divided by the same number. */
  readonly groups: Int32Array;
  /** The penalty of a regression on the features divided by their scales, [width, width]. */
  penalty(): Float64Array;
  /** [frames, channels, height, width] to [frames, frameWidth]. */
  project(frames: Tensor): Tensor;
  /** [samples, lags, frameWidth] to [samples, width]. */
  combine(stacks: Tensor): Tensor;
}

/** Numbers in the largest tensor of a block. */
const BLOCK = 2 ** 24;

/** Size of the stimulus of a session. @throws UserError when it serves none */
export function frameShape(set: SampleSet): FrameShape {
  const { channels, height, width, stim } = set.arrays(0);
  if (stim !== undefined && set.lags.has("stim")) return { channels, height, width };
  throw new UserError(`Cannot fit a filter to session "${set.session}": its samples have no stimulus`, {
    hint: 'Add "stim" to keys_lags.',
  });
}

/** The first `count` lags at which samples show the stimulus. */
export function stimulusLags(set: SampleSet, count: number): Int32Array {
  frameShape(set);
  return set.lags.get("stim")!.lags.slice(0, count);
}

/** Positions of the samples in the order of recordings and frames, so that neighbours share frames. */
export function inFrameOrder({ recordingOf, frameOf }: SampleSet): Int32Array {
  return Int32Array.from(frameOf.keys()).sort((a, b) => recordingOf[a]! - recordingOf[b]! || frameOf[a]! - frameOf[b]!);
}

/** Evenly spaced members of a list, all when there are no more than `count`. */
export function thinned(list: Int32Array, count: number): Int32Array {
  const kept = Math.max(1, Math.min(list.length, count));
  return Int32Array.from({ length: kept }, (_, i) => list[Math.floor((i * list.length) / kept)]!);
}

/**
 * Hands over the features of samples, block by block in the order of `positions`, and gives the event loop a turn after
 * each.
 *
 * @param positions samples of the set, best {@link inFrameOrder}
 * @param receive is given [block, width], which it must not keep, and where the block begins in `positions`
 */
export async function streamFeatures(
  set: SampleSet,
  positions: Int32Array,
  features: StimulusFeatures,
  receive: (block: Tensor, start: number) => void,
  { signal, onProgress, stage }: RunOptions & { stage: string },
): Promise<void> {
  const reader = new FrameReader(set, features);
  for (let start = 0; start < positions.length; ) {
    signal?.throwIfAborted();
    const end = reader.blockEnd(positions, start);
    noGrad(() => scope(() => receive(reader.featuresOf(positions.subarray(start, end)), start)));
    start = end;
    onProgress?.({ stage, done: end, total: positions.length });
    await setImmediate();
  }
}

/** Reads the frames of blocks of samples. */
class FrameReader {
  private readonly set: SampleSet;
  private readonly features: StimulusFeatures;
  private readonly sources: readonly (Uint8Array | Float32Array)[];
  private readonly firstRows: Int32Array;
  /** Place of every frame among those of the block, -1 for the others; recordings one after the other. */
  private readonly placeOf: Int32Array;
  private readonly maxFrames: number;
  private readonly maxSamples: number;

  constructor(set: SampleSet, features: StimulusFeatures) {
    const { channels, height, width } = features.frame;
    this.set = set;
    this.features = features;
    this.sources = set.recordings.map((_, recording) => set.arrays(recording).stim!);
    this.firstRows = firstRows(set);
    this.placeOf = new Int32Array(set.recordings.reduce((sum, { length }) => sum + length, 0)).fill(-1);
    this.maxFrames = Math.max(1, Math.floor(BLOCK / Math.max(channels * height * width, features.frameWidth)));
    const perSample = Math.max(features.lags.length * features.frameWidth, features.width);
    this.maxSamples = Math.max(1, Math.floor(BLOCK / perSample));
  }

  /** Where a block ends that begins at `start`: it has at least one sample, and no more frames and samples than fit. */
  blockEnd(positions: Int32Array, start: number): number {
    const limit = Math.min(positions.length, start + this.maxSamples);
    const used: number[] = [];
    let end = start;
    for (; end < limit; end++) {
      const fresh = this.rowsOf(positions[end]!).filter((row) => this.placeOf[row]! < 0);
      if (end > start && used.length + fresh.length > this.maxFrames) break;
      for (const row of fresh) this.placeOf[row] = used.push(row) - 1;
    }
    for (const row of used) this.placeOf[row] = -1;
    return end;
  }

  /** [samples, features]. */
  featuresOf(positions: Int32Array): Tensor {
    const { features, placeOf } = this;
    const { lags } = features;
    const used: number[] = [];
    const places = new Int32Array(positions.length * lags.length);
    for (const [i, position] of positions.entries()) {
      for (const [l, row] of this.rowsOf(position).entries()) {
        if (placeOf[row]! < 0) placeOf[row] = used.push(row) - 1;
        places[i * lags.length + l] = placeOf[row]!;
      }
    }
    for (const row of used) placeOf[row] = -1;
    const projected = scope(() => features.project(this.frames(Int32Array.from(used))));
    const stacks = projected.indexSelect(0, tensor(places)).view([positions.length, lags.length, features.frameWidth]);
    return features.combine(stacks);
  }

  private rowsOf(position: number): Int32Array {
    const row = this.firstRows[this.set.recordingOf[position]!]! + this.set.frameOf[position]!;
    return this.features.lags.map((lag) => row - lag);
  }

  /** Frames by row, [frames, channels, height, width], as a twin is served them. */
  private frames(rows: Int32Array): Tensor {
    const { channels, height, width } = this.features.frame;
    const recordings = rows.map((row) => this.firstRows.findLastIndex((first) => first <= row));
    const out = empty([rows.length, channels, height, width]);
    gatherFrames(out, 0, {
      sources: this.sources,
      recordings,
      frames: rows.map((row, i) => row - this.firstRows[recordings[i]!]!),
      lags: Int32Array.of(0),
      channels,
      pixels: height * width,
      normalise: this.set.pixelnorm,
    });
    return out;
  }
}
