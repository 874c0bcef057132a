/**
 * @file What the decomposition finds when eye positions have nothing to do with responses (evaluation specification, section
 * 15.6): eye trajectories are dealt to samples at random.
 */

import { mixSeeds, permutation } from "../../data/random.ts";
import { permutationP } from "../statistics/permutation-p.ts";
import { type Basis, eyeShare } from "./components.ts";
import type { ResolvedDecomposition } from "./decomposition-options.ts";
import { eyeWeights } from "./eye-weights.ts";
import { difference, outerProduct } from "./matrix.ts";
import { closePairMoment } from "./moments.ts";
import { meanNoiseCorrelation } from "./noise-correlation.ts";
import { closePairs } from "./pairs.ts";
import { pickRows } from "./time-bins.ts";

/** Values under the null hypothesis, and where those of the data lie among them. */
export interface ShuffledCovariance {
  shuffles: number;
  /** 1 − α of every unit, [shuffles, units]. */
  oneMinusAlpha: Float64Array;
  /** Mean noise correlation over pairs of units after correction for eye movements (Fisher z), [shuffles]. */
  noiseCorrelation: Float64Array;
  /** Share of shuffles in which a unit's 1 − α is as large as in the data, [units]. */
  p: Float64Array;
}

/**
 * Deals the trajectories to samples at random, `shuffles` times, and finds close pairs and their weights anew. The set of gaze
 * positions, and with it their density, stays, and so do mean rates, total covariance and the covariance of the PSTH.
 */
export function shuffledCovariance(
  { kept, points, gaze, meanRate }: Basis,
  { total, psth, oneMinusAlpha: observed }: { total: Float64Array; psth: Float64Array; oneMinusAlpha: Float64Array },
  options: ResolvedDecomposition,
  { shuffles, seed }: { shuffles: number; seed: number },
): ShuffledCovariance {
  const { units, length, groups, counts } = kept;
  const oneMinusAlpha = new Float64Array(shuffles * units);
  const noiseCorrelation = new Float64Array(shuffles);
  for (let shuffle = 0; shuffle < shuffles; shuffle++) {
    const order = permutation(kept.bins.length, mixSeeds(seed, shuffle));
    const trajectories = pickRows(kept.trajectories, order, 2 * length);
    const pairs = closePairs(groups, { trajectories, length }, options.threshold);
    const weights = eyeWeights(pickRows(points, order, 2), pairs, options, gaze);
    const moment = closePairMoment(kept, counts, pairs, weights.pairs, options.weighting);
    const rate = difference(moment, outerProduct(meanRate));
    oneMinusAlpha.set(eyeShare(psth, rate, units), shuffle * units);
    noiseCorrelation[shuffle] = meanNoiseCorrelation(difference(total, rate), units);
  }
  const ofUnit = (unit: number) => oneMinusAlpha.filter((_, i) => i % units === unit);
  return {
    shuffles,
    oneMinusAlpha,
    noiseCorrelation,
    p: observed.map((value, unit) => permutationP(value, ofUnit(unit))),
  };
}
