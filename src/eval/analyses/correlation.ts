/**
 * @file The analysis `correlation`: Pearson correlation of predicted rates with responses, frame by frame.
 */
import { type Analysis, Unavailable, type UnitScore } from "../analysis.ts";
import { correlation } from "../correlation.ts";

/** Correlation with the responses of single frames, by stimulus, [units] each. */
export interface CorrelationDetails {
  readonly stimuli: Readonly<Record<string, Float64Array>>;
}

/** Correlation. */
export const correlationAnalysis: Analysis<CorrelationDetails> = {
  name: "correlation",
  about: "Pearson correlation of rates with responses, frame by frame, for every stimulus",
  version: 1,
  optionKeys: ["repeats", "rescale"],
  async run({ session, predictions, options }) {
    const stimuli: Record<string, Float64Array> = {};
    for (const type of session.stimuli) {
      if (session.samples(type).length > 0) stimuli[type] = correlation(await predictions(type));
    }
    const types = Object.keys(stimuli);
    if (types.length === 0) throw new Unavailable("no stimulus has samples to evaluate");
    const scores = types.map((type): UnitScore => {
      const isHeadline = types.length === 1 || !options.repeats.includes(type);
      return {
        key: `correlation_${type}`,
        title: `correlation, ${type}`,
        values: stimuli[type]!,
        headline: isHeadline,
      };
    });
    return { scores, details: { stimuli } };
  },
};
