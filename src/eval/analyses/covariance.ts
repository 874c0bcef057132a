/**
 * @file The analysis `covariance`: how much of the variability over repeats eye movements make, in data and model (evaluation
 * specification, section 15).
 */
import { type Analysis, type AnalysisContext, Unavailable } from "../analysis.ts";
import { type EyeCovariance, eyeCovariance } from "../covariance/session.ts";
import { type CovarianceTrials, covarianceTrials } from "../fixrsvp/covariance-trials.ts";
import type { Predictions } from "../predict.ts";
import { gazeOfSamples, repeatedStimulus, type SampleGaze } from "./repeated-stimulus.ts";

/** Gaze within this distance of the centre counts as fixation, degrees; that of the published analyses. */
const FIXATION_RADIUS = 0.5;

/** What `covariance` finds. */
export interface CovarianceDetails extends EyeCovariance {
  readonly stimulus: string;
  readonly trials: number;
  readonly bins: number;
  /** Numbers of the units in the recordings, in the order of all matrices. */
  readonly cids: readonly number[];
}

/** Covariance conditioned on eye position. */
export const covarianceAnalysis: Analysis<CovarianceDetails> = {
  name: "covariance",
  about: "variability over repeats: what stimulus and eye movements make, and what is left as noise",
  version: 1,
  optionKeys: ["repeats", "rescale", "shuffles", "seed"],
  run: decompose,
};

async function decompose(context: AnalysisContext) {
  const { session, options } = context;
  const { stimulus, set, predictions } = await repeatedStimulus(context);
  const frames = gazeOfSamples(set, stimulus);
  const found = covarianceTrials(
    { ...frames, units: predictions.units, robs: validCounts(predictions) },
    { fixationRadius: FIXATION_RADIUS, minTotalSpikes: 0 },
  );
  if (found.trials === null) throw new Unavailable(found.reason);
  const { trials } = found;
  const rates = alignRates(trials, predictions, frames);
  const covariance = eyeCovariance(
    { ...trials, eye: trials.eyepos, rates },
    {
      binSeconds: session.frameRate === null ? undefined : 1 / session.frameRate,
      shuffles: options.shuffles,
      seed: options.seed,
    },
  );
  const spread = (values: ArrayLike<number> | undefined) => {
    const all = new Float64Array(predictions.units).fill(Number.NaN);
    for (const [i, unit] of trials.neurons.entries()) all[unit] = values?.[i] ?? Number.NaN;
    return all;
  };
  const [first] = covariance.windows;
  const scores = [
    {
      key: "eye_share",
      title: "share of rate variance made by eye movements",
      values: spread(first?.oneMinusAlpha),
      headline: true,
    },
    { key: "model_eye_share", title: "the same, model", values: spread(covariance.model?.variance.oneMinusAlpha) },
    { key: "fano", title: "Fano factor, corrected for eye movements", values: spread(first?.fano) },
    { key: "fano_uncorrected", title: "Fano factor, uncorrected", values: spread(first?.fanoUncorrected) },
  ];
  const cids = Array.from(trials.neurons, (unit) => session.units.cids[unit]!);
  return { scores, details: { ...covariance, stimulus, trials: trials.trials, bins: trials.bins, cids } };
}

/** Counts, NaN where they are not valid. */
function validCounts({ robs, dfs }: Predictions): Float32Array {
  return robs.map((count, i) => (dfs[i]! > 0 ? count : Number.NaN));
}

/** Predicted rates of the kept units in the kept trials and bins, NaN elsewhere. */
function alignRates(trials: CovarianceTrials, { rates, units }: Predictions, times: SampleGaze): Float64Array {
  const { bins, neurons, trialNumbers, robs } = trials;
  const aligned = new Float64Array(robs.length).fill(Number.NaN);
  const rank = new Map(Array.from(trialNumbers, (number, trial) => [number, trial]));
  for (const [sample, number] of times.trialInds.entries()) {
    const trial = rank.get(number);
    const bin = times.psthInds[sample]!;
    if (trial === undefined || bin >= bins) continue;
    const cell = (trial * bins + bin) * neurons.length;
    for (const [i, unit] of neurons.entries()) {
      if (!Number.isNaN(robs[cell + i])) aligned[cell + i] = rates[sample * units + unit]!;
    }
  }
  return aligned;
}
