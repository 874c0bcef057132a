/**
 * @file Peri-stimulus time histograms of samples by their bin number, and how well predicted ones agree (evaluation
 * specification, section 18).
 */

import { UserError } from "../errors.ts";
import { correlation } from "./correlation.ts";

/** Samples of a stimulus that repeats. */
export interface BinnedSamples {
  /** Observed spikes, [samples, units]. */
  robs: Float32Array;
  /** Predicted spikes, [samples, units]. */
  rates: Float32Array;
  units: number;
  /** Bin of the stimulus that each sample belongs to, [samples]. */
  psthInds: ArrayLike<number>;
}

/** Mean responses per bin. */
export interface BinPsth {
  /** Number of each bin, ascending, [bins]. */
  bins: Int32Array;
  /** Samples in each, [bins]. */
  samples: Int32Array;
  /** Mean observed spikes, [bins, units]. */
  observed: Float32Array;
  /** Mean predicted spikes, [bins, units]. */
  predicted: Float32Array;
}

/**
 * Mean observed and predicted spikes in every bin that occurs, from the first to the last one with more than `minSamples`
 * samples; no bins when none has.
 *
 * @throws UserError when there are not as many bin numbers as samples
 */
export function psthByBin(
  { robs, rates, units, psthInds }: BinnedSamples,
  { minSamples = 20 }: { minSamples?: number | undefined } = {},
): BinPsth {
  const total = robs.length / units;
  if (psthInds.length !== total || rates.length !== robs.length) {
    throw new UserError(
      `Cannot average over repeats: ${total} samples observed, ${rates.length / units} predicted, ${psthInds.length} bin numbers`,
    );
  }
  const members = new Map<number, number[]>();
  for (let sample = 0; sample < total; sample++) {
    const bin = psthInds[sample]!;
    const list = members.get(bin);
    if (list === undefined) members.set(bin, [sample]);
    else list.push(sample);
  }
  const occurring = [...members].sort(([a], [b]) => a - b);
  const enough = ([, list]: [number, number[]]) => list.length > minSamples;
  const kept = occurring.slice(Math.max(0, occurring.findIndex(enough)), occurring.findLastIndex(enough) + 1);
  const means = (values: Float32Array) => {
    const out = new Float32Array(kept.length * units);
    for (let i = 0; i < out.length; i++) {
      const [, list] = kept[Math.floor(i / units)]!;
      out[i] = list.reduce((sum, sample) => sum + values[sample * units + (i % units)]!, 0) / list.length;
    }
    return out;
  };
  return {
    bins: Int32Array.from(kept, ([bin]) => bin),
    samples: Int32Array.from(kept, ([, list]) => list.length),
    observed: means(robs),
    predicted: means(rates),
  };
}

/**
 * Squared Pearson correlation of observed and predicted PSTH of every unit, from 0 to 1; NaN for a unit whose PSTH is flat.
 * The square hides the sign: a prediction that goes the wrong way scores as well as one that goes the right way.
 *
 * @returns [units]
 */
export function psthSquaredCorrelation({ observed, predicted }: BinPsth, units: number): Float64Array {
  return correlation({ robs: observed, rates: predicted, units }).map((r) => r * r);
}
