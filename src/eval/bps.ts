/**
 * @file Bits per spike of predictions in host memory (evaluation specification, section 6). The formula itself is
 * `BitsPerSpike`, which the trainer uses as well.
 */

import { scope, tensor } from "../torch/index.ts";
import { BitsPerSpike } from "../training/bits-per-spike.ts";

/** Samples that are scored at a time. */
const PIECE = 16_384;

/** Predicted and observed spikes of the units of a session. */
export interface ScoredSamples {
  /** Predicted spikes per frame, [samples, units]. */
  rates: Float32Array;
  /** Observed spikes, [samples, units]. */
  robs: Float32Array;
  /** Weights, [samples, units] or [samples, 1]; absent: all 1. */
  dfs?: Float32Array | undefined;
  units: number;
}

/**
 * Bits per spike of every unit against its own mean rate over the same samples; NaN for a unit without valid spikes, about
 * which the score says nothing. What lies under a weight of 0 does not matter, NaN included.
 *
 * @returns [units]
 * @example
 * bitsPerSpike({ rates: Float32Array.of(0.1, 0.9), robs: Float32Array.of(0, 1), units: 1 }); // [0.85]
 */
export function bitsPerSpike({ rates, robs, dfs, units }: ScoredSamples): Float64Array {
  const samples = robs.length / units;
  const columns = dfs === undefined ? 0 : dfs.length / samples;
  const scorer = new BitsPerSpike(units);
  // In pieces, because the formula needs several float64 copies of what it is given.
  for (let start = 0; start < samples; start += PIECE) {
    const end = Math.min(start + PIECE, samples);
    const rows = (values: Float32Array, width: number) =>
      tensor(values.subarray(start * width, end * width), [end - start, width]);
    scope(() => scorer.add(rows(rates, units), rows(robs, units), dfs && rows(dfs, columns)));
  }
  const scores = scorer.scores({ silent: "nan" });
  scorer.dispose();
  return scores;
}
