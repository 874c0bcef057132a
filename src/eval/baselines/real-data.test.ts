import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { Recording } from "../../data/recording.ts";
import { SampleSet } from "../../data/samples.ts";
import { toFloat64 } from "../../formats/array.ts";
import { readNpy } from "../../formats/npy.ts";
import { setNumThreads } from "../../torch/index.ts";
import { bitsPerSpike } from "../bps.ts";
import { correlation } from "../correlation.ts";
import { baselinePredictions } from "./baseline.ts";
import { fitBaseline } from "./fit-baseline.ts";
import { fitGlm } from "./glm.ts";

setNumThreads(2);
// Minutes of a busy machine, seconds of an idle one.
vi.setConfig({ testTimeout: 300_000 });

const REAL_DATA = process.env.VISIONCORE_REALDATA ?? resolve(import.meta.dirname, "../../../../shared/realdata");
const RETINA = join(REAL_DATA, "rgc_uzzell2004");
const V4 = join(REAL_DATA, "v4_cowley2023");
for (const folder of [RETINA, V4]) {
  if (!existsSync(folder))
    console.warn(`Skipped: there are no recordings in ${folder}; set VISIONCORE_REALDATA to their folder`);
}

function samples(recording: Recording, frames: ArrayLike<number>, lags: number): SampleSet {
  return new SampleSet({
    session: recording.type,
    recordings: [recording],
    recordingOf: new Int32Array(frames.length),
    frameOf: Int32Array.from(frames),
    keysLags: { robs: 0, dfs: 0, stim: Array.from({ length: lags }, (_, lag) => lag) },
    pixelnorm: true,
  });
}

const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);
const allValid = (frames: number) =>
  ({ dtype: "uint8", shape: [frames, 1], data: new Uint8Array(frames).fill(1) }) as const;

describe.skipIf(!existsSync(RETINA))("fitGlm() on retinal ganglion cells", () => {
  const stim = readNpyIn(RETINA, "stim.npy");
  const frames = stim?.shape[0] ?? 0;
  const cut = Math.floor(0.8 * frames);
  const split = () => {
    const recording = new Recording("flicker", [
      ["stim", { dtype: "float32", shape: [frames, 1, 1], data: (stim!.data as Float32Array).map((x) => x / 0.48) }],
      ["robs", readNpyIn(RETINA, "counts.npy")!],
      ["dfs", allValid(frames)],
    ]);
    return { train: samples(recording, range(25, cut), 25), held: samples(recording, range(cut, frames), 25) };
  };

  test.each([
    ["test_bits_per_spike_stimulus_only", 0],
    ["test_bits_per_spike_with_20_history_lags", 20],
  ] as const)("scores %s like the reference", async (key, historyLags) => {
    const { train, held } = split();
    const baseline = await fitGlm(train, { historyLags, link: "exponential" });
    const { poisson_glm } = JSON.parse(readFileSync(join(RETINA, "reference.json"), "utf8"));
    const scores = bitsPerSpike(await baselinePredictions(baseline, held));
    expect(baseline.notes).toEqual([]);
    for (const [cell, expected] of (poisson_glm[key] as number[]).entries()) {
      expect(Math.abs(scores[cell]! - expected)).toBeLessThan(0.005);
    }
  });
});

describe.skipIf(!existsSync(V4))("fitBaseline() on images and macaque V4", () => {
  const validation: Record<string, number[]> = JSON.parse(
    readFileSync(resolve(import.meta.dirname, "../../../test/fixtures/baselines/v4-validation-images.json"), "utf8"),
  );

  // Medians over neurons of the correlation with the mean over repeats, from the data's own description.
  test.each([
    ["210325", 0.47],
    ["210224", 0.37],
    ["210305", 0.73],
  ])("gabor-energy correlates with session %s like pixels and pooled energies do", async (session, expected) => {
    const means = readNpyIn(V4, `original/responses_avg_${session}.npy`)!;
    const [units, images] = means.shape as [number, number];
    const byUnit = toFloat64(means);
    const data = Float32Array.from(
      { length: images * units },
      (_, i) => byUnit[(i % units) * images + Math.floor(i / units)]!,
    );
    const recording = new Recording(session, [
      ["stim", readNpyIn(V4, `images_${session}_gray.npy`)!],
      ["robs", { dtype: "float32", shape: [images, units], data }],
      ["dfs", allValid(images)],
    ]);
    const held = validation[session]!;
    const train = range(0, images).filter((image) => !held.includes(image));
    const baseline = await fitBaseline("gabor-energy", samples(recording, train, 1));
    const scores = correlation(await baselinePredictions(baseline, samples(recording, held, 1))).toSorted();
    const median = (scores[Math.floor((units - 1) / 2)]! + scores[Math.floor(units / 2)]!) / 2;
    console.info(`V4 session ${session}: median correlation ${median.toFixed(3)}`);
    expect(median).toBeGreaterThan(expected - 0.03);
  });
});

function readNpyIn(folder: string, name: string) {
  return existsSync(folder) ? readNpy(join(folder, name)) : undefined;
}
