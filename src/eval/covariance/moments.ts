/**
 * @file Weighted means of products of responses over pairs of trials of the same time bin (evaluation specification, section
 * 15.2).
 */

import { weightedGram } from "./matrix.ts";
import { type Pairs, pairMoment } from "./pairs.ts";
import { type BinnedSamples, type BinWeighting, closePairWeight, sampleWeight } from "./time-bins.ts";

/** Share of every sample in the mean rate; they sum to 1. */
export function sampleShares(
  { bins, groups }: BinnedSamples,
  eye: Float64Array,
  weighting: BinWeighting,
): Float64Array {
  const weights = eye.map((weight, sample) => weight * sampleWeight(weighting, groups[bins[sample]!]!.length));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * Weighted mean of `xᵢ xⱼᵀ` over all pairs of different samples of the same time bin, whose weight is the product of the two
 * samples'. For each bin the sum over pairs is `(Σ w x)(Σ w x)ᵀ − Σ w² x xᵀ`, so that no pair is visited.
 */
export function allPairMoment(
  { groups, units }: BinnedSamples,
  x: Float64Array,
  weights: Float64Array,
  weighting: BinWeighting,
): Float64Array {
  const sums = new Float64Array(groups.length * units);
  const perBin = new Float64Array(groups.length);
  const perSample = new Float64Array(weights.length);
  const pairWeight = new Float64Array(groups.length);
  groups.forEach((group, bin) => {
    let [sum, squares] = [0, 0];
    for (const sample of group) {
      const weight = weights[sample]!;
      sum += weight;
      squares += weight * weight;
      for (let unit = 0; unit < units; unit++) sums[bin * units + unit]! += weight * x[sample * units + unit]!;
    }
    pairWeight[bin] = sum * sum - squares;
    // Bins enter in proportion to their pairs' weights, or as means over their pairs.
    const share = { pair_count: pairWeight[bin]!, uniform: 1, trial_count: group.length }[weighting];
    perBin[bin] = share / pairWeight[bin]!;
    for (const sample of group) perSample[sample] = -perBin[bin]! * weights[sample]! ** 2;
  });
  const total = perBin.reduce((sum, factor, bin) => sum + factor * pairWeight[bin]!, 0);
  const between = weightedGram(sums, perBin, units);
  const within = weightedGram(x, perSample, units);
  return between.map((value, i) => (value + within[i]!) / total);
}

/** Weighted mean of `xᵢ xⱼᵀ` (made symmetric) over close pairs; NaN without any. */
export function closePairMoment(
  { bins, groups, units }: BinnedSamples,
  x: Float64Array,
  pairs: Pairs,
  eye: Float64Array,
  weighting: BinWeighting,
): Float64Array {
  const perBin = new Float64Array(groups.length);
  for (const sample of pairs.first) perBin[bins[sample]!]! += 1;
  const weights = eye.map((weight, pair) => {
    const bin = bins[pairs.first[pair]!]!;
    return weight * closePairWeight(weighting, groups[bin]!.length, perBin[bin]!);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return pairMoment(x, pairs, weights, units).map((value) => value / total);
}
