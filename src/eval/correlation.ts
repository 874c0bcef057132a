/**
 * @file Pearson correlation of predicted rates with observed responses, the score that the field reports where responses
 * are averages over repeats.
 */

import type { ScoredSamples } from "./bps.ts";

/**
 * Pearson correlation between predicted rate and observed response of every unit over its valid samples, those with a
 * weight above 0; larger weights count no more than small ones. NaN for a unit whose rate or response is constant there,
 * also because it has fewer than two valid samples. What lies under a weight of 0 does not matter, NaN included.
 *
 * @returns [units], from -1 to 1
 * @example
 * correlation({ rates: Float32Array.of(1, 2, 3), robs: Float32Array.of(0, 2, 1), units: 1 }); // [0.5]
 */
export function correlation(samples: ScoredSamples): Float64Array {
  return Float64Array.from({ length: samples.units }, (_, unit) => unitCorrelation(samples, unit));
}

function unitCorrelation({ rates, robs, dfs, units }: ScoredSamples, unit: number): number {
  const columns = dfs === undefined ? 0 : (dfs.length * units) / robs.length;
  let [count, meanRate, meanResponse, rateSquares, responseSquares, products] = [0, 0, 0, 0, 0, 0];
  for (let sample = 0; sample < robs.length / units; sample++) {
    if (dfs !== undefined && !(dfs[sample * columns + (columns === 1 ? 0 : unit)]! > 0)) continue;
    const rate = rates[sample * units + unit]!;
    const response = robs[sample * units + unit]!;
    // Running means: sums of squares of the raw values would lose what varies beside a large mean.
    count += 1;
    const rateStep = rate - meanRate;
    const responseStep = response - meanResponse;
    meanRate += rateStep / count;
    meanResponse += responseStep / count;
    rateSquares += rateStep * (rate - meanRate);
    responseSquares += responseStep * (response - meanResponse);
    products += rateStep * (response - meanResponse);
  }
  // Rounding may leave the last bit above 1; a constant gives 0 / 0, and NaN passes through both limits.
  return Math.max(-1, Math.min(1, products / Math.sqrt(rateSquares * responseSquares)));
}
