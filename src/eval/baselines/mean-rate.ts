/**
 * @file The simplest baseline: every unit always fires at its mean rate over the training samples. What it scores above
 * or below 0 bits per spike is the change of the mean between training and validation, since the score's null model
 * knows the mean of the scored samples.
 */

import type { SampleSet } from "../../data/samples.ts";
import { type Observations, observe } from "../predict.ts";
import { type Baseline, requireSameUnits } from "./baseline.ts";

/** Mean rates of a session. */
export interface MeanRateBaseline extends Baseline {
  readonly kind: "mean-rate";
  /** Spikes per frame, [units]; NaN without valid samples. */
  readonly rates: Float64Array;
}

/** Weighted mean rate of every unit over the valid training samples: Σ w·y / Σ w. */
export function fitMeanRate(train: SampleSet): MeanRateBaseline {
  const responses = observe(train);
  const { units } = responses;
  const rates = meanRates(responses);
  const identity = { session: train.session, units };
  return {
    kind: "mean-rate",
    ...identity,
    notes: [],
    rates,
    async predict(set) {
      requireSameUnits(identity, set);
      return Float32Array.from({ length: set.length * units }, (_, i) => rates[i % units]!);
    },
  };
}

/** Mean rate of every unit over its valid samples, [units]; what lies under a weight of 0 does not matter. */
export function meanRates({ robs, dfs, units }: Pick<Observations, "robs" | "dfs" | "units">): Float64Array {
  const spikes = new Float64Array(units);
  const weights = new Float64Array(units);
  for (let i = 0; i < robs.length; i++) {
    const weight = dfs[i]!;
    if (!(weight > 0)) continue;
    spikes[i % units]! += weight * robs[i]!;
    weights[i % units]! += weight;
  }
  return spikes.map((count, unit) => count / weights[unit]!);
}
