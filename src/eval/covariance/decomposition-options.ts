/**
 * @file Options of the covariance decomposition (evaluation specification, section 15.2).
 */

import { UserError } from "../../errors.ts";
import type { EyeWeightOptions } from "./eye-weights.ts";
import type { SplitHalfOptions } from "./split-half.ts";
import type { BinWeighting } from "./time-bins.ts";

/** Covariance of the PSTH from all pairs of trials, or from halves of the trials drawn at random. */
export type PsthMethod = "all_pairs" | ({ method: "split_half" } & SplitHalfOptions);

/** Options with every value known. */
export interface ResolvedDecomposition extends EyeWeightOptions {
  /** Trials are a close pair when their eye positions are less than this apart, degrees. */
  threshold: number;
  /** Time bins with fewer usable trials are left out. */
  minTrialsPerBin: number;
  /** How time bins share in the averages. */
  weighting: BinWeighting;
  psth: PsthMethod;
}

/** Values of options that are not given: {@link DECOMPOSITION_DEFAULTS}. */
export type DecompositionOptions = { [Key in keyof ResolvedDecomposition]?: ResolvedDecomposition[Key] | undefined };

export const DECOMPOSITION_DEFAULTS: Readonly<ResolvedDecomposition> = {
  target: "full",
  density: "kde",
  closePairDensity: "direct",
  weightClip: 1e6,
  threshold: 0.05,
  minTrialsPerBin: 10,
  weighting: "pair_count",
  psth: "all_pairs",
};

/**
 * Fills in defaults.
 *
 * @throws UserError when a number is not above 0
 */
export function resolveDecomposition(options: DecompositionOptions): ResolvedDecomposition {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const resolved = { ...DECOMPOSITION_DEFAULTS, ...Object.fromEntries(given) };
  for (const name of ["threshold", "weightClip", "minTrialsPerBin"] as const) {
    if (resolved[name] > 0) continue;
    throw new UserError(`Cannot decompose covariance: ${name} is ${resolved[name]}, expected a number above 0`);
  }
  return resolved;
}
