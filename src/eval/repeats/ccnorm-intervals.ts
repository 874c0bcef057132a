/**
 * @file Confidence intervals of the split-half ceiling and of the noise-corrected correlation, by leaving out trials or
 * bins. The questions that the two answer are told apart in bootstrap.ts.
 */

import type { TrialResponses } from "../trials.ts";
import { cellsOfTrials, noIntervals, trialInflation, type UnitIntervals } from "./bootstrap.ts";
import {
  type Ccnorm,
  type CcnormOptions,
  ccmaxFromHalf,
  correlateAt,
  finitePlaces,
  placeMeans,
  prepareCcnorm,
  SMALLEST_CCMAX,
  sumTrials,
} from "./ccnorm.ts";
import { jackknifeInterval } from "./jackknife.ts";
import { halfChanges, halfCorrelations, type SplitSetting } from "./split-half.ts";

/** How much scores change matters here, not the scores themselves: fewer splits do. */
const SPLITS = 100;

/**
 * Intervals of `ccmax` and the unclipped `ccnorm` of {@link ccnorm}. That of CCmax is made for atanh(CChalf), which is half
 * the logarithm of the F ratio of bins. Where CCmax is NaN because CChalf is not positive, its interval begins at 0.
 *
 * @param scores what `ccnorm` gave for the same responses and options
 */
export function ccnormIntervals(
  responses: TrialResponses,
  scores: Ccnorm,
  options: CcnormOptions,
  { over, confidence }: { over: "trials" | "bins"; confidence: number },
): { ccmax: UnitIntervals; ccnorm: UnitIntervals } {
  const { repeats, setting, halves } = prepareCcnorm(responses, options);
  const few = halves.slice(0, SPLITS);
  const { units } = repeats;
  const half = halfCorrelations(setting, few).mean;
  const { changes, ofSplitting } = halfChanges(over, setting, few);
  const wholeWithout = over === "trials" ? withoutTrials(setting) : withoutBins(setting);
  const intervals = { ccmax: noIntervals(units), ccnorm: noIntervals(units) };
  for (let unit = 0; unit < units; unit++) {
    if (scores.splitsUsed[unit] === 0) continue;
    const weights = over === "trials" ? cellsOfTrials(repeats, setting.eligible, unit) : binWeights(setting, unit);
    const taking = weights.filter((weight) => weight > 0).length;
    const inflation = over === "trials" ? trialInflation(repeats, setting.eligible, unit) : (taking - 1) / taking;
    // The interval found with few splits is put where the score from all of them is.
    const around = (score: number, fromFew: number, without: readonly number[], slope: number) => {
      const ofSampling = slope * slope * ofSplitting[unit]!;
      const [low, high] = jackknifeInterval(fromFew, without, weights, inflation, confidence, ofSampling);
      return [low + score - fromFew, high + score - fromFew] as const;
    };
    const fewHalf = half[unit]!;
    const without = changes.map((change) => fewHalf + change[unit]!);
    const [low, high] = around(
      Math.atanh(scores.cchalf[unit]!),
      Math.atanh(fewHalf),
      without.map(Math.atanh),
      1 / (1 - fewHalf ** 2),
    );
    intervals.ccmax.low[unit] = ccmaxLimit(low);
    intervals.ccmax.high[unit] = ccmaxLimit(high);
    if (!(scores.ccmax[unit]! > SMALLEST_CCMAX)) continue;
    const fromFew = scores.ccabs[unit]! / ccmaxFromHalf(fewHalf);
    const [lowest, highest] = around(
      scores.ccnorm[unit]!,
      fromFew,
      without.map((value, group) => wholeWithout[group]![unit]! / ccmaxFromHalf(value)),
      fromFew / (2 * fewHalf * (1 + fewHalf)),
    );
    intervals.ccnorm.low[unit] = lowest;
    intervals.ccnorm.high[unit] = highest;
  }
  return intervals;
}

function ccmaxLimit(transformed: number): number {
  const half = Math.tanh(transformed);
  return half <= 0 ? 0 : ccmaxFromHalf(half);
}

/** CCabs with each trial left out, [trials][units]. */
function withoutTrials({ repeats, eligible, ddof, sums }: SplitSetting): Float64Array[] {
  const { trials, bins, units, valid, robs, rates, counts } = repeats;
  const { y, p } = placeMeans(repeats, eligible);
  const kept = Array.from({ length: units }, (_, unit) => finitePlaces(y, p, unit, units));
  const predicted = sumTrials(repeats, rates);
  return Array.from({ length: trials }, (_, trial) => {
    const start = trial * bins * units;
    for (let place = 0; place < bins * units; place++) {
      const left = counts[place]! - valid[start + place]!;
      y[place] = (sums[place]! - robs[start + place]!) / left;
      p[place] = (predicted[place]! - rates[start + place]!) / left;
    }
    return Float64Array.from(kept, (places) => correlateAt(places, y, p, ddof));
  });
}

/** CCabs with each bin left out, [bins][units]. */
function withoutBins({ repeats, eligible, ddof }: SplitSetting): Float64Array[] {
  const { bins, units } = repeats;
  const { y, p } = placeMeans(repeats, eligible);
  const kept = Array.from({ length: units }, (_, unit) => finitePlaces(y, p, unit, units));
  return Array.from({ length: bins }, (_, bin) =>
    Float64Array.from(kept, (places, unit) =>
      correlateAt(
        places.filter((place) => place !== bin * units + unit),
        y,
        p,
        ddof,
      ),
    ),
  );
}

/** 1 for a unit's eligible bins, [bins]. */
function binWeights({ repeats, eligible }: SplitSetting, unit: number): Float64Array {
  return Float64Array.from({ length: repeats.bins }, (_, bin) => eligible[bin * repeats.units + unit]!);
}
