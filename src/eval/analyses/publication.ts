/**
 * @file The analysis `publication`: noise-corrected correlation by the stricter protocol of the reference's figures
 * (evaluation specification, section 8.5).
 */
import { type Analysis, type AnalysisContext, Unavailable } from "../analysis.ts";
import { type PublicationScores, publicationProtocol } from "../repeats/publication-protocol.ts";
import { type AlignedTrials, alignedTrials } from "../trials.ts";
import { gazeOfSamples, repeatedStimulus, type SampleGaze } from "./repeated-stimulus.ts";

/** What `publication` finds. */
export interface PublicationDetails extends PublicationScores {
  readonly stimulus: string;
}

/** CCnorm of fixations. */
export const publicationAnalysis: Analysis<PublicationDetails> = {
  name: "publication",
  about: "CCnorm by the protocol of the reference's figures: fixations only, reliable units marked",
  version: 1,
  optionKeys: ["repeats", "splits"],
  run: scoreFixations,
};

async function scoreFixations(context: AnalysisContext) {
  const { stimulus, set, predictions } = await repeatedStimulus(context);
  const { trials, reason } = alignedTrials(set, predictions, { stimulus });
  if (trials === null) throw new Unavailable(`there are no repeats: ${reason}`);
  const gaze = alignGaze(trials, gazeOfSamples(set, stimulus));
  const found = publicationProtocol(trials, gaze, { splits: context.options.splits });
  const scores = [
    { key: "published_ccnorm", title: "CCnorm of fixations", ...found.ccnorm, headline: true },
    { key: "published_ccmax", title: "ceiling (CCmax) of fixations", ...found.ccmax },
    { key: "psth_correlation", title: "correlation of PSTHs, fixations", ...found.psthCorrelation },
    {
      key: "published_explained_variance",
      title: "explained variance of single trials, fixations",
      ...found.explainedVariance,
    },
    {
      key: "published_explained_variance_psth",
      title: "the same by the PSTH of the other trials",
      ...found.explainedVarianceOfPsth,
    },
  ];
  return { scores, details: { ...found, stimulus } };
}

/** Gaze in trials × bins, [trials, bins, 2]; NaN where there is no sample. */
function alignGaze(
  { trials, bins, trialNumbers }: AlignedTrials,
  { trialInds, psthInds, eyepos }: SampleGaze,
): Float64Array {
  const aligned = new Float64Array(trials * bins * 2).fill(Number.NaN);
  const rank = new Map(Array.from(trialNumbers, (number, trial) => [number, trial]));
  for (const [sample, number] of trialInds.entries()) {
    const trial = rank.get(number);
    const bin = psthInds[sample]!;
    // Bins that mix two trials were left out, and may be the last of theirs.
    if (trial === undefined || bin >= bins) continue;
    aligned.set(eyepos.subarray(2 * sample, 2 * sample + 2), 2 * (trial * bins + bin));
  }
  return aligned;
}
