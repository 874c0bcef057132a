/**
 * @file Small planted sessions for the tests of this folder: noise movies and the units that look at them.
 */

import { MersenneTwister } from "../../data/random.ts";
import { Recording } from "../../data/recording.ts";
import { SampleSet } from "../../data/samples.ts";
import type { NdArray } from "../../formats/array.ts";

/** Size of a movie. */
export interface MovieShape {
  frames: number;
  height: number;
  width: number;
}

/** White noise of grey levels. */
export function noiseMovie({ frames, height, width }: MovieShape, seed = 1): Uint8Array {
  const random = new MersenneTwister(seed);
  return new Uint8Array(frames * height * width).map(() => random.next());
}

/** What a served pixel is, given its grey level. */
export function contrast(level: number): number {
  return (level - 127) / 255;
}

/** A Poisson count for a rate of a few spikes at most (Knuth's product of uniform draws). */
export function poissonCount(rate: number, random: MersenneTwister): number {
  const limit = Math.exp(-rate);
  let count = 0;
  for (let product = random.uniform(); product > limit; product *= random.uniform()) count++;
  return count;
}

/** Counts [frames, units] drawn frame by frame from rates that may depend on earlier counts. */
export function drawCounts(
  frames: number,
  units: number,
  rate: (frame: number, unit: number, counts: Uint8Array) => number,
  seed = 2,
): Uint8Array {
  const random = new MersenneTwister(seed);
  const counts = new Uint8Array(frames * units);
  for (let frame = 0; frame < frames; frame++) {
    for (let unit = 0; unit < units; unit++) {
      counts[frame * units + unit] = poissonCount(rate(frame, unit, counts), random);
    }
  }
  return counts;
}

/** A recording of a movie and counts, all frames valid; columns can be added or replaced. */
export function plantedRecording(
  { frames, height, width }: MovieShape,
  movie: Uint8Array,
  counts: Uint8Array,
  columns: Record<string, NdArray> = {},
  type = "noise",
): Recording {
  const units = counts.length / frames;
  return new Recording(
    type,
    Object.entries({
      stim: { dtype: "uint8", shape: [frames, height, width], data: movie } as NdArray,
      robs: { dtype: "uint8", shape: [frames, units], data: counts } as NdArray,
      dfs: { dtype: "uint8", shape: [frames, 1], data: new Uint8Array(frames).fill(1) } as NdArray,
      ...columns,
    }),
    {},
    "Planted_2020-01-01",
  );
}

/** Samples of some frames of recordings, given as [recording, first frame, end]. */
export function samplesOf(
  recordings: readonly Recording[],
  parts: readonly (readonly [recording: number, start: number, end: number])[],
  lags: number,
): SampleSet {
  const samples = parts.flatMap(([recording, start, end]) =>
    Array.from({ length: end - start }, (_, i) => ({ recording, frame: start + i })),
  );
  return new SampleSet({
    session: "Planted_2020-01-01",
    recordings,
    recordingOf: Int32Array.from(samples, ({ recording }) => recording),
    frameOf: Int32Array.from(samples, ({ frame }) => frame),
    keysLags: { robs: 0, dfs: 0, stim: Array.from({ length: lags }, (_, lag) => lag) },
    pixelnorm: true,
  });
}

/** The first four fifths of a recording, for fitting, and the rest. */
export function trainAndTest(recording: Recording, lags: number): { train: SampleSet; test: SampleSet } {
  const cut = Math.floor(0.8 * recording.length);
  return {
    train: samplesOf([recording], [[0, lags, cut]], lags),
    test: samplesOf([recording], [[0, cut, recording.length]], lags),
  };
}

/** Pearson correlation of two lists. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i]! - ma) * (b[i]! - mb);
    aa += (a[i]! - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}
