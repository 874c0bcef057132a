/**
 * @file The analysis `ccnorm`: noise-corrected correlation on repeats, with its ceiling (evaluation specification, section 8).
 */
import { type Analysis, type AnalysisContext, Unavailable } from "../analysis.ts";
import { type Ccnorm, ccnorm } from "../repeats/ccnorm.ts";
import { ccnormIntervals } from "../repeats/ccnorm-intervals.ts";
import { alignedTrials, type TrialResponses } from "../trials.ts";
import { trialPsth } from "../trials-psth.ts";
import { repeatedStimulus } from "./repeated-stimulus.ts";

/** Duration of a bin that the reference assumes whatever it is, seconds (E-19). */
const REFERENCE_BIN = 1 / 240;

/** What `ccnorm` finds. */
export interface CcnormDetails extends Ccnorm {
  readonly stimulus: string;
  readonly trials: number;
  readonly bins: number;
  readonly binSeconds: number;
  /** Means over trials, spikes per second, [bins, units]; NaN in bins without a valid trial. */
  readonly rbar: Float64Array;
  readonly rbarhat: Float64Array;
  /** The trials themselves, [trials, bins, units]; null unless they were asked for. */
  readonly aligned: TrialResponses | null;
}

/** Noise-corrected correlation. */
export const ccnormAnalysis: Analysis<CcnormDetails> = {
  name: "ccnorm",
  about: "noise-corrected correlation on repeats, its ceiling CCmax from split halves, and PSTHs",
  version: 1,
  optionKeys: ["repeats", "rescale", "splits", "minTrials", "seed", "intervals", "keepArrays", "compat"],
  run: correlateRepeats,
};

async function correlateRepeats(context: AnalysisContext) {
  const { options, session } = context;
  const { splits, minTrials: minTrialsPerBin, seed, compat } = options;
  const { stimulus, trials, binSeconds } = await trialsOf(context);
  const settings = { splits, minTrialsPerBin, seed, compat };
  const result = ccnorm(trials, settings);
  const found =
    options.intervals === "none"
      ? null
      : ccnormIntervals(trials, result, settings, { over: options.intervals, confidence: 0.95 });
  const known = binSeconds ?? (session.frameRate === null ? Number.NaN : 1 / session.frameRate);
  const seconds = compat === "reference" ? REFERENCE_BIN : known;
  const scores = [
    {
      key: "ccnorm",
      title: "CCnorm",
      // The reference reports it between 0 and 1 (E-21).
      values: compat === undefined ? result.ccnorm : result.clipped,
      low: found?.ccnorm.low,
      high: found?.ccnorm.high,
      reasons: result.reasons,
      headline: true,
    },
    {
      key: "ccmax",
      title: "ceiling (CCmax)",
      values: result.ccmax,
      low: found?.ccmax.low,
      high: found?.ccmax.high,
      reasons: result.ceilingReasons,
      headline: true,
    },
    { key: "ccabs", title: "correlation to average (CCabs)", values: result.ccabs },
    { key: "ccnorm_clipped", title: "CCnorm between 0 and 1", values: result.clipped },
  ];
  const details: CcnormDetails = {
    ...result,
    stimulus,
    trials: trials.trials,
    bins: trials.bins,
    binSeconds: seconds,
    ...trialPsth(trials, seconds),
    aligned: options.keepArrays ? trials : null,
  };
  return { scores, details };
}

/**
 * Responses to the session's repeats, trial by trial.
 *
 * @throws Unavailable when there are none
 */
export async function trialsOf(
  context: AnalysisContext,
): Promise<{ stimulus: string; trials: TrialResponses; binSeconds: number | null }> {
  const { stimulus, set, predictions } = await repeatedStimulus(context);
  const found = alignedTrials(set, predictions, { stimulus, compat: context.options.compat });
  if (found.trials === null) throw new Unavailable(`there are no repeats: ${found.reason}`);
  if (found.straddling > 0) context.warn(`${found.straddling} bins that mix two trials are left out`);
  return { stimulus, trials: found.trials, binSeconds: found.binSeconds };
}
