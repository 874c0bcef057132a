/**
 * @file Bits per spike of predictions in host memory (evaluation specification, section 6). The formula itself is
 * `BitsPerSpike`, which the trainer uses as well.
 */

import { scope, tensor } from "../torch/index.ts";
import { BitsPerSpike } from "../training/bits-per-spike.ts";

/** Samples that are scored at a time. */
const PIECE = 16_384;

/** Added to rates inside the logarithm, as in `BitsPerSpike`. */
const EPS = 1e-8;

/** Numbers of either precision; sums are taken in float64. */
export type Floats = Float32Array | Float64Array;

/** Predicted and observed spikes of the units of a session. */
export interface ScoredSamples {
  /** Predicted spikes per frame, [samples, units]. */
  rates: Floats;
  /** Observed spikes, [samples, units]. */
  robs: Floats;
  /** Weights, [samples, units] or [samples, 1]; absent: all 1. */
  dfs?: Floats | undefined;
  units: number;
}

export interface BitsPerSpikeChoices {
  /**
   * `reference`: masked samples are multiplied by 0 instead of left out, and units without spikes score whatever the formula
   * gives. `reference-rescaled`: what the reference computes after rescaling, where NaN rates and counts become 0 first.
   */
  compat?: "reference" | "reference-rescaled" | undefined;
  /**
   * Rates of the null model, spikes per frame, [units]; absent: each unit's own mean over the scored samples. With the mean
   * over the training samples a model is also credited for a rate that has changed since.
   */
  nullRates?: Floats | undefined;
}

/**
 * Bits per spike of every unit: the log-likelihood that a model gains over a constant rate, by default the unit's own mean
 * over the same samples, in bits and per spike (Paninski et al. 2004; Pillow et al. 2008, Nature). NaN for a unit without
 * valid spikes, about which the score says nothing, and where a valid rate is NaN or negative. What lies under a weight of 0
 * does not matter, NaN included.
 *
 * To compare with any other model, subtract its score from the same samples: what the null model contributes cancels.
 *
 * @returns [units]
 * @example
 * bitsPerSpike({ rates: Float32Array.of(0.1, 0.9), robs: Float32Array.of(0, 1), units: 1 }); // [0.85]
 */
export function bitsPerSpike(samples: ScoredSamples, { compat, nullRates }: BitsPerSpikeChoices = {}): Float64Array {
  const scored = compat === "reference-rescaled" ? withoutNaN(samples) : samples;
  return withSums([scored], compat !== undefined, (scorer) => {
    if (nullRates === undefined) return scorer.scores({ silent: compat === undefined ? "nan" : "formula" });
    return Float64Array.from(gains(scorer, nullRates), ({ bits, spikes }) => (spikes > 0 ? bits / spikes : Number.NaN));
  });
}

/**
 * Bits per spike of all units as one: gained log-likelihoods and spikes are summed over units first, so that units count by
 * their spikes (Pei et al. 2021, Neural Latents Benchmark). Silent units count too, with a null model that says 0. NaN
 * without spikes, and where a valid rate is NaN or negative.
 */
export function pooledBitsPerSpike(
  samples: ScoredSamples,
  { nullRates }: Pick<BitsPerSpikeChoices, "nullRates"> = {},
): number {
  return withSums([samples], false, (scorer) => {
    let [bits, spikes] = [0, 0];
    for (const unit of gains(scorer, nullRates)) {
      bits += unit.bits;
      spikes += unit.spikes;
    }
    return spikes > 0 ? bits / spikes : Number.NaN;
  });
}

/** What a model gains over a constant rate, in bits, and the spikes it explains by them; unit after unit. */
function gains({ sums: tensor }: BitsPerSpike, nullRates?: Floats): { bits: number; spikes: number }[] {
  const units = tensor.size(1);
  const sums = tensor.toTypedArray() as Float64Array;
  return Array.from({ length: units }, (_, u) => {
    const [weight, spikes, likelihood] = [sums[u]!, sums[units + u]!, sums[2 * units + u]!];
    const rate = nullRates?.[u] ?? (weight > 0 ? spikes / weight : 0);
    const nullLikelihood = spikes * Math.log(rate + EPS) - weight * rate;
    return { bits: (likelihood - nullLikelihood) / Math.LN2, spikes };
  });
}

/**
 * Bits per spike over the samples of several stimuli together, as the validation score of training is: the null model is the
 * mean over all of them.
 *
 * @param parts samples of the same units, at least one part
 * @param compat `reference`: masks are ignored, so that the number is not that of training
 * @returns [units]
 */
export function jointBitsPerSpike(
  parts: readonly ScoredSamples[],
  { compat }: { compat?: "reference" | undefined } = {},
): Float64Array {
  if (compat === undefined) return withSums(parts, false, (scorer) => scorer.scores({ silent: "nan" }));
  const unmasked = parts.map((part) => ({ ...part, dfs: undefined }));
  return withSums(unmasked, true, (scorer) => scorer.scores({ silent: "formula" }));
}

/** Rates and counts with 0 for NaN, under masks and elsewhere, as the reference has them where it rescales. */
export function withoutNaN(samples: ScoredSamples): ScoredSamples {
  const clean = (values: Floats) => values.map((value) => (Number.isNaN(value) ? 0 : value));
  return { ...samples, rates: clean(samples.rates), robs: clean(samples.robs) };
}

function withSums<Result>(
  parts: readonly ScoredSamples[],
  poisonMasked: boolean,
  read: (scorer: BitsPerSpike) => Result,
): Result {
  const scorer = new BitsPerSpike(parts[0]!.units, { poisonMasked });
  try {
    for (const part of parts) addSamples(scorer, part);
    return read(scorer);
  } finally {
    scorer.dispose();
  }
}

function addSamples(scorer: BitsPerSpike, { rates, robs, dfs, units }: ScoredSamples): void {
  const samples = robs.length / units;
  const columns = dfs === undefined ? 0 : dfs.length / samples;
  // In pieces, because the formula needs several float64 copies of what it is given.
  for (let start = 0; start < samples; start += PIECE) {
    const end = Math.min(start + PIECE, samples);
    const rows = (values: Floats, width: number) =>
      tensor(values.subarray(start * width, end * width), [end - start, width]);
    scope(() => scorer.add(rows(rates, units), rows(robs, units), dfs && rows(dfs, columns)));
  }
}
