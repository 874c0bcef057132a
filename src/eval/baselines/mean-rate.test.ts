import { describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { bitsPerSpike } from "../bps.ts";
import { baselinePredictions } from "./baseline.ts";
import { fitMeanRate } from "./mean-rate.ts";
import { drawCounts, noiseMovie, plantedRecording, samplesOf } from "./planted.fake.ts";

const shape = { frames: 60, height: 2, width: 2 };
const movie = noiseMovie(shape);
const counts = drawCounts(60, 2, (_, unit) => 0.5 + unit);

describe("fitMeanRate()", () => {
  test("predicts the mean of the valid training samples", async () => {
    const dfs = Uint8Array.from({ length: 120 }, (_, i) => Number(i % 3 > 0));
    const recording = plantedRecording(shape, movie, counts, { dfs: { dtype: "uint8", shape: [60, 2], data: dfs } });
    const baseline = fitMeanRate(samplesOf([recording], [[0, 0, 40]], 1));
    const expected = [0, 1].map((unit) => {
      const valid = [...Array(40).keys()].map((t) => 2 * t + unit).filter((i) => dfs[i] === 1);
      return valid.reduce((sum, i) => sum + counts[i]!, 0) / valid.length;
    });
    expect([...baseline.rates]).toEqual(expected.map((rate) => expect.closeTo(rate, 12)));
    const held = samplesOf([recording], [[0, 40, 60]], 1);
    const predictions = await baselinePredictions(baseline, held);
    expect(predictions).toMatchObject({ session: "Planted_2020-01-01", samples: 20, units: 2, trueRates: null });
    expect([...predictions.rates.subarray(38)]).toEqual(expected.map((rate) => expect.closeTo(rate, 6)));
    expect(predictions.robs).toEqual(held.serve([...Array(20).keys()]).robs!.data);
    expect([...predictions.dfs]).toEqual([...dfs.subarray(80)]);
  });

  test("scores 0 bits per spike on the samples that it was fitted on", async () => {
    const train = samplesOf([plantedRecording(shape, movie, counts)], [[0, 0, 60]], 1);
    for (const score of bitsPerSpike(await baselinePredictions(fitMeanRate(train), train))) {
      expect(score).toBeCloseTo(0, 6);
    }
  });

  test("has no rate for a unit without valid samples", () => {
    const dfs = Uint8Array.from({ length: 120 }, (_, i) => i % 2);
    const recording = plantedRecording(shape, movie, counts, { dfs: { dtype: "uint8", shape: [60, 2], data: dfs } });
    expect([...fitMeanRate(samplesOf([recording], [[0, 0, 60]], 1)).rates]).toEqual([Number.NaN, expect.any(Number)]);
  });

  test("keeps the true rates of synthetic units", async () => {
    const data = Float32Array.from({ length: 120 }, (_, i) => i / 100);
    const recording = plantedRecording(shape, movie, counts, {
      true_rates: { dtype: "float32", shape: [60, 2], data },
    });
    const baseline = fitMeanRate(samplesOf([recording], [[0, 0, 40]], 1));
    const { trueRates } = await baselinePredictions(baseline, samplesOf([recording], [[0, 40, 60]], 1));
    expect(trueRates).toEqual(data.subarray(80));
  });

  test("refuses other units and other sessions", async () => {
    const baseline = fitMeanRate(samplesOf([plantedRecording(shape, movie, counts)], [[0, 0, 60]], 1));
    const fewer = samplesOf([plantedRecording(shape, movie, counts.subarray(0, 60))], [[0, 0, 60]], 1);
    const failure = baseline.predict(fewer);
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow("it has 1 units, the baseline was fitted on 2");
    const other = samplesOf([plantedRecording(shape, movie, counts)], [[0, 0, 60]], 1);
    const renamed = Object.assign(Object.create(Object.getPrototypeOf(other)), other, { session: "Other" });
    await expect(baseline.predict(renamed)).rejects.toThrow('the baseline was fitted on session "Planted_2020-01-01"');
  });
});
