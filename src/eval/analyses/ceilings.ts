/**
 * @file The analysis `ceilings`: every score of repeats and every noise ceiling, with confidence intervals.
 */
import type { Analysis, AnalysisContext, UnitScore } from "../analysis.ts";
import { REPEAT_SCORE_TITLES, type RepeatScoreName, type RepeatScores, repeatScores } from "../repeats/scores.ts";
import { type LifetimeSparseness, lifetimeSparseness } from "../sparseness.ts";
import { trialsOf } from "./ccnorm.ts";

/** What `ceilings` finds. */
export interface CeilingDetails extends RepeatScores {
  readonly stimulus: string;
  readonly sparseness: LifetimeSparseness;
}

/** Scores that tables of sessions show. */
const HEADLINES: readonly RepeatScoreName[] = ["feve", "single_trial_correlation", "jackknife_oracle"];

/** Scores that `ccnorm` gives under the same names. */
const ELSEWHERE: readonly RepeatScoreName[] = ["ccnorm", "ccmax"];

/** All scores of repeats. */
export const ceilingsAnalysis: Analysis<CeilingDetails> = {
  name: "ceilings",
  about: "all noise ceilings and scores of repeats with confidence intervals: FEVE, oracles, signal power, sparseness",
  version: 2,
  optionKeys: ["repeats", "rescale", "splits", "minTrials", "seed", "intervals", "compat"],
  run: scoreRepeats,
};

async function scoreRepeats(context: AnalysisContext) {
  const { splits, minTrials: minTrialsPerBin, seed, intervals, compat } = context.options;
  const { stimulus, trials } = await trialsOf(context);
  const found = repeatScores(trials, { ccnorm: { splits, minTrialsPerBin, compat }, intervals, seed });
  const sparseness = lifetimeSparseness(trials);
  const names = (Object.keys(REPEAT_SCORE_TITLES) as RepeatScoreName[]).filter((name) => !ELSEWHERE.includes(name));
  const scores: UnitScore[] = names.map((name) => {
    const { values, low, high, reasons } = found.scores[name];
    const bounds = intervals === "none" ? {} : { low, high };
    return {
      key: name,
      title: REPEAT_SCORE_TITLES[name],
      values,
      reasons,
      ...bounds,
      headline: HEADLINES.includes(name),
    };
  });
  scores.push({
    key: "sparseness",
    title: "lifetime sparseness",
    values: sparseness.corrected,
    reasons: [...sparseness.reasons],
    headline: false,
  });
  return { scores, details: { ...found, stimulus, sparseness } };
}
