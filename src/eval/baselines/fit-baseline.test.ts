import { describe, expect, test } from "vitest";
import { setNumThreads } from "../../torch/index.ts";
import { scorePredictions } from "../predict.ts";
import { BASELINE_KINDS, baselinePredictions } from "./baseline.ts";
import { fitBaseline } from "./fit-baseline.ts";
import { drawCounts, noiseMovie, plantedRecording, samplesOf } from "./planted.fake.ts";

setNumThreads(1);

describe("fitBaseline()", () => {
  test.each(BASELINE_KINDS)("fits %s, whose predictions every score accepts", async (kind) => {
    const shape = { frames: 600, height: 8, width: 8 };
    const counts = drawCounts(600, 2, (frame) => 0.3 + 0.3 * (frame % 2));
    const psth_inds = {
      dtype: "float64",
      shape: [600],
      data: Float64Array.from({ length: 600 }, (_, t) => t % 20),
    } as const;
    const recording = plantedRecording(shape, noiseMovie(shape), counts, { psth_inds });
    const held = samplesOf([recording], [[0, 480, 600]], 2);
    const baseline = await fitBaseline(kind, samplesOf([recording], [[0, 2, 480]], 2));
    expect(baseline).toMatchObject({ kind, session: "Planted_2020-01-01", units: 2 });
    const predictions = await baselinePredictions(baseline, held);
    expect(predictions.rates.every((rate) => rate > 0 && rate < 3)).toBe(true);
    expect(predictions.robs).toEqual(Float32Array.from(counts.subarray(960)));
    for (const bps of scorePredictions(predictions).bps) expect(Math.abs(bps)).toBeLessThan(0.5);
  });
});
