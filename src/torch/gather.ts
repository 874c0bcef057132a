/**
 * @file Frames of recordings, gathered into a tensor: what loaders do for every batch.
 */

import { native } from "./native.ts";
import type { Tensor } from "./tensor.ts";

/** Which frames {@link gatherFrames} takes, and what becomes of them. */
export interface FrameGather {
  /** Recordings: [frames, channels, pixels], all bytes or all float32. They may be mapped files. */
  readonly sources: readonly (Uint8Array | Float32Array)[];
  /** Source of every sample, [samples]. */
  readonly recordings: Int32Array;
  /** Frame of every sample at lag 0, [samples]. */
  readonly frames: Int32Array;
  readonly lags: Int32Array;
  readonly channels: number;
  /** Values of a frame and channel. */
  readonly pixels: number;
  /** Whether bytes that become floats become (x − 127) / 255 instead of x. */
  readonly normalise?: boolean | undefined;
}

/**
 * Writes `[samples, channels, lags, pixels]` into a contiguous tensor of the host, uint8 or float32, from its element
 * `position` on. Bytes become float32 on the way if the tensor is one. Each value is moved once, and nothing is allocated.
 *
 * @throws TypeError when a frame lies outside its recording, the tensor has no room, or element types do not fit
 */
export function gatherFrames(out: Tensor, position: number, gather: FrameGather): void {
  const { sources, recordings, frames, lags, channels, pixels, normalise = false } = gather;
  native().gatherFrames(out.handle, position, sources, recordings, frames, lags, channels, pixels, normalise);
}
