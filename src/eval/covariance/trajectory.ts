/**
 * @file Covariance of responses in windows with eye trajectories, taken apart, and its dependence on how far apart
 * trajectories are (evaluation specification, section 15.3).
 */

import { UserError } from "../../errors.ts";
import { type CovarianceParts, decomposeSamples } from "./components.ts";
import type { DecompositionOptions } from "./decomposition-options.ts";
import { centroids, geometricMedians } from "./geometric-median.ts";
import { difference, outerProduct, weightedSum } from "./matrix.ts";
import { sampleShares } from "./moments.ts";
import { pairMoment, visitPairs } from "./pairs.ts";
import type { EyeSamples } from "./samples.ts";
import { groupByBin } from "./time-bins.ts";

/** The point that stands for a trajectory where densities are concerned. */
export type TrajectoryReduction = "geometric_median" | "centroid";

export interface TrajectoryOptions extends DecompositionOptions {
  /** `geometric_median` by default. */
  reduction?: TrajectoryReduction | undefined;
}

/** The function behind a reduction. */
export function reductionOf(reduction: TrajectoryReduction = "geometric_median") {
  return { geometric_median: geometricMedians, centroid: centroids }[reduction];
}

/**
 * Like `decomposeCovariance`, for windows of bins: trials are a close pair when their trajectories are, by the root of the mean
 * squared distance. Products of responses are those of deviations from the mean rate.
 *
 * @throws UserError when sizes do not agree or an option is outside its range
 */
export function decomposeTrajectories(samples: EyeSamples, options: TrajectoryOptions = {}): CovarianceParts {
  checkEyeSamples(samples);
  return decomposeSamples(samples, { pointsOf: reductionOf(options.reduction), centred: true }, options);
}

/** Covariance of rates at several distances of trajectories. */
export interface CovarianceByDistance {
  /** Middle of each bin of distance, degrees, [distances]. */
  centres: Float64Array;
  /** Pairs in it, [distances]. */
  pairs: Int32Array;
  /** [distances, units, units]; NaN where there are no pairs. */
  covariance: Float64Array;
  /** Mean spikes per window, [units]. */
  meanRate: Float64Array;
}

/**
 * Covariance of responses of two trials in the same time bin, for pairs of trials at increasing distances of trajectories: it
 * falls from that of the rate to that of the PSTH.
 *
 * @param edges of the bins of distance, degrees, ascending; a bin holds its lower edge
 * @throws UserError when sizes do not agree, or edges are fewer than two or not ascending
 */
export function rateCovarianceByDistance(
  samples: EyeSamples,
  edges: ArrayLike<number>,
  { minTrialsPerBin = 10 }: { minTrialsPerBin?: number | undefined } = {},
): CovarianceByDistance {
  checkEyeSamples(samples);
  checkEdges(edges);
  const kept = groupByBin(samples, minTrialsPerBin);
  const { units, counts } = kept;
  const meanRate = weightedSum(
    counts,
    sampleShares(kept, new Float64Array(kept.bins.length).fill(1), "pair_count"),
    units,
  );
  const distances = edges.length - 1;
  const found = Array.from({ length: distances }, () => ({ first: [] as number[], second: [] as number[] }));
  visitPairs(kept.groups, kept, edges[distances]!, (first, second, distance) => {
    let bin = distances - 1;
    while (bin >= 0 && distance < edges[bin]!) bin -= 1;
    found[bin]?.first.push(first);
    found[bin]?.second.push(second);
  });
  const covariance = new Float64Array(distances * units * units);
  found.forEach(({ first, second }, bin) => {
    const pairs = { first: Int32Array.from(first), second: Int32Array.from(second) };
    const moment = pairMoment(counts, pairs, new Float64Array(first.length).fill(1), units);
    covariance.set(
      difference(
        moment.map((value) => value / first.length),
        outerProduct(meanRate),
      ),
      bin * units * units,
    );
  });
  return {
    centres: Float64Array.from({ length: distances }, (_, bin) => (edges[bin]! + edges[bin + 1]!) / 2),
    pairs: Int32Array.from(found, ({ first }) => first.length),
    covariance,
    meanRate: kept.bins.length === 0 ? meanRate.fill(Number.NaN) : meanRate,
  };
}

function checkEdges(edges: ArrayLike<number>): void {
  const list = Array.from(edges);
  if (list.length >= 2 && list.every((edge, i) => i === 0 || edge > list[i - 1]!)) return;
  throw new UserError(
    `Cannot bin distances: edges are ${list.join(", ") || "missing"}, expected two or more, ascending`,
  );
}

function checkEyeSamples({ units, counts, bins, length, trajectories }: EyeSamples): void {
  const samples = bins.length;
  if (counts.length !== samples * units) {
    throw new UserError(
      `Cannot decompose covariance: counts has ${counts.length} values, [${samples}, ${units}] takes ${samples * units}`,
    );
  }
  if (trajectories.length !== samples * length * 2) {
    throw new UserError(
      `Cannot decompose covariance: trajectories has ${trajectories.length} values, ` +
        `[${samples}, ${length}, 2] takes ${samples * length * 2}`,
    );
  }
}
