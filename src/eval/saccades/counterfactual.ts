/**
 * @file What a twin predicts around saccades, and what it would predict without behaviour (evaluation specification, section
 * 9.6).
 */

import { SampleSet } from "../../data/samples.ts";
import { zerosArray } from "../../formats/array.ts";
import type { Twin } from "../../models/twin.ts";
import { type Predictions, type PredictOptions, predictSamples } from "../predict.ts";
import { type EvaluatedStimulus, triggeredInputs } from "./analysis.ts";
import type { Saccade } from "./saccade.ts";
import { type TriggeredAverages, triggeredAverages, type Window } from "./triggered.ts";

/**
 * The same samples with behaviour that is 0 everywhere. Zeros, not the absence of behaviour: without it a twin would skip its
 * modulator, and one that appends behaviour to features would lack channels.
 *
 * @throws UserError when the samples serve no behaviour
 */
export function withZeroBehavior(set: SampleSet): SampleSet {
  const recordings = set.recordings.map((recording) => {
    const { dtype, shape } = recording.column("behavior");
    const copy = recording.pick(new Set(recording.keys()));
    copy.set("behavior", zerosArray(dtype, shape));
    return copy;
  });
  return new SampleSet({ ...set, recordings });
}

/**
 * Predictions for samples whose behaviour is 0 everywhere; see {@link predictSamples}.
 *
 * @throws UserError when the samples serve no behaviour
 */
export function predictWithoutBehavior(
  twin: Twin,
  session: number,
  set: SampleSet,
  options: PredictOptions = {},
): Promise<Predictions> {
  return predictSamples(twin, session, withZeroBehavior(set), options);
}

/** Predictions around saccades, spikes per bin, [bins, units]. */
export interface SaccadeCounterfactual {
  saccades: number;
  window: Window;
  predicted: Float64Array;
  /** With behaviour that is 0. */
  withoutBehavior: Float64Array;
  /** What behaviour contributes: the first less the second. */
  contribution: Float64Array;
  averages: TriggeredAverages;
}

const DEFAULT_WINDOW = [-50, 100] as const;

/**
 * Averages predictions with and without behaviour around all saccades, however close to each other.
 *
 * @param without predictions of {@link predictWithoutBehavior} for the same samples in the same order
 * @returns the reason when there is nothing to average
 */
export function saccadeCounterfactual(
  evaluated: EvaluatedStimulus,
  without: Predictions,
  saccades: readonly Saccade[],
  window: Window = DEFAULT_WINDOW,
): SaccadeCounterfactual | { reason: string } {
  const inputs = triggeredInputs(evaluated, saccades);
  if ("reason" in inputs) return inputs;
  const options = { window, intervals: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] } as const;
  const averages = triggeredAverages(inputs, options);
  if (averages.saccades === 0) return { reason: `no saccade has ${averages.bins} evaluated bins around it` };
  const predicted = averages.rbarhat;
  const withoutBehavior = triggeredAverages({ ...inputs, rates: without.rates }, options).rbarhat;
  return {
    saccades: averages.saccades,
    window,
    predicted,
    withoutBehavior,
    contribution: predicted.map((mean, cell) => mean - withoutBehavior[cell]!),
    averages,
  };
}
