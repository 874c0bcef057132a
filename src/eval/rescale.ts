/**
 * @file Rescaling predictions to the responses they are scored with (evaluation specification, section 7): how good a model
 * would be if only the gain, and perhaps an offset, of every unit were wrong.
 */

import type { Floats, ScoredSamples } from "./bps.ts";
import { affineMl, type FittedSamples } from "./rescale-affine.ts";

/** What scores of rescaled predictions are called: fitted on the samples they are over, they are optimistic. */
export const RESCALED_LABEL = "rescaled (in-sample)";

/** `gain` and `affine` fit every unit alone, `globalgain` and `globalaffine` one set of numbers to all. */
export type RescaleMode = "gain" | "globalgain" | "affine" | "globalaffine";

export interface RescaleOptions {
  /**
   * `reference`: the affine modes have the offset that the reference's optimiser starts from and never leaves, 1e-12; NaN
   * counts as 0; weights above 0.5 count as 1 and others as 0; and masked predictions are 0.
   */
  compat?: "reference" | undefined;
}

/** Rates become `gain * rate + offset`. */
export interface Rescaling {
  /** [units], all alike in the global modes; NaN where there is nothing to fit, or a valid rate or count is NaN. */
  gain: Float64Array;
  /** Spikes per frame, [units]. */
  offset: Float64Array;
}

/** Keeps the reference's quotients finite, and its offset positive. */
const EPS = 1e-12;

/**
 * The gain (and offset) of the largest Poisson likelihood. Without an offset that is the gain that makes mean rate and mean
 * response alike, `sum w y / sum w r`.
 *
 * @example
 * const fit = fitRescaling(trainingSamples, "affine");
 * const scores = bitsPerSpike({ ...samples, rates: applyRescaling(samples, fit) });
 */
export function fitRescaling(
  samples: ScoredSamples,
  mode: RescaleMode = "gain",
  { compat }: RescaleOptions = {},
): Rescaling {
  const { units } = samples;
  const estimate = mode.endsWith("affine") ? affineOf : gainOf;
  const fitOne = (which: readonly number[]) => estimate(validSamples(samples, which, compat), compat);
  const all = Array.from({ length: units }, (_, unit) => unit);
  const shared = mode.startsWith("global") ? fitOne(all) : undefined;
  const fits = all.map((unit) => shared ?? fitOne([unit]));
  return { gain: Float64Array.from(fits, ({ gain }) => gain), offset: Float64Array.from(fits, ({ offset }) => offset) };
}

/** Rescaled rates, [samples, units]; masked ones too. */
export function applyRescaling<Values extends Floats>(
  { rates, units }: { rates: Values; units: number },
  { gain, offset }: Rescaling,
): Values {
  return rates.map((rate, i) => gain[i % units]! * rate + offset[i % units]!) as Values;
}

/**
 * Predictions rescaled to the very samples they are for. Scores of the result are optimistic; say so with
 * {@link RESCALED_LABEL}. CCnorm and other correlations of single units do not change.
 *
 * @returns rates [samples, units]
 */
export function rescalePredictions<Values extends Floats>(
  samples: ScoredSamples & { rates: Values },
  mode: RescaleMode = "gain",
  { compat }: RescaleOptions = {},
): Values {
  const fit = fitRescaling(samples, mode, { compat });
  if (compat === undefined) return applyRescaling(samples, fit);
  const { rates, units } = samples;
  const weightOf = weights(samples);
  const kept = rates.map((rate, i) => (weightOf(i) > 0.5 && Number.isFinite(rate) ? rate : 0)) as Values;
  return applyRescaling({ rates: kept, units }, fit);
}

interface Fit {
  gain: number;
  offset: number;
}

function gainOf({ rates, counts, weights }: FittedSamples, compat: RescaleOptions["compat"]): Fit {
  let [spikes, predicted] = [0, 0];
  for (let i = 0; i < rates.length; i++) {
    spikes += weights[i]! * counts[i]!;
    predicted += weights[i]! * rates[i]!;
  }
  if (compat === "reference") return { gain: Math.max(spikes / (predicted + EPS), EPS), offset: 0 };
  return { gain: predicted > 0 ? spikes / predicted : Number.NaN, offset: 0 };
}

function affineOf(samples: FittedSamples, compat: RescaleOptions["compat"]): Fit {
  if (compat === undefined) return affineMl(samples);
  const { gain } = gainOf(samples, compat);
  const { rates, counts } = samples;
  let difference = 0;
  for (let i = 0; i < rates.length; i++) difference += counts[i]! - gain * rates[i]!;
  return { gain, offset: Math.max(difference / Math.max(rates.length, 1), EPS) };
}

/** The samples of some units that count, one after the other. */
function validSamples(
  samples: ScoredSamples,
  which: readonly number[],
  compat: RescaleOptions["compat"],
): FittedSamples {
  const { rates, robs, units } = samples;
  const weightOf = weights(samples);
  const smallest = compat === "reference" ? 0.5 : 0;
  const valid = (from: Floats | null) => {
    const values = new Float64Array((robs.length / units) * which.length);
    let count = 0;
    for (let row = 0; row < robs.length; row += units) {
      for (const unit of which) {
        const weight = weightOf(row + unit);
        if (!(weight > smallest)) continue;
        const value = from === null ? weight : from[row + unit]!;
        if (compat === undefined) values[count++] = value;
        else values[count++] = from === null ? 1 : Number.isFinite(value) ? value : 0;
      }
    }
    return values.subarray(0, count);
  };
  return { rates: valid(rates), counts: valid(robs), weights: valid(null) };
}

/** The weight of an element of [samples, units]. */
function weights({ robs, dfs, units }: ScoredSamples): (i: number) => number {
  if (dfs === undefined) return () => 1;
  if (dfs.length === robs.length) return (i) => dfs[i]!;
  return (i) => dfs[Math.floor(i / units)]!;
}
