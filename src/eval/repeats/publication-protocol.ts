/**
 * @file Noise-corrected correlations by the protocol of the reference's figures, stricter than that of its evaluation
 * (evaluation specification, section 8.5).
 */

import { UserError } from "../../errors.ts";
import { type RescaleMode, rescalePredictions } from "../rescale.ts";
import type { TrialResponses } from "../trials.ts";
import { ccnorm } from "./ccnorm.ts";
import { correlationToAverage } from "./correlation-to-average.ts";
import { explainedVariance, explainedVarianceOfPsth } from "./explained-variance.ts";
import type { UnitScores } from "./measure.ts";

export interface PublicationOptions {
  /** Largest distance of gaze from (0, 0) in degrees. */
  radius?: number | undefined;
  /** Trials need more bins than this with such gaze. */
  minFixationBins?: number | undefined;
  /** Bins from trial onset that are scored. */
  bins?: number | undefined;
  /** Units need more spikes than this. */
  minSpikes?: number | undefined;
  /** How predictions are rescaled to the scored responses first; null for not at all. It does not change correlations. */
  rescale?: RescaleMode | null | undefined;
  splits?: number | undefined;
  /** Of the two sets of random halves. */
  seeds?: readonly [number, number] | undefined;
  /** Two sets of orders to use instead; see the option of {@link ccnorm}. */
  permutations?: readonly [readonly ArrayLike<number>[], readonly ArrayLike<number>[]] | undefined;
}

/** Scores by the publication protocol, [units]. */
export interface PublicationScores {
  /** Trials that are scored, [trials]: 1 or 0. */
  trials: Uint8Array;
  /** Mean of two estimates; NaN where they are further apart than 0.1. Not clipped. */
  ccnorm: UnitScores;
  /** Mean of two estimates. */
  ccmax: UnitScores;
  /** 1 where `ccmax` is above 0.85. */
  reliable: Uint8Array;
  /** Of PSTHs, over bins with more than 10 valid trials. */
  psthCorrelation: UnitScores;
  /** Of single trials, by the prediction. */
  explainedVariance: UnitScores;
  /** Of single trials, by the PSTH of the other trials. */
  explainedVarianceOfPsth: UnitScores;
}

/** Two estimates may differ by the root of this. */
const LARGEST_SQUARED_DIFFERENCE = 0.01;

/** Ceiling of a unit that is called reliable. */
const RELIABLE = 0.85;

/** Valid trials of a bin whose PSTH is compared. */
const PSTH_TRIALS = 11;

/**
 * Scores by the protocol of the reference's figures: bins with gaze within 1 degree of the centre, trials with more than
 * 20 of them, the first 120 bins, units with more than 200 spikes; predictions rescaled to these responses; and the mean
 * of two estimates of {@link ccnorm} with 500 splits each, seeds 42 and 43.
 *
 * @param gaze horizontal and vertical, degrees, [trials, bins, 2]; NaN where it is unknown, which excludes the bin
 * @throws UserError when gaze does not have trials × bins × 2 elements
 */
export function publicationProtocol(
  responses: TrialResponses,
  gaze: ArrayLike<number>,
  options: PublicationOptions = {},
): PublicationScores {
  const { minSpikes = 200, rescale = "gain", splits = 500, seeds = [42, 43], permutations } = options;
  const { units } = responses;
  const { kept, trials } = fixated(responses, gaze, options);
  const scored = rescale === null ? kept : { ...kept, rates: rescaled(kept, rescale) };
  const estimates = seeds.map((seed, i) => ccnorm(scored, { splits, seed, permutations: permutations?.[i] }));
  const [first, second] = [estimates[0]!, estimates[1]!];
  const few = Array.from(countSpikes(kept), (spikes) =>
    spikes > minSpikes ? null : `too few spikes: ${spikes} under the protocol, more than ${minSpikes} needed`,
  );
  const without = ({ values, reasons }: UnitScores): UnitScores => ({
    values: values.map((value, unit) => (few[unit] === null ? value : Number.NaN)),
    reasons: reasons.map((reason, unit) => few[unit] ?? reason),
  });
  const mean = (a: Float64Array, b: Float64Array) => a.map((value, unit) => (value + b[unit]!) / 2);
  const score = without({ values: mean(first.ccnorm, second.ccnorm), reasons: [...first.reasons] });
  const ccmax = without({ values: mean(first.ccmax, second.ccmax), reasons: first.ceilingReasons });
  for (let unit = 0; unit < units; unit++) {
    if (!((first.ccnorm[unit]! - second.ccnorm[unit]!) ** 2 > LARGEST_SQUARED_DIFFERENCE)) continue;
    score.values[unit] = Number.NaN;
    score.reasons[unit] ??= "two estimates from different halves are further apart than 0.1";
  }
  return {
    trials,
    ccnorm: score,
    ccmax,
    reliable: Uint8Array.from(ccmax.values, (value) => Number(value > RELIABLE)),
    psthCorrelation: without(correlationToAverage(scored, { minTrials: PSTH_TRIALS })),
    explainedVariance: without(explainedVariance(scored)),
    explainedVarianceOfPsth: without(explainedVarianceOfPsth(scored)),
  };
}

/** The first bins of trials with enough fixation, bins without fixation masked. */
function fixated(
  responses: TrialResponses,
  gaze: ArrayLike<number>,
  { radius = 1, minFixationBins = 20, bins: longest = 120 }: PublicationOptions,
): { kept: TrialResponses & { dfs: Float64Array }; trials: Uint8Array } {
  const { trials, bins, units, robs, rates, dfs } = responses;
  if (gaze.length !== trials * bins * 2) {
    throw new UserError(
      `Cannot select fixations: gaze has ${gaze.length} elements, ${trials} trials × ${bins} bins × 2 are ` +
        `${trials * bins * 2}`,
    );
  }
  const width = Math.min(bins, longest);
  const central = (row: number) => Math.hypot(gaze[2 * row]!, gaze[2 * row + 1]!) <= radius;
  const chosen = Uint8Array.from({ length: trials }, (_, trial) => {
    let count = 0;
    for (let bin = 0; bin < bins; bin++) count += Number(central(trial * bins + bin));
    return Number(count > minFixationBins);
  });
  const numbers = [...chosen.keys()].filter((trial) => chosen[trial] === 1);
  const cells = () => new Float64Array(numbers.length * width * units);
  const kept = { trials: numbers.length, bins: width, units, robs: cells(), rates: cells(), dfs: cells() };
  for (const [rank, trial] of numbers.entries()) {
    for (let bin = 0; bin < width; bin++) {
      const row = trial * bins + bin;
      const valid = central(row);
      for (let unit = 0; unit < units; unit++) {
        const from = row * units + unit;
        const to = (rank * width + bin) * units + unit;
        kept.robs[to] = robs[from]!;
        kept.rates[to] = rates[from]!;
        kept.dfs[to] = valid && !Number.isNaN(robs[from]) && !(dfs !== undefined && dfs[from]! <= 0) ? 1 : 0;
      }
    }
  }
  return { kept, trials: chosen };
}

/** Rescaled predictions; of a unit without a fit, the predictions as they were. */
function rescaled(kept: TrialResponses & { dfs: Float64Array }, mode: RescaleMode): Float64Array {
  return rescalePredictions(kept, mode).map((rate, cell) => (Number.isNaN(rate) ? kept.rates[cell]! : rate));
}

function countSpikes({ units, robs, dfs }: TrialResponses & { dfs: Float64Array }): Float64Array {
  const spikes = new Float64Array(units);
  for (let cell = 0; cell < robs.length; cell++) if (dfs[cell] === 1) spikes[cell % units]! += robs[cell]!;
  return spikes;
}
