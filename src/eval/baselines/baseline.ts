/**
 * @file What all baselines have in common: simple models that are fitted on the training samples of one session and
 * predict the samples that a twin is scored on (evaluation specification, sections 1, 4 and 6).
 */

import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";
import type { Predictions } from "../predict.ts";
import { observe } from "../predict.ts";
import { unitCount } from "./responses.ts";

/**
 * `mean-rate`: one number per unit. `psth`: the average over training repeats of the same stimulus. `lnp`: a
 * spatio-temporal filter and a nonlinearity. `glm`: the same with the unit's own earlier spikes. `gabor-energy`:
 * contrast energies and a filter, and a nonlinearity.
 */
export const BASELINE_KINDS = ["mean-rate", "psth", "lnp", "glm", "gabor-energy"] as const;
export type BaselineKind = (typeof BASELINE_KINDS)[number];

/** How far a fit or a prediction has come. */
export interface BaselineProgress {
  stage: string;
  done: number;
  total: number;
}

/** How long work is watched and stopped. */
export interface RunOptions {
  /** Stops at the next block of samples or step of the fit; the promise is then rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: BaselineProgress) => void) | undefined;
}

/** A fitted baseline. It holds no tensors. */
export interface Baseline {
  readonly kind: BaselineKind;
  /** Session that it was fitted on. */
  readonly session: string;
  readonly units: number;
  /** What a reader of its scores should know, one sentence each: frames left out of the fit, units without spikes. */
  readonly notes: readonly string[];
  /**
   * Predicted spikes per frame, [samples, units]; NaN for a unit without valid training samples.
   *
   * @throws UserError when the set is of another session, or has other units or another stimulus than the training
   * samples
   */
  predict(set: SampleSet, run?: RunOptions): Promise<Float32Array>;
}

/** A baseline's predictions as the record that every score accepts. */
export async function baselinePredictions(baseline: Baseline, set: SampleSet, run?: RunOptions): Promise<Predictions> {
  const rates = await baseline.predict(set, run);
  return { ...observe(set), rates };
}

/** @throws UserError when a baseline cannot know the units of a set */
export function requireSameUnits({ session, units }: Pick<Baseline, "session" | "units">, set: SampleSet): void {
  if (set.session !== session) {
    throw new UserError(`Cannot predict session "${set.session}": the baseline was fitted on session "${session}"`, {
      hint: "Baselines know the units of their own session only: fit one for each.",
    });
  }
  const found = unitCount(set);
  if (found === units) return;
  throw new UserError(
    `Cannot predict session "${session}": it has ${found} units, the baseline was fitted on ${units}`,
  );
}
