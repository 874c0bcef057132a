/**
 * @file Any baseline by its name.
 */

import type { SampleSet } from "../../data/samples.ts";
import type { Baseline, BaselineKind, RunOptions } from "./baseline.ts";
import { fitGaborEnergy } from "./gabor-energy.ts";
import { fitGlm } from "./glm.ts";
import { fitMeanRate } from "./mean-rate.ts";
import type { Link } from "./poisson-link.ts";
import { fitPsth } from "./psth.ts";

/** Options of {@link fitBaseline}; each kind reads those that concern it. */
export interface BaselineOptions extends RunOptions {
  /** Stimulus lags of `lnp`, `glm` and `gabor-energy`, the first of those that the samples serve; 25. */
  lags?: number | undefined;
  /** Frames of spike history of `glm`; 20. */
  historyLags?: number | undefined;
  /** From drive to rate; `exponential` for `lnp` and `glm`, `softplus` for `gabor-energy`. */
  link?: Link | undefined;
  /** Weights per unit that the stimulus may have; 2000. */
  maxParameters?: number | undefined;
  /** Bytes that a fit may take; 768 MiB. */
  memory?: number | undefined;
  /** What tells repeats apart for `psth`; `psth_inds`. */
  repeatKeys?: readonly string[] | undefined;
}

/**
 * Fits a baseline to the training samples of a session.
 *
 * @throws UserError when the samples lack what the kind needs: a stimulus, repeats, counts from 0
 * @example
 * const baseline = await fitBaseline("glm", prepared.train);
 * const scores = scorePredictions(await baselinePredictions(baseline, prepared.val));
 */
export async function fitBaseline(
  kind: BaselineKind,
  train: SampleSet,
  options: BaselineOptions = {},
): Promise<Baseline> {
  switch (kind) {
    case "mean-rate":
      return fitMeanRate(train);
    case "psth":
      return fitPsth(train, options);
    case "lnp":
      return fitGlm(train, { ...options, historyLags: 0 });
    case "glm":
      return fitGlm(train, { ...options, historyLags: options.historyLags ?? 20 });
    case "gabor-energy":
      return fitGaborEnergy(train, options);
  }
}
