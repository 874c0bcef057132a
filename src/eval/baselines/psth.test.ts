import { describe, expect, test } from "vitest";
import { bitsPerSpike } from "../bps.ts";
import { baselinePredictions } from "./baseline.ts";
import { fitMeanRate } from "./mean-rate.ts";
import { drawCounts, noiseMovie, pearson, plantedRecording, samplesOf } from "./planted.fake.ts";
import { fitPsth } from "./psth.ts";

const [TRIALS, BINS, UNITS] = [40, 30, 2];
const shape = { frames: TRIALS * BINS, height: 2, width: 2 };
const rateAt = (bin: number, unit: number) => 0.4 + 1.2 * Math.max(0, Math.sin((2 * Math.PI * bin) / 15 + unit));
const counts = drawCounts(shape.frames, UNITS, (frame, unit) => rateAt(frame % BINS, unit));
const bins = Float64Array.from({ length: shape.frames }, (_, frame) => frame % BINS);
const recording = plantedRecording(shape, noiseMovie(shape), counts, {
  psth_inds: { dtype: "float64", shape: [shape.frames], data: bins },
});
const train = samplesOf([recording], [[0, 0, 30 * BINS]], 1);
const held = samplesOf([recording], [[0, 30 * BINS, 40 * BINS]], 1);

describe("fitPsth()", () => {
  test("predicts held-out repeats by the shrunk average over training repeats", async () => {
    const baseline = fitPsth(train);
    const rates = await baseline.predict(held);
    const [mean] = fitMeanRate(train).rates;
    const kappa = baseline.shrinkage[0]!;
    for (const bin of [0, 7, 29]) {
      let sum = 0;
      for (let trial = 0; trial < 30; trial++) sum += counts[(trial * BINS + bin) * UNITS]!;
      expect(rates[(3 * BINS + bin) * UNITS]).toBeCloseTo((sum + kappa * mean!) / (30 + kappa), 5);
    }
    const truth = Array.from({ length: held.length }, (_, i) => rateAt(i % BINS, 0));
    expect(
      pearson(
        rates.filter((_, i) => i % UNITS === 0),
        truth,
      ),
    ).toBeGreaterThan(0.95);
  });

  test("leaves a training sample out of its own prediction", async () => {
    const baseline = fitPsth(train);
    const rates = await baseline.predict(train);
    const [mean] = fitMeanRate(train).rates;
    const kappa = baseline.shrinkage[0]!;
    const [bin, own] = [5, 12];
    let sum = 0;
    for (let trial = 0; trial < 30; trial++) if (trial !== own) sum += counts[(trial * BINS + bin) * UNITS]!;
    expect(rates[(own * BINS + bin) * UNITS]).toBeCloseTo((sum + kappa * mean!) / (29 + kappa), 5);
  });

  test("scores above the mean rate where responses are locked to the stimulus, and like it where they are not", async () => {
    const scores = bitsPerSpike(await baselinePredictions(fitPsth(train), held));
    for (const score of scores) expect(score).toBeGreaterThan(0.1);
    const flat = plantedRecording(
      shape,
      noiseMovie(shape),
      drawCounts(shape.frames, UNITS, () => 0.5),
      {
        psth_inds: { dtype: "float64", shape: [shape.frames], data: bins },
      },
    );
    const baseline = fitPsth(samplesOf([flat], [[0, 0, 30 * BINS]], 1));
    const unlocked = await baselinePredictions(baseline, samplesOf([flat], [[0, 30 * BINS, 40 * BINS]], 1));
    for (const score of bitsPerSpike(unlocked)) expect(Math.abs(score)).toBeLessThan(0.02);
    expect(Math.min(...baseline.shrinkage)).toBeGreaterThan(Math.max(...fitPsth(train).shrinkage));
  });

  test("gives the mean rate to frames that training never showed, and to other types", async () => {
    const other = plantedRecording(shape, noiseMovie(shape), counts, {
      psth_inds: { dtype: "float64", shape: [shape.frames], data: bins.map((bin) => bin + 1000) },
    });
    const rates = await fitPsth(train).predict(samplesOf([other], [[0, 0, 10]], 1));
    expect(new Set(rates.filter((_, i) => i % UNITS === 0)).size).toBe(1);
    expect(rates[0]).toBeCloseTo(fitMeanRate(train).rates[0]!, 6);
  });

  test("looks at the types that have repeats only", async () => {
    const other = plantedRecording(shape, noiseMovie(shape), counts, {}, "free viewing");
    const both = samplesOf(
      [other, recording],
      [
        [0, 0, 50],
        [1, 0, 30 * BINS],
      ],
      1,
    );
    const rates = await fitPsth(both).predict(
      samplesOf(
        [other, recording],
        [
          [1, 30 * BINS, 40 * BINS],
          [0, 0, 5],
        ],
        1,
      ),
    );
    expect(rates.subarray(0, held.length * UNITS)).toEqual(await fitPsth(train).predict(held));
    expect(rates.at(-UNITS)).toBeCloseTo(fitMeanRate(train).rates[0]!, 6);
  });

  test("says so when nothing is repeated, and when the key is not kept", () => {
    expect(() => fitPsth(samplesOf([recording], [[0, 0, BINS]], 1))).toThrow("no training sample has another repeat");
    expect(() => fitPsth(train, { repeatKeys: ["image"] })).toThrow("no training sample has another repeat");
  });
});
