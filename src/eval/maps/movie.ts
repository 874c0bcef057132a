/**
 * @file A stimulus as spike-triggered analyses read it: grey levels or numbers that stay where they are, in memory or in a
 * mapped file, and become float32 a few frames at a time.
 */
import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";
import { elementCount, type NdArray } from "../../formats/array.ts";
import { empty, gatherFrames, scope, type Tensor } from "../../torch/index.ts";

/** Frames that are looked at together. */
export const CHUNK = 1024;

/** A stimulus, frame after frame. */
export interface Movie {
  /** [frames, ...shape]; bytes are grey levels. */
  readonly values: Uint8Array | Float32Array;
  readonly frames: number;
  /** Shape of one frame, [height, width] for example. */
  readonly shape: readonly number[];
  /** Whether grey levels x stand for (x − 127) / 255 instead of x. */
  readonly pixelnorm: boolean;
  /** What is subtracted from all values, and what they are then divided by. */
  readonly mean: number;
  readonly std: number;
}

/**
 * An array as a movie.
 *
 * @param array [frames, ...], uint8 or float32
 * @throws UserError for other element types
 */
export function movieOf({ data, dtype, shape }: NdArray, { pixelnorm = false } = {}): Movie {
  if (!(dtype === "uint8" && data instanceof Uint8Array) && !(data instanceof Float32Array)) {
    throw new UserError(`Cannot correlate with a stimulus of ${dtype}: expected uint8 or float32`);
  }
  return { values: data, frames: shape[0]!, shape: shape.slice(1), pixelnorm, mean: 0, std: 1 };
}

/**
 * The stimulus of one recording of a session; frames are [height, width], or [channels, height, width] if it has several
 * channels.
 *
 * @throws UserError when the recording keeps no stimulus
 */
export function movieOfRecording(set: SampleSet, recording: number): Movie {
  const { stim, type, frames, channels, height, width } = set.arrays(recording);
  if (stim === undefined) {
    throw new UserError(`Cannot correlate with "${type}" of session "${set.session}": it keeps no stimulus`, {
      hint: "Prepare the session with stim among its keys.",
    });
  }
  const shape = channels === 1 ? [height, width] : [channels, height, width];
  return { values: stim, frames, shape, pixelnorm: set.pixelnorm, mean: 0, std: 1 };
}

/**
 * Frames of a movie as numbers, float32 [frames asked for, pixels].
 *
 * @throws TypeError for a frame outside the movie
 */
export function takeFrames(movie: Movie, frames: Int32Array, device = "cpu"): Tensor {
  const { values, shape, pixelnorm, mean, std } = movie;
  const pixels = elementCount(shape);
  return scope(() => {
    const images = empty([frames.length, pixels]);
    const recordings = new Int32Array(frames.length);
    gatherFrames(images, 0, {
      sources: [values],
      recordings,
      frames,
      lags: Int32Array.of(0),
      channels: 1,
      pixels,
      normalise: pixelnorm,
    });
    if (mean !== 0) images.add_(-mean);
    if (std !== 1) images.mul_(1 / std);
    return images.to({ device });
  });
}

/** All frame numbers of a movie. */
export function allFrames({ frames }: Movie): Int32Array {
  return Int32Array.from({ length: frames }, (_, t) => t);
}

/**
 * The movie minus the mean of all its values, divided by their standard deviation (sum of squares over count − 1).
 *
 * @throws UserError when all values are equal
 */
export function zScored(movie: Movie): Movie {
  const raw = { ...movie, mean: 0, std: 1 };
  const frames = allFrames(raw);
  const count = frames.length * elementCount(movie.shape);
  const total = (value: (images: Tensor) => Tensor) => {
    let sum = 0;
    for (let start = 0; start < frames.length; start += CHUNK) {
      sum += scope(() =>
        value(takeFrames(raw, frames.subarray(start, start + CHUNK)).double())
          .sum()
          .item(),
      );
    }
    return sum;
  };
  const mean = total((images) => images) / count;
  const std = Math.sqrt(total((images) => images.sub(mean).square()) / (count - 1));
  if (!(std > 0)) throw new UserError(`Cannot standardise a stimulus: all its ${count} values are ${mean}`);
  return { ...raw, mean, std };
}
