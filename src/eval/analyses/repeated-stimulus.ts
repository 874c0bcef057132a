/**
 * @file The stimulus of a session whose trials repeat one sequence.
 */
import type { SampleSet } from "../../data/samples.ts";
import { type AnalysisContext, Unavailable } from "../analysis.ts";
import type { Predictions } from "../predict.ts";

/**
 * The first stimulus with repeats that the session has, and predictions for its samples.
 *
 * @throws Unavailable when it has none
 */
export async function repeatedStimulus({
  session,
  options,
  predictions,
}: Pick<AnalysisContext, "session" | "options" | "predictions">): Promise<{
  stimulus: string;
  set: SampleSet;
  predictions: Predictions;
}> {
  const stimulus = options.repeats.find((type) => session.stimuli.includes(type));
  if (stimulus === undefined) {
    throw new Unavailable(`there are no repeats: no stimulus of type ${options.repeats.join(", ")}`);
  }
  return { stimulus, set: session.samples(stimulus), predictions: await predictions(stimulus) };
}

/** Where in which trial samples were taken, and where the eye looked. */
export interface SampleGaze {
  /** [samples] */
  readonly trialInds: Float64Array;
  /** Bin from the onset of the trial, [samples]. */
  readonly psthInds: Float64Array;
  /** Degrees, [samples, 2]. */
  readonly eyepos: Float64Array;
}

/**
 * Trial, bin and gaze of every sample.
 *
 * @param set samples of one recording
 * @throws Unavailable when the recording lacks one of them
 */
export function gazeOfSamples(set: SampleSet, stimulus: string): SampleGaze {
  const recording = set.recordings.find(({ type }) => type === stimulus)!;
  const lacking = ["trial_inds", "psth_inds", "eyepos"].filter((key) => !recording.has(key));
  if (lacking.length > 0) throw new Unavailable(`the ${stimulus} recording has no ${lacking.join(", ")}`);
  const [trialInds, psthInds] = [recording.numbers("trial_inds"), recording.numbers("psth_inds")];
  const { data } = recording.floats("eyepos");
  return {
    trialInds: Float64Array.from(set.frameOf, (frame) => trialInds[frame]!),
    psthInds: Float64Array.from(set.frameOf, (frame) => psthInds[frame]!),
    eyepos: Float64Array.from({ length: 2 * set.length }, (_, i) => data[2 * set.frameOf[i >> 1]! + (i & 1)]!),
  };
}
