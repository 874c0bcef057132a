/**
 * @file Peri-stimulus time histograms of aligned trials (evaluation specification, section 8.1).
 */
import type { TrialResponses } from "./trials.ts";

/** Averages over trials, spikes per second, [bins, units]; NaN in bins without a valid trial. */
export interface Psth {
  /** Of the observed spikes. */
  rbar: Float64Array;
  /** Of the predicted rates. */
  rbarhat: Float64Array;
}

/**
 * Averages over trials: Σ r·dfs / Σ dfs / binSeconds. Cells where spikes or rates are NaN, or the weight is not above 0,
 * do not count.
 *
 * The reference divides by 1/240 s whatever the bins last (E-19); to get its numbers, pass that.
 *
 * @param binSeconds duration of a bin
 */
export function trialPsth({ trials, bins, units, robs, rates, dfs }: TrialResponses, binSeconds: number): Psth {
  const cells = bins * units;
  const rbar = new Float64Array(cells);
  const rbarhat = new Float64Array(cells);
  for (let cell = 0; cell < cells; cell++) {
    let [spikes, predicted, spikeWeight, rateWeight] = [0, 0, 0, 0];
    for (let i = cell; i < trials * cells; i += cells) {
      const weight = dfs === undefined ? 1 : dfs[i]!;
      if (!(weight > 0)) continue;
      if (!Number.isNaN(robs[i]!)) {
        spikes += robs[i]! * weight;
        spikeWeight += weight;
      }
      if (!Number.isNaN(rates[i]!)) {
        predicted += rates[i]! * weight;
        rateWeight += weight;
      }
    }
    rbar[cell] = spikes / spikeWeight / binSeconds;
    rbarhat[cell] = predicted / rateWeight / binSeconds;
  }
  return { rbar, rbarhat };
}
