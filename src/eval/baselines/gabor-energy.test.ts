import { describe, expect, test, vi } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import { setNumThreads, tensorStats } from "../../torch/index.ts";
import { bitsPerSpike } from "../bps.ts";
import { baselinePredictions } from "./baseline.ts";
import { fitBaseline } from "./fit-baseline.ts";
import { fitGaborEnergy } from "./gabor-energy.ts";
import { contrast, drawCounts, noiseMovie, plantedRecording, trainAndTest } from "./planted.fake.ts";

setNumThreads(2);
// Minutes of a busy machine, seconds of an idle one.
vi.setConfig({ testTimeout: 300_000 });

const SIZE = 16;
const PIXELS = SIZE * SIZE;
const shape = { frames: 4000, height: SIZE, width: SIZE };
const movie = noiseMovie(shape, 7);

/** Dot product of a frame with a Gabor of 8 pixels a period, turned by `angle`. */
function gabor(frame: number, angle: number, phase: number): number {
  let sum = 0;
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      const [v, u] = [y - 7.5, x - 7.5];
      const carrier = Math.cos((2 * Math.PI * (u * Math.cos(angle) + v * Math.sin(angle))) / 8 + phase);
      sum += contrast(movie[frame * PIXELS + y * SIZE + x]!) * Math.exp(-(u * u + v * v) / 32) * carrier;
    }
  }
  return sum;
}

const scoresOf = async (counts: Uint8Array, lags: number, shown = movie) => {
  const { train, test: held } = trainAndTest(plantedRecording(shape, shown, counts), lags);
  const of = async (kind: "lnp" | "gabor-energy") => {
    const baseline = await fitBaseline(kind, train, { link: "exponential", maxParameters: 1000 });
    return bitsPerSpike(await baselinePredictions(baseline, held));
  };
  return { lnp: await of("lnp"), energy: await of("gabor-energy") };
};

describe("fitGaborEnergy()", () => {
  test("predicts a phase-invariant unit that a filter cannot", async () => {
    const counts = drawCounts(shape.frames, 1, (frame) => {
      const energy = gabor(frame, 0.4, 0) ** 2 + gabor(frame, 0.4, Math.PI / 2) ** 2;
      return 0.25 * energy;
    });
    const { lnp, energy } = await scoresOf(counts, 1);
    expect(lnp[0]).toBeLessThan(0.05);
    expect(energy[0]).toBeGreaterThan(0.25);
  });

  test("predicts a unit that prefers one direction of motion", async () => {
    // Gratings that drift to the right or left for 12 frames each, from a random phase.
    const random = new MersenneTwister(4);
    const bouts = Array.from({ length: shape.frames / 12 + 1 }, () => [random.uniform(), random.uniform()] as const);
    const rightward = (frame: number) => bouts[Math.floor(frame / 12)]![0] > 0.5;
    const drifting = movie.map((_, i) => {
      const [frame, x] = [Math.floor(i / PIXELS), i % SIZE];
      const phase = (rightward(frame) ? -1 : 1) * (frame / 10) + bouts[Math.floor(frame / 12)]![1];
      return 127 + 60 * Math.cos(2 * Math.PI * (x / 8 + phase));
    });
    const counts = drawCounts(shape.frames, 1, (frame) => (frame > 3 && rightward(frame - 3) ? 0.6 : 0.1));
    const { lnp, energy } = await scoresOf(counts, 8, drifting);
    expect(lnp[0]).toBeLessThan(0.05);
    expect(energy[0]).toBeGreaterThan(0.3);
  });

  test("is not far below a filter for a unit that is one", async () => {
    const counts = drawCounts(shape.frames, 1, (frame) => 0.4 * Math.exp(0.7 * gabor(frame, 0, 0)));
    const { lnp, energy } = await scoresOf(counts, 1);
    expect(lnp[0]).toBeGreaterThan(0.15);
    expect(energy[0]).toBeGreaterThan(0.85 * lnp[0]!);
  });

  test("gives the same bits every time and leaves no tensors", async () => {
    const counts = drawCounts(shape.frames, 1, (frame) => 0.2 * gabor(frame, 0.4, 0) ** 2);
    const { train, test: held } = trainAndTest(plantedRecording(shape, movie, counts), 1);
    const { live } = tensorStats();
    const [a, b] = [await fitGaborEnergy(train), await fitGaborEnergy(train)];
    expect(a).toMatchObject({ kind: "gabor-energy", units: 1, notes: [] });
    expect(a.energies).toBe((16 + 16) * 6);
    expect(await a.predict(held)).toEqual(await b.predict(held));
    expect(tensorStats().live).toBe(live);
  });

  test("refuses frames that no Gabor fits into", async () => {
    const tiny = { frames: 50, height: 6, width: 9 };
    const { train } = trainAndTest(plantedRecording(tiny, noiseMovie(tiny), new Uint8Array(50)), 1);
    await expect(fitGaborEnergy(train)).rejects.toThrow("its frames are 6 x 9 pixels, the smallest Gabor needs 7");
  });
});
