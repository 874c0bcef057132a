/**
 * @file Whitening of stimulus frames with their own covariance (evaluation specification, section 11.3).
 */
import { UserError } from "../../errors.ts";
import { elementCount } from "../../formats/array.ts";
import { noGrad, ops, scope, type Tensor, tensor, zeros } from "../../torch/index.ts";
import { CHUNK, type Movie, takeFrames } from "./movie.ts";
import { finished, portion, type Work } from "./work.ts";

export interface WhiteningOptions {
  /** Added to the variance of every direction, so that those without any are not blown up. */
  ridge?: number | undefined;
  /** False leaves correlations between pixels as they are and only equalises their variances. */
  whiten?: boolean | undefined;
  device?: string | undefined;
}

/** A linear map that makes the pixels of a movie uncorrelated and alike in variance. */
export interface Whitening {
  /** Weighted mean frame, [pixels]. */
  readonly mean: Float32Array;
  /** Symmetric matrix, [pixels, pixels]; with `whiten: false` one factor per pixel, [pixels]. */
  readonly filter: Float32Array;
  /** Mean square of every whitened pixel, [pixels]: close to 1 where the stimulus has much more variance than the ridge. */
  readonly energy: Float64Array;
}

/**
 * Zero-phase whitening, `W = V (Λ + ridge)^−1/2 Vᵀ` for the covariance `V Λ Vᵀ` (Bell & Sejnowski 1997, Vision Research 37,
 * 3327–3338). The covariance is accumulated in float64 from float32 products; eigenvalues below 0 count as 0.
 *
 * @param weights of the frames, [frames], 0 or more
 * @throws UserError when weights and frames differ in number, or no frame has a weight
 */
export function fitWhitening(movie: Movie, weights: ArrayLike<number>, options: WhiteningOptions = {}): Whitening {
  return finished(whiteningWork(movie, weights, options));
}

/** {@link fitWhitening} in portions; the last, the eigenvectors, is long for large frames. */
export function* whiteningWork(
  movie: Movie,
  weights: ArrayLike<number>,
  { ridge = 0.01, whiten = true, device = "cpu" }: WhiteningOptions = {},
): Work<Whitening> {
  if (weights.length !== movie.frames) {
    throw new UserError(`Cannot whiten a movie of ${movie.frames} frames with ${weights.length} weights`);
  }
  const frames = Int32Array.from({ length: movie.frames }, (_, t) => t).filter((t) => weights[t]! > 0);
  const total = frames.reduce((sum, t) => sum + weights[t]!, 0);
  if (frames.length === 0) {
    throw new UserError("Cannot whiten a movie: no frame is valid for any unit", { hint: "Check the datafilters." });
  }
  const normalised = Float64Array.from(weights, (weight) => weight / total);
  const mean = yield* portion(weightedMean(movie, frames, normalised, device), 0, 0.2);
  const covariance = yield* portion(weightedCovariance(movie, frames, normalised, mean, device, whiten), 0.2, 0.9);
  const shape = whiten ? [mean.length, mean.length] : [mean.length];
  return { mean, ...scope(() => (whiten ? matrixFilter : pixelFilter)(tensor(covariance, shape, { device }), ridge)) };
}

/** Frames minus the mean, whitened, [frames, pixels]; a function over tensors that are freed with {@link Whitener.dispose}. */
export interface Whitener {
  readonly apply: (images: Tensor) => Tensor;
  readonly dispose: () => void;
}

/** Brings a whitening to a device. */
export function whitener({ mean, filter }: Whitening, device = "cpu"): Whitener {
  const isMatrix = filter.length !== mean.length;
  const centre = tensor(mean, [mean.length], { device }).keep();
  const factor = tensor(filter, isMatrix ? [mean.length, mean.length] : [mean.length], { device }).keep();
  return {
    apply: (images) => {
      const centred = images.sub(centre);
      return isMatrix ? ops.mm(centred, factor) : centred.mul(factor);
    },
    dispose: () => {
      centre.dispose();
      factor.dispose();
    },
  };
}

/** Sums something over pieces of frames, in float64. */
function* overPieces(
  movie: Movie,
  frames: Int32Array,
  weights: Float64Array,
  device: string,
  shape: readonly number[],
  part: (images: Tensor, weights: Tensor) => Tensor,
): Work<Float64Array> {
  const total = zeros(shape, { dtype: "float64", device }).keep();
  try {
    for (let start = 0; start < frames.length; start += CHUNK) {
      const piece = frames.subarray(start, start + CHUNK);
      noGrad(() =>
        scope(() => {
          const shares = tensor(
            Float64Array.from(piece, (t) => weights[t]!),
            [piece.length, 1],
            { device },
          );
          total.add_(part(takeFrames(movie, piece, device), shares));
        }),
      );
      yield Math.min(1, (start + CHUNK) / frames.length);
    }
    return total.toTypedArray() as Float64Array;
  } finally {
    total.dispose();
  }
}

function* weightedMean(movie: Movie, frames: Int32Array, weights: Float64Array, device: string): Work<Float32Array> {
  const shape = [elementCount(movie.shape)];
  return Float32Array.from(
    yield* overPieces(movie, frames, weights, device, shape, (images, shares) => images.double().mul(shares).sum(0)),
  );
}

/** [pixels · pixels], or the diagonal alone, [pixels]. */
function* weightedCovariance(
  movie: Movie,
  frames: Int32Array,
  weights: Float64Array,
  mean: Float32Array,
  device: string,
  isFull: boolean,
): Work<Float64Array> {
  const pixels = mean.length;
  const shape = isFull ? [pixels, pixels] : [pixels];
  return yield* overPieces(movie, frames, weights, device, shape, (images, shares) => {
    const scaled = images.sub(tensor(mean, [pixels], { device })).mul(shares.sqrt().float());
    return isFull ? ops.mm(scaled.transpose(0, 1), scaled) : scaled.square().sum(0);
  });
}

type Filter = Pick<Whitening, "filter" | "energy">;

function matrixFilter(covariance: Tensor, ridge: number): Filter {
  const [variances, directions] = ops.linalg_eigh(covariance);
  const floored = variances.clamp(0);
  const regular = floored.add(ridge);
  const filter = ops.mm(directions.mul(regular.rsqrt()), directions.transpose(0, 1));
  return {
    filter: filter.float().toTypedArray() as Float32Array,
    energy: directions.square().mul(floored.div(regular)).sum(1).toTypedArray() as Float64Array,
  };
}

function pixelFilter(variances: Tensor, ridge: number): Filter {
  const regular = variances.add(ridge);
  return {
    filter: regular.rsqrt().float().toTypedArray() as Float32Array,
    energy: variances.div(regular).toTypedArray() as Float64Array,
  };
}
