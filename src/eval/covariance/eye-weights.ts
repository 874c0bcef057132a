/**
 * @file Weights that make close pairs representative of where the eye was (evaluation specification, section 15.2).
 *
 * Where gaze is dense, close pairs are more than dense: at a place of density p their density goes with p². An average over
 * close pairs therefore describes the centre of gaze better than its edge. Either the pairs are weighted so that they follow
 * p (target `full`), or the other averages so that they follow the pairs (target `central`).
 */

import { median } from "../statistics/quantiles.ts";
import { type Density, type DensityKind, fitDensity } from "./density.ts";
import { midpoints, type Pairs } from "./pairs.ts";

/** Eye positions that the estimates speak about; `naive` leaves the mismatch, as McFarland, Cumming and Butts (2016) do. */
export type EyeTarget = "naive" | "full" | "central";

export interface EyeWeightOptions {
  target: EyeTarget;
  /** Form of the densities. */
  density: DensityKind;
  /** Density of close pairs: fitted to their midpoints, or taken as the square of that of gaze. */
  closePairDensity: "direct" | "squared";
  /** Largest weight of a pair, in medians of the weights. */
  weightClip: number;
}

export interface EyeWeights {
  /** [samples] */
  samples: Float64Array;
  /** [pairs] */
  pairs: Float64Array;
  /** Why weights are NaN. */
  reason?: string | undefined;
}

/** Smallest density that counts, per square degree. */
const DENSITY_FLOOR = 1e-12;

/**
 * Weights of samples and close pairs. NaN where the target needs the density of gaze and there is none, as for gaze that moved
 * along a line. With too few close pairs for a density of their own, the square of that of gaze stands in.
 *
 * @param points one per sample, [samples, 2]
 * @param gaze density of the points, from {@link gazeDensity}
 */
export function eyeWeights(
  points: Float64Array,
  pairs: Pairs,
  options: EyeWeightOptions,
  gaze: Density | undefined,
): EyeWeights {
  const { target, density, closePairDensity, weightClip } = options;
  const samples = points.length / 2;
  const even = (n: number) => new Float64Array(n).fill(1);
  if (target === "naive") return { samples: even(samples), pairs: even(pairs.first.length) };
  const middle = midpoints(pairs, points);
  if (gaze === undefined) {
    const none = (n: number) => new Float64Array(n).fill(Number.NaN);
    return {
      samples: target === "central" ? none(samples) : even(samples),
      pairs: none(pairs.first.length),
      reason: "eye positions lie on a line or a point: they have no density",
    };
  }
  const closest = closePairDensity === "direct" ? fitDensity(middle, density) : undefined;
  // With p2 = p², the ratio p / p2 is 1 / p, and p2 / p is p.
  const at = (query: Float64Array) => {
    const p = floored(gaze(query));
    return closest === undefined ? p.map((value) => 1 / value) : quotient(p, floored(closest(query)));
  };
  if (target === "central") return { samples: at(points).map((ratio) => 1 / ratio), pairs: even(pairs.first.length) };
  const weights = at(middle);
  const largest = weightClip * median(weights);
  return { samples: even(samples), pairs: weights.map((weight) => Math.min(weight, largest)) };
}

/** Density of gaze, or undefined when the target does not need it or points have none. */
export function gazeDensity(
  points: Float64Array,
  { target, density }: Pick<EyeWeightOptions, "target" | "density">,
): Density | undefined {
  return target === "naive" ? undefined : fitDensity(points, density);
}

function floored(densities: Float64Array): Float64Array {
  return densities.map((value) => Math.max(value, DENSITY_FLOOR));
}

function quotient(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value / b[i]!);
}
