/**
 * @file The spikes of every unit before each sample.
 */

import type { SampleSet } from "../../data/samples.ts";
import type { SpikeHistory } from "./poisson-design.ts";
import { responseLag } from "./responses.ts";

/**
 * Spikes 1 to `lags` frames before the response of each sample. Before the start of a recording, and where counts are
 * not numbers, there are none.
 *
 * @param positions samples of the set
 */
export function spikeHistory(set: SampleSet, positions: Int32Array, lags: number): SpikeHistory {
  const sources = set.recordings.map((_, recording) => set.arrays(recording));
  const { units } = sources[0]!;
  const isBytes = sources.every(({ robs }) => robs instanceof Uint8Array);
  const rowCount = sources.reduce((sum, { frames }) => sum + lags + frames, 0);
  const counts = isBytes ? new Uint8Array(rowCount * units) : new Float32Array(rowCount * units);
  const firsts: number[] = [];
  let row = 0;
  for (const { robs, frames } of sources) {
    row += lags;
    firsts.push(row);
    counts.set(isBytes ? robs : Float32Array.from(robs, (count) => (Number.isFinite(count) ? count : 0)), row * units);
    row += frames;
  }
  const lag = responseLag(set);
  const rows = Int32Array.from(positions, (i) => firsts[set.recordingOf[i]!]! + set.frameOf[i]! - lag);
  return { counts, rows, lags, ...moments(counts, rows, units) };
}

/** Mean and variance of the counts of every unit in these rows. */
function moments(
  counts: ArrayLike<number>,
  rows: Int32Array,
  units: number,
): { means: Float64Array; variances: Float64Array } {
  const sums = new Float64Array(units);
  const squares = new Float64Array(units);
  for (const row of rows) {
    for (let unit = 0; unit < units; unit++) {
      const count = counts[row * units + unit]!;
      sums[unit]! += count;
      squares[unit]! += count * count;
    }
  }
  const means = sums.map((sum) => sum / rows.length);
  return { means, variances: squares.map((square, unit) => square / rows.length - means[unit]! ** 2) };
}
