/**
 * @file Reverse and forward correlation of responses with a stimulus (evaluation specification, section 11.1).
 */
import { UserError } from "../../errors.ts";
import { elementCount } from "../../formats/array.ts";
import { allFrames, type Movie } from "./movie.ts";
import { triggeredSums } from "./triggered-sums.ts";
import { finished, type Work } from "./work.ts";

/** What is correlated. */
export interface CorrelationInput {
  readonly movie: Movie;
  /** Spikes, or predicted spikes, in every frame, [frames, units]. */
  readonly responses: ArrayLike<number>;
  readonly units: number;
  /** Weight of every response, [frames, units] or [frames]; 1 when absent. What lies under a weight of 0 does not matter. */
  readonly dfs?: ArrayLike<number> | undefined;
  /** Frames from stimulus to response. */
  readonly lags: readonly number[];
  /** Stimulus frames that count; all when absent. */
  readonly frames?: Int32Array | undefined;
  /** Correlate with squared stimulus values: spike-triggered energy instead of average. */
  readonly energy?: boolean | undefined;
  readonly device?: string | undefined;
}

export interface ReverseCorrelationInput extends CorrelationInput {
  /** "reference" divides every lag by the spikes of all lags together, which makes averages too small (register E-32). */
  readonly compat?: "reference" | undefined;
}

/** A stimulus feature for every unit and lag. */
export interface CorrelationMaps {
  /** [units, lags, ...shape of a frame]; NaN where nothing was seen. */
  readonly values: Float64Array;
  readonly shape: readonly number[];
  /** Spikes that the map of a lag is made of, [units, lags]; weighted like the responses. */
  readonly spikes: Float64Array;
}

/**
 * Spike-triggered average or energy: `Σ_t f(stim[t]) r[t + lag] d[t + lag] / Σ_t r[t + lag] d[t + lag]`, f being the identity
 * or the square (de Boer & Kuyper 1968, IEEE Transactions on Biomedical Engineering 15, 169–179).
 *
 * @throws UserError when responses, weights and movie differ in frames, or a frame lies outside the movie
 */
export function reverseCorrelation(input: ReverseCorrelationInput): CorrelationMaps {
  return finished(reverseCorrelationWork(input));
}

/** {@link reverseCorrelation} in portions. */
export function* reverseCorrelationWork(input: ReverseCorrelationInput): Work<CorrelationMaps> {
  const { movie, units, lags, energy = false, compat } = input;
  const weights = weightedResponses(input);
  const [sums] = yield* triggeredSums({ ...input, weights, columns: units, powers: [energy ? 2 : 1] });
  const spikes = spikesPerLag(input, weights);
  const pixels = elementCount(movie.shape);
  const values = sums!.map((sum, i) => {
    const row = Math.floor(i / pixels);
    if (compat !== "reference") return sum / spikes[row]!;
    const unit = Math.floor(row / lags.length);
    return sum / spikes.subarray(unit * lags.length, (unit + 1) * lags.length).reduce((a, b) => a + b, 0);
  });
  return { values, shape: [units, lags.length, ...movie.shape], spikes };
}

/**
 * Mean response to each stimulus feature: `Σ_t f(stim[t]) r[t + lag] d[t + lag] / Σ_t f(stim[t]) d[t + lag]`. With a stimulus of
 * ones and zeros this is the mean response `lag` frames after a one.
 *
 * @throws UserError like {@link reverseCorrelation}
 */
export function forwardCorrelation(input: CorrelationInput): CorrelationMaps {
  const { movie, units, dfs, lags, energy = false } = input;
  const powers = [energy ? 2 : 1] as const;
  const weights = weightedResponses(input);
  const [sums] = finished(triggeredSums({ ...input, weights, columns: units, powers }));
  // Without weights, or with one for all units, what was shown is the same for every unit.
  const columns = dfs === undefined || dfs.length === movie.frames ? 1 : units;
  const shownWeights = dfs === undefined ? new Float32Array(movie.frames).fill(1) : Float32Array.from(dfs);
  const [shown] = finished(triggeredSums({ ...input, weights: shownWeights, columns, powers }));
  return {
    values: sums!.map((sum, i) => sum / shown![i % shown!.length]!),
    shape: [units, lags.length, ...movie.shape],
    spikes: spikesPerLag(input, weights),
  };
}

/** Responses times their weights, [frames, units]. */
function weightedResponses({ movie, responses, units, dfs, frames }: CorrelationInput): Float32Array {
  const cells = movie.frames * units;
  const isPerFrame = dfs?.length === movie.frames;
  if (responses.length !== cells) {
    throw new UserError(
      `Cannot correlate ${responses.length} responses of ${units} units with ${movie.frames} frames: expected ${cells}`,
    );
  }
  if (dfs !== undefined && !isPerFrame && dfs.length !== cells) {
    throw new UserError(
      `Cannot correlate with ${dfs.length} weights: expected one per frame (${movie.frames}) or per frame and unit (${cells})`,
    );
  }
  const outside = frames?.find((frame) => frame < 0 || frame >= movie.frames);
  if (outside !== undefined) {
    throw new UserError(
      `Cannot correlate with stimulus frame ${outside}: the movie has frames 0 to ${movie.frames - 1}`,
    );
  }
  const weighted = new Float32Array(cells);
  for (let i = 0; i < cells; i++) {
    const weight = dfs === undefined ? 1 : dfs[isPerFrame ? Math.floor(i / units) : i]!;
    if (weight !== 0) weighted[i] = responses[i]! * weight;
  }
  return weighted;
}

/** Weighted responses that follow a stimulus frame at each lag, [units, lags]. */
function spikesPerLag({ movie, units, lags, frames = allFrames(movie) }: CorrelationInput, weights: Float32Array) {
  const spikes = new Float64Array(units * lags.length);
  for (const [l, lag] of lags.entries()) {
    for (const frame of frames) {
      const response = frame + lag;
      if (response < 0 || response >= movie.frames) continue;
      for (let u = 0; u < units; u++) spikes[u * lags.length + l]! += weights[response * units + u]!;
    }
  }
  return spikes;
}
