import { describe, expect, test, vi } from "vitest";
import { UserError } from "../../errors.ts";
import { setNumThreads, tensorStats } from "../../torch/index.ts";
import { bitsPerSpike } from "../bps.ts";
import { baselinePredictions } from "./baseline.ts";
import { fitBaseline } from "./fit-baseline.ts";
import { fitGlm } from "./glm.ts";
import {
  contrast,
  drawCounts,
  noiseMovie,
  pearson,
  plantedRecording,
  samplesOf,
  trainAndTest,
} from "./planted.fake.ts";

setNumThreads(2);
// Minutes of a busy machine, seconds of an idle one.
vi.setConfig({ testTimeout: 300_000 });

const LAGS = 6;
const shape = { frames: 12_000, height: 6, width: 7 };
const PIXELS = 42;
const movie = noiseMovie(shape);

/** A centre that follows an opposite one in time; unit 1 sits elsewhere and is inverted. */
const filters = [0, 1].map((unit) =>
  Float64Array.from({ length: LAGS * PIXELS }, (_, i) => {
    const [lag, y, x] = [Math.floor(i / PIXELS), Math.floor((i % PIXELS) / 7), i % 7];
    const time = [0.1, 0.6, 1, 0.3, -0.6, -0.3][lag]!;
    return (unit === 0 ? 1 : -1) * time * Math.exp(-((y - 2 - unit) ** 2 + (x - 2 - 2 * unit) ** 2) / 1.5);
  }),
);
const drives = filters.map((filter) =>
  Float64Array.from({ length: shape.frames }, (_, frame) => {
    let drive = 0;
    for (let lag = 0; lag < Math.min(LAGS, frame + 1); lag++) {
      for (let p = 0; p < PIXELS; p++)
        drive += filter[lag * PIXELS + p]! * contrast(movie[(frame - lag) * PIXELS + p]!);
    }
    return drive;
  }),
);
const HISTORY = [-3, -1, -0.5];
const lnpCounts = drawCounts(shape.frames, 2, (frame, unit) => 0.2 * Math.exp(2 * drives[unit]![frame]!));
const refractoryCounts = drawCounts(shape.frames, 2, (frame, unit, counts) => {
  let drive = 2 * drives[unit]![frame]!;
  for (const [i, weight] of HISTORY.entries()) drive += weight * (frame > i ? counts[(frame - i - 1) * 2 + unit]! : 0);
  return 0.4 * Math.exp(drive);
});

describe("fitGlm()", () => {
  test("recovers the filter and the rate of a planted LNP unit", async () => {
    const { train, test: held } = trainAndTest(plantedRecording(shape, movie, lnpCounts), LAGS);
    const { live } = tensorStats();
    const baseline = await fitGlm(train);
    expect(baseline).toMatchObject({ kind: "lnp", units: 2, notes: [], grid: { rows: 6, columns: 7 } });
    expect([...baseline.lags]).toEqual([0, 1, 2, 3, 4, 5]);
    const rates = await baseline.predict(held);
    for (const [unit, filter] of filters.entries()) {
      const found = baseline.model.weights.filter((_, i) => i % 2 === unit);
      expect(pearson(found, filter)).toBeGreaterThan(0.97);
      const truth = Array.from(held.frameOf, (frame) => 0.2 * Math.exp(2 * drives[unit]![frame]!));
      expect(
        pearson(
          rates.filter((_, i) => i % 2 === unit),
          truth,
        ),
      ).toBeGreaterThan(0.95);
    }
    expect(tensorStats().live).toBe(live);
  });

  test("recovers the refractoriness of a planted GLM unit, and nested models do not score lower", async () => {
    const { train, test: held } = trainAndTest(plantedRecording(shape, movie, refractoryCounts), LAGS);
    const score = async (kind: "mean-rate" | "lnp" | "glm") => {
      const baseline = await fitBaseline(kind, train, { historyLags: 5 });
      return { baseline, bps: bitsPerSpike(await baselinePredictions(baseline, held)) };
    };
    const { model } = await fitGlm(train, { historyLags: 5 });
    for (const unit of [0, 1]) {
      const found = Array.from({ length: 5 }, (_, lag) => model.history[lag * 2 + unit]!);
      expect(found[0]).toBeLessThan(-2);
      expect(found).toEqual([expect.anything(), ...[-1, -0.5, 0, 0].map((h) => expect.closeTo(h, 0))]);
    }
    const [mean, lnp, glm] = [await score("mean-rate"), await score("lnp"), await score("glm")];
    expect(glm.baseline.kind).toBe("glm");
    for (const unit of [0, 1]) {
      expect(lnp.bps[unit]).toBeGreaterThan(mean.bps[unit]! + 0.1);
      expect(glm.bps[unit]).toBeGreaterThan(lnp.bps[unit]! + 0.1);
    }
  });

  test("does not score below the mean rate for a unit that ignores the stimulus", async () => {
    const small = { ...shape, frames: 1500 };
    const counts = drawCounts(1500, 2, () => 0.3);
    const { train, test: held } = trainAndTest(plantedRecording(small, movie.subarray(0, 1500 * PIXELS), counts), LAGS);
    for (const bps of bitsPerSpike(await baselinePredictions(await fitGlm(train), held))) {
      expect(bps).toBeGreaterThan(-0.02);
    }
  });

  test("windows a large stimulus around the units' fields and averages it down", async () => {
    const wide = { frames: 4000, height: 20, width: 30 };
    const noise = noiseMovie(wide, 5);
    const counts = drawCounts(4000, 1, (frame) => {
      if (frame < 2) return 0.3;
      let sum = 0;
      for (let y = 4; y < 8; y++) for (let x = 20; x < 24; x++) sum += contrast(noise[(frame - 1) * 600 + y * 30 + x]!);
      return 0.3 * Math.exp(0.8 * sum);
    });
    const { train, test: held } = trainAndTest(plantedRecording(wide, noise, counts), 3);
    const baseline = await fitGlm(train, { maxParameters: 300 });
    const { top, left, bottom, right } = baseline.grid.window;
    expect(Math.max(Math.abs(top - 3), Math.abs(left - 19), Math.abs(bottom - 9), Math.abs(right - 25))).toBeLessThan(
      3,
    );
    expect(3 * baseline.grid.rows * baseline.grid.columns).toBeLessThanOrEqual(300);
    expect(baseline.notes[0]).toMatch(/^The filter sees rows \d+ to \d+ and columns \d+ to \d+ of the frame, averaged/);
    expect(bitsPerSpike(await baselinePredictions(baseline, held))[0]).toBeGreaterThan(0.2);
  });

  test("uses evenly spaced samples where memory does not hold all, and says so", async () => {
    const { train } = trainAndTest(plantedRecording(shape, movie, lnpCounts), LAGS);
    const baseline = await fitGlm(train, { memory: 3 * 2 ** 20 });
    expect(baseline.model.samples).toBeLessThan(train.length / 2);
    expect(baseline.notes).toEqual([
      `Fitted on ${baseline.model.samples} evenly spaced of ${train.length} training samples, as many as its memory holds.`,
    ]);
    expect(
      pearson(
        baseline.model.weights.filter((_, i) => i % 2 === 0),
        filters[0]!,
      ),
    ).toBeGreaterThan(0.85);
  });

  test("ignores what is not valid, keeps silent units silent and undefined ones undefined", async () => {
    const frames = 1000;
    const robs = Float32Array.from(lnpCounts.subarray(0, frames * 2), (count, i) => (i % 2 === 0 ? count : 0));
    const counted = Float32Array.from({ length: frames * 3 }, (_, i) =>
      i % 3 < 2 ? robs[Math.floor(i / 3) * 2 + (i % 3)]! : 1,
    );
    const dfs = Uint8Array.from({ length: frames * 3 }, (_, i) => Number(i % 3 < 2 && Math.floor(i / 3) % 7 > 0));
    counted.forEach((_, i) => {
      if (dfs[i] === 0) counted[i] = Number.NaN;
    });
    const small = { ...shape, frames };
    const recording = plantedRecording(small, movie.subarray(0, frames * PIXELS), new Uint8Array(frames * 3), {
      robs: { dtype: "float32", shape: [frames, 3], data: counted },
      dfs: { dtype: "uint8", shape: [frames, 3], data: dfs },
    });
    const { train, test: held } = trainAndTest(recording, LAGS);
    const baseline = await fitGlm(train, { historyLags: 2 });
    expect(baseline.notes).toEqual(["Without training spikes, predicted to stay silent: unit 1."]);
    const rates = await baseline.predict(held);
    for (let i = 0; i < held.length; i++) {
      expect(rates[3 * i]).toBeGreaterThan(0);
      expect(rates[3 * i + 1]).toBe(0);
      expect(rates[3 * i + 2]).toBeNaN();
    }
  });

  test("predicts the same for samples in another order", async () => {
    const { train, test: held } = trainAndTest(plantedRecording(shape, movie, refractoryCounts), LAGS);
    const baseline = await fitGlm(train, { historyLags: 3, memory: 3 * 2 ** 20 });
    const rates = await baseline.predict(held);
    const order = [...held.frameOf.keys()].reverse();
    const reversed = await baseline.predict(held.subset(order));
    expect(Array.from(reversed)).toEqual(
      order.flatMap((i) => [0, 1].map((unit) => expect.closeTo(rates[2 * i + unit]!, 5))),
    );
  });

  test("refuses negative responses, a missing stimulus and another stimulus", async () => {
    const frames = 300;
    const small = { ...shape, frames };
    const part = movie.subarray(0, frames * PIXELS);
    const scored = Float32Array.from({ length: frames }, (_, i) => Math.sin(i));
    const robs = { dtype: "float32", shape: [frames, 1], data: scored } as const;
    const { train } = trainAndTest(plantedRecording(small, part, new Uint8Array(frames), { robs }), LAGS);
    const failure = fitGlm(train);
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow('Cannot fit a Poisson model to session "Planted_2020-01-01"');
    await expect(fitGlm(train.withLags({ robs: 0, dfs: 0 }))).rejects.toThrow("its samples have no stimulus");

    const counts = lnpCounts.subarray(0, frames * 2);
    const baseline = await fitGlm(trainAndTest(plantedRecording(small, part, counts), LAGS).train);
    const turned = plantedRecording({ frames, height: 7, width: 6 }, part, counts);
    await expect(baseline.predict(samplesOf([turned], [[0, 6, 50]], LAGS))).rejects.toThrow(
      "its stimulus is 1 x 7 x 6, the baseline was fitted on 1 x 6 x 7",
    );
    const shorter = samplesOf([plantedRecording(small, part, counts)], [[0, 6, 50]], 4);
    await expect(baseline.predict(shorter)).rejects.toThrow("do not show the stimulus 4 frames ago");
  });

  test("tells how far it is and stops when told to", async () => {
    const { train } = trainAndTest(plantedRecording(shape, movie, lnpCounts), LAGS);
    const abort = new AbortController();
    const stages = new Set<string>();
    const onProgress = ({ stage }: { stage: string }) => {
      stages.add(stage);
      if (stage === "fit") abort.abort(new Error("enough"));
    };
    const options = { signal: abort.signal, onProgress, memory: 3 * 2 ** 20 };
    await expect(fitBaseline("lnp", train, options)).rejects.toThrow("enough");
    expect([...stages]).toEqual(["features", "fit"]);
  });
});
