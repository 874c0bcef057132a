import { beforeAll, describe, expect, test } from "vitest";
import { parseModelConfig } from "../../config/model.ts";
import { buildModel } from "../../models/build.ts";
import type { GaussianReadout } from "../../models/modules/readout.ts";
import { tinyTwin } from "../../models/tiny-model.fake.ts";
import { Generator, gradientsOf, scope, setNumThreads, tensorStats, zeros } from "../../torch/index.ts";
import { type MeiOptions, synthesiseMei } from "./synthesise-mei.ts";

beforeAll(() => setNumThreads(1));

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    Array.from(x).reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

const LINEAR_INPUT = { frames: 8, height: 13, width: 11 };

/** Units that weigh pixels by a Gaussian each, and frames by a temporal kernel; nothing else. */
function linearTwin(outputActivation: string) {
  const config = parseModelConfig({
    model_type: "v1multi",
    frontend: { type: "learnable_temporal", params: { kernel_size: 5, num_channels: 3 } },
    convnet: { type: "none" },
    readout: { type: "gaussian", params: { initial_std: 1.5, initial_mean_scale: 1.5 } },
    output_activation: outputActivation,
  });
  return buildModel(config, [{ name: "a", nUnits: 4 }], { generator: new Generator(4) });
}

describe("synthesiseMei()", () => {
  test("finds the filters of linear units", async () => {
    const twin = linearTwin("softplus");
    const { meis, shape, blankRates } = await synthesiseMei(twin, 0, null, { input: LINEAR_INPUT });
    expect(shape).toEqual([1, 1, 13, 11]);
    const masks = scope(() =>
      (twin.readouts[0] as GaussianReadout).gaussianMask(13, 11).toTypedArray(),
    ) as Float32Array;
    for (const { unit, image, activation } of meis) {
      // A picture's sign is that of the temporal kernels' sum.
      expect(Math.abs(correlation(image, masks.subarray(unit * 143, (unit + 1) * 143)))).toBeGreaterThan(0.98);
      expect(activation).toBeGreaterThan(blankRates[unit]!);
    }
    twin.dispose();
  });

  test("finds the filters of linear units over frames in movies", async () => {
    const twin = linearTwin("none");
    const { meis, shape } = await synthesiseMei(twin, 0, [1], { input: LINEAR_INPUT, kind: "movie" });
    expect(shape).toEqual([1, 8, 13, 11]);
    const filter = scope(() => {
      const stimulus = zeros([1, 1, 8, 13, 11]).setRequiresGrad();
      const [rates] = twin.eval().forward([{ session: 0, stimulus, behavior: null }]);
      return gradientsOf([rates!.select(1, 1).sum()], [stimulus])[0]!.toTypedArray() as Float32Array;
    });
    expect(correlation(meis[0]!.image, filter)).toBeGreaterThan(0.98);
    twin.dispose();
  });

  const input = { frames: 9, height: 16, width: 16 };
  const quick: MeiOptions = { input, iterations: 12, kind: "movie" };

  test("raises the answers of every unit of a whole model, at the contrast asked for", async () => {
    const twin = tinyTwin();
    const { live } = tensorStats();
    const { meis, blankRates, session } = await synthesiseMei(twin, 1, null, { ...quick, rms: 0.3 });
    expect([session, meis.length, blankRates.length]).toEqual(["b", 5, 5]);
    for (const { unit, image, activation, trace, stopped } of meis) {
      expect(activation).toBeGreaterThan(trace[0]!);
      expect(activation).toBeGreaterThan(blankRates[unit]!);
      expect([trace.length, stopped]).toEqual([12, null]);
      expect(Math.hypot(...image) / Math.sqrt(image.length)).toBeCloseTo(0.3, 5);
    }
    expect(tensorStats().live).toBe(live);
    expect(twin.training).toBe(true);
    twin.dispose();
  });

  test("gives a unit the same input whatever else is made, and by its seed", async () => {
    const twin = tinyTwin();
    // Few steps: differences in rounding grow where a maximum is taken.
    const few = { ...quick, iterations: 6 };
    const all = await synthesiseMei(twin, 1, null, { ...few, batchSize: 2 });
    const one = await synthesiseMei(twin, 1, [3], few);
    expect(correlation(one.meis[0]!.image, all.meis[3]!.image)).toBeGreaterThan(0.9999);
    const other = await synthesiseMei(twin, 1, [3], { ...few, seed: 1 });
    expect(correlation(one.meis[0]!.image, other.meis[0]!.image)).toBeLessThan(0.99);
    twin.dispose();
  });

  test("takes the best of several starts", async () => {
    const twin = tinyTwin();
    const { meis } = await synthesiseMei(twin, 0, [0, 2], { ...quick, starts: 3 });
    for (const { activation, startActivations } of meis) {
      expect(new Set(startActivations).size).toBe(3);
      expect(activation).toBe(Math.max(...startActivations));
    }
    twin.dispose();
  });

  test("keeps the range, and lets images be jittered and blurred", async () => {
    const twin = tinyTwin();
    const options: MeiOptions = { ...quick, kind: "image", range: [-0.1, 0.1], jitter: 2, blur: [2, 2] };
    const { meis } = await synthesiseMei(twin, 0, [0], options);
    expect(meis[0]!.image).toHaveLength(256);
    expect(Math.max(...meis[0]!.image.map(Math.abs))).toBeCloseTo(0.1, 6);
    twin.dispose();
  });

  test("tells the twin the behaviour it is given, and zeros otherwise", async () => {
    const modulator = {
      type: "film",
      params: { behavior_dim: 2, feature_dim: 4, encoder_params: { type: "mlp", dims: [4, 4] } },
    };
    const twin = tinyTwin("fast", { modulator });
    const rates = async (behavior?: Float32Array) => {
      const { meis } = await synthesiseMei(twin, 0, null, { ...quick, iterations: 1, behavior });
      return meis.map(({ activation }) => activation);
    };
    const still = await rates();
    expect(await rates(Float32Array.of(0, 0))).toEqual(still);
    expect(await rates(Float32Array.of(3, -2))).not.toEqual(still);
    expect(twin.allowMissing).toBe(false);
    twin.dispose();
  });

  test("stops when it is told to, and reports its progress", async () => {
    const twin = tinyTwin();
    const parts: number[] = [];
    const stop = new AbortController();
    const told = (part: number) => {
      parts.push(part);
      if (part >= 0.5) stop.abort(new Error("enough"));
    };
    const options = { ...quick, batchSize: 1, onProgress: told, signal: stop.signal };
    const { live } = tensorStats();
    await expect(synthesiseMei(twin, 0, [0, 1], options)).rejects.toThrow("enough");
    expect(parts.at(-1)).toBe(0.5);
    expect(parts).toEqual(parts.toSorted((a, b) => a - b));
    expect(tensorStats().live).toBe(live);
    expect([twin.training, twin.allowMissing]).toEqual([true, false]);
    twin.dispose();
  });

  test.each<[string, number, number[], Partial<MeiOptions>, string]>([
    ["a session", 7, [0], {}, "the twin has no session 7, it has 3"],
    ["a unit", 1, [5], {}, 'session "b" has 5 units, there is no unit 5'],
    ["no iterations", 1, [0], { iterations: 0 }, "iterations is 0, expected a whole number above 0"],
    ["no contrast", 1, [0], { rms: 0 }, "expected an RMS above 0, found 0"],
  ])("refuses %s that it cannot use", async (_, session, units, options, message) => {
    const twin = tinyTwin();
    await expect(synthesiseMei(twin, session, units, { ...quick, ...options })).rejects.toThrow(message);
    twin.dispose();
  });
});
