/**
 * @file A fingerprint of a session's prepared data, so that a checkpoint knows what it was trained on.
 */

import { createHash } from "node:crypto";
import type { SampleSet } from "../data/samples.ts";

/** Frames of the stimulus between two that are looked at: enough to notice another stimulus without reading all of it. */
const STIMULUS_STRIDE = 64;

/** Values converted at a time. */
const PIECE = 2 ** 20;

/**
 * SHA-256, in hexadecimal, of which samples there are, their spikes, masks and behaviour, and every 64th frame of the
 * stimulus.
 */
export function dataDigest(set: SampleSet): string {
  const hash = createHash("sha256");
  const add = (values: ArrayBufferView | undefined) => {
    if (values) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  };
  // As float32 whatever they are kept as, so that a digest means the values.
  const addFloats = (values: Uint8Array | Float32Array | undefined) => {
    for (let at = 0; values && at < values.length; at += PIECE) add(Float32Array.from(values.subarray(at, at + PIECE)));
  };
  add(set.recordingOf);
  add(set.frameOf);
  for (const recording of set.recordings.keys()) {
    const { frames, stim, robs, dfs, behavior, channels, height, width } = set.arrays(recording);
    for (const values of [robs, dfs, behavior]) addFloats(values);
    const frame = channels * height * width;
    for (let t = 0; t < frames; t += STIMULUS_STRIDE) add(stim?.subarray(t * frame, (t + 1) * frame));
  }
  return hash.digest("hex");
}
