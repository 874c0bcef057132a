/**
 * @file Sums of stimulus frames weighted by later responses: the arithmetic behind spike-triggered averages and energies
 * (evaluation specification, sections 11.1 and 11.3).
 */
import { elementCount } from "../../formats/array.ts";
import { noGrad, ops, scope, type Tensor, tensor, zeros } from "../../torch/index.ts";
import { allFrames, CHUNK, type Movie, takeFrames } from "./movie.ts";
import type { Work } from "./work.ts";

/** What is summed. */
export interface TriggeredSumsInput {
  readonly movie: Movie;
  /** Weight of the response in every frame of the movie, [frames, columns]; finite everywhere. */
  readonly weights: Float32Array;
  readonly columns: number;
  /** Frames from stimulus to response. */
  readonly lags: readonly number[];
  /** Stimulus frames that count; all when absent. */
  readonly frames?: Int32Array | undefined;
  /** 1 for sums of pixel values, 2 for sums of their squares. */
  readonly powers: readonly (1 | 2)[];
  /** Applied to frames [n, pixels] before anything else, whitening for example. */
  readonly prepare?: ((images: Tensor) => Tensor) | undefined;
  readonly device?: string | undefined;
}

/**
 * `Σ_t stim[t]^power · weights[t + lag, column]` over the stimulus frames t for which t + lag is a frame. Float32 within
 * pieces of some frames, float64 between them.
 *
 * @returns for every power [columns, lags, pixels]
 */
export function* triggeredSums(input: TriggeredSumsInput): Work<Float64Array[]> {
  const { movie, columns, lags, frames = allFrames(movie), powers, prepare, device = "cpu" } = input;
  const totals = powers.map(() =>
    zeros([columns * lags.length, elementCount(movie.shape)], { dtype: "float64", device }).keep(),
  );
  try {
    for (let start = 0; start < frames.length; start += CHUNK) {
      const piece = frames.subarray(start, start + CHUNK);
      noGrad(() =>
        scope(() => {
          const later = laterWeights(input, piece).to({ device }).transpose(0, 1);
          const images = takeFrames(movie, piece, device);
          const prepared = prepare?.(images) ?? images;
          for (const [i, power] of powers.entries()) {
            totals[i]!.add_(ops.mm(later, power === 1 ? prepared : prepared.square()));
          }
        }),
      );
      yield Math.min(1, (start + CHUNK) / frames.length);
    }
    return totals.map((total) => total.toTypedArray() as Float64Array);
  } finally {
    for (const total of totals) total.dispose();
  }
}

/** Weights at every lag after some frames, [frames, columns · lags]; 0 beyond the movie. */
function laterWeights({ movie, weights, columns, lags }: TriggeredSumsInput, frames: Int32Array): Tensor {
  const later = new Float32Array(frames.length * columns * lags.length);
  let at = 0;
  for (const frame of frames) {
    for (let column = 0; column < columns; column++) {
      for (const lag of lags) {
        const response = frame + lag;
        if (response >= 0 && response < movie.frames) later[at] = weights[response * columns + column]!;
        at++;
      }
    }
  }
  return tensor(later, [frames.length, columns * lags.length]);
}
