import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { buildModel } from "../models/build.ts";
import { fromArray, Generator, noGrad, scope, setNumThreads, tensorStats } from "../torch/index.ts";
import { tinyModel, tinySession, tinySessions } from "../training/tiny-run.fake.ts";
import { bitsPerSpike } from "./bps.ts";
import { correlation } from "./correlation.ts";
import { predictSamples, scorePredictions } from "./predict.ts";

setNumThreads(1);

const sessions = tinySessions();
const twin = buildModel(
  tinyModel(),
  sessions.map(({ session, nUnits }) => ({ name: session, nUnits })),
  { generator: new Generator(0) },
);
afterAll(() => twin.dispose());

describe("predictSamples()", () => {
  test("gives the twin's rates and the set's spikes for every sample, in order", async () => {
    const { val } = sessions[1]!;
    const set = val.subset([...val.frameOf.keys()].reverse());
    const predictions = await predictSamples(twin, 1, set, { batchSize: 32 });
    expect(predictions).toMatchObject({ session: "Logan_2019-12-20", samples: set.length, units: 2, trueRates: null });
    const served = set.serve(Array.from(set.frameOf.keys()));
    expect(predictions.robs).toEqual(served.robs!.data);
    expect(predictions.dfs).toEqual(served.dfs!.data);
    const expected = noGrad(() =>
      scope(() => {
        const input = { session: 1, stimulus: fromArray(served.stim!), behavior: null };
        twin.eval();
        return twin.forward([input])[0]!.toTypedArray() as Float32Array;
      }),
    );
    expect(Array.from(predictions.rates)).toEqual(Array.from(expected, (rate) => expect.closeTo(rate, 6)));
  });

  test("does not depend on the batch size, and leaves the twin's mode and no tensors", async () => {
    const { live } = tensorStats();
    twin.train();
    const [a, b] = [
      await predictSamples(twin, 0, sessions[0]!.val),
      await predictSamples(twin, 0, sessions[0]!.val, { batchSize: 7 }),
    ];
    expect(twin.training).toBe(true);
    expect(Array.from(a.rates)).toEqual(Array.from(b.rates, (rate) => expect.closeTo(rate, 6)));
    expect(tensorStats().live).toBe(live);
  });

  test("spreads a mask of one column over the units", async () => {
    const { val } = tinySession("Allen_2022-02-16");
    const { length } = val.recordings[0]!;
    const dfs = Float32Array.from({ length }, (_, t) => t % 2);
    val.recordings[0]!.set("dfs", { dtype: "float32", shape: [length, 1], data: dfs });
    const predictions = await predictSamples(twin, 0, val);
    expect(Array.from(predictions.dfs.subarray(0, 6))).toEqual([1, 1, 1, 0, 0, 0]);
  });

  test("reports progress and stops when told to", async () => {
    const done: number[] = [];
    const abort = new AbortController();
    const onProgress = (n: number) => {
      done.push(n);
      if (n >= 40) abort.abort(new Error("enough"));
    };
    const options = { batchSize: 20, onProgress, signal: abort.signal };
    await expect(predictSamples(twin, 0, sessions[0]!.val, options)).rejects.toThrow("enough");
    expect(done).toEqual([20, 40]);
  });

  test("refuses samples of other units", async () => {
    const failure = predictSamples(twin, 1, sessions[0]!.val);
    await expect(failure).rejects.toThrow(UserError);
    await expect(failure).rejects.toThrow(
      'Cannot predict session "Allen_2022-02-16": it has 3 units, the twin\'s readout has 2',
    );
  });
});

describe("scorePredictions()", () => {
  test("scores the true rates on the same samples", async () => {
    const { val } = tinySession("Allen_2022-02-16");
    const recording = val.recordings[0]!;
    // Knowing which frames have spikes is as good as it gets for this score.
    const rates = Float32Array.from(recording.floats("robs").data, (n) => n + 0.01);
    recording.set("true_rates", { dtype: "float32", shape: [recording.length, 3], data: rates });
    const predictions = await predictSamples(twin, 0, val);
    const frames = Array.from(val.frameOf, (frame) => Array.from(rates.subarray(3 * frame, 3 * frame + 3)));
    expect(Array.from(predictions.trueRates!)).toEqual(frames.flat());
    const { bps, oracleBps } = scorePredictions(predictions);
    expect(bps).toEqual(bitsPerSpike(predictions));
    for (const [u, score] of bps.entries()) expect(oracleBps![u]).toBeGreaterThan(score + 0.5);
  });

  test("has no oracle for recorded units", async () => {
    const predictions = await predictSamples(twin, 0, sessions[0]!.val);
    expect(scorePredictions(predictions).oracleBps).toBeNull();
  });

  test("correlates predicted rates with the spikes", async () => {
    const predictions = await predictSamples(twin, 1, sessions[1]!.val);
    const scores = scorePredictions(predictions).correlation;
    expect(scores).toEqual(correlation(predictions));
    expect(scores.every((score) => Math.abs(score) < 1)).toBe(true);
    const rates = predictions.robs.map((n) => n + 1);
    expect([...scorePredictions({ ...predictions, rates }).correlation]).toEqual([
      expect.closeTo(1, 10),
      expect.closeTo(1, 10),
    ]);
  });
});
