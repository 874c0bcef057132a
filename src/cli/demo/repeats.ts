/**
 * @file Responses averaged over repeats of one stimulus: for every unit a mean course of observed, predicted and true
 * counts (spec eval.md, section 13).
 */
import type { SampleSet } from "../../data/samples.ts";
import type { Predictions } from "../../eval/predict.ts";

/** Mean responses of the units of a session to a repeated stimulus. */
export interface RepeatMeans {
  readonly units: number;
  /** Frames of the repeated stimulus. */
  readonly frames: number;
  readonly frameSeconds: number;
  /** Largest number of repeats that any frame has. */
  readonly repeats: number;
  /** Spikes per frame of one unit, [frames]; NaN where fewer than half of the repeats are valid. */
  course(unit: number): { observed: Float64Array; predicted: Float64Array; truth: Float64Array | undefined };
}

/**
 * Averages predictions over all samples of the same frame, weighted by validity.
 *
 * @param set the samples of the predictions, one recording that keeps `psth_inds`
 * @param frameSeconds duration of a frame
 */
export function averageRepeats(set: SampleSet, predictions: Predictions, frameSeconds: number): RepeatMeans {
  const { units, samples, rates, robs, dfs, trueRates } = predictions;
  const frameOfRow = set.recordings[0]!.numbers("psth_inds");
  const frameOf = Int32Array.from(set.frameOf, (row) => frameOfRow[row]!);
  const frames = frameOf.reduce((most, frame) => Math.max(most, frame + 1), 0);
  const repeatsOf = new Int32Array(frames);
  for (const frame of frameOf) repeatsOf[frame]! += 1;
  const repeats = repeatsOf.reduce((most, count) => Math.max(most, count), 0);

  const mean = (values: Float32Array, unit: number): Float64Array => {
    const sums = new Float64Array(frames);
    const weights = new Float64Array(frames);
    for (let i = 0; i < samples; i++) {
      const weight = dfs[i * units + unit]!;
      if (weight === 0) continue;
      sums[frameOf[i]!]! += weight * values[i * units + unit]!;
      weights[frameOf[i]!]! += weight;
    }
    // The means of the few longest trials would say little at the end.
    return sums.map((sum, frame) => (weights[frame]! >= repeats / 2 ? sum / weights[frame]! : Number.NaN));
  };
  return {
    units,
    frames,
    frameSeconds,
    repeats,
    course: (unit) => ({
      observed: mean(robs, unit),
      predicted: mean(rates, unit),
      truth: trueRates === null ? undefined : mean(trueRates, unit),
    }),
  };
}
