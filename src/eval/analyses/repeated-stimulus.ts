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
