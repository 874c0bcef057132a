/**
 * @file Point and factorised readouts and shifters, trained: from configuration to scores, stopped and resumed.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { predictSamples, scorePredictions } from "../eval/predict.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { seedDefaultGenerator, setNumThreads, tensor, tensorScope, tensorStats } from "../torch/index.ts";
import { statePath } from "./checkpoint-files.ts";
import { loadTwin } from "./model-file.ts";
import { parameterGroups } from "./optimizers.ts";
import type { TrainOptions } from "./options.ts";
import { Regularizers } from "./regularizers.ts";
import { tinyModel, tinySession } from "./tiny-run.fake.ts";
import { type TrainResult, train } from "./trainer.ts";

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "readouts-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const sessions = () => [
  tinySession("Allen_2022-02-16", { units: 3, gaze: true }),
  tinySession("Logan_2019-12-20", { units: 2, gaze: true, seed: 2 }),
];
const point = { type: "gaussian_point", params: { init_mu_range: 0.3, init_sigma: 0.2 } };
const shifter = { type: "mlp", params: { features: [0, 1], hidden_dims: [5] } };

function model(change: Record<string, unknown>): ModelConfig {
  const { regularization, ...config } = tinyModel({ dropout: 0 });
  return parseModelConfig({ ...config, ...change });
}

function run(name: string, options: TrainOptions): Promise<TrainResult> {
  return train({
    sessions: sessions(),
    checkpointDir: folder,
    experimentName: name,
    batchSize: 16,
    learningRate: 1e-2,
    maxEpochs: 2,
    stepsPerEpoch: 6,
    precision: "32",
    ...options,
  });
}

/** Bytes of all tensors of a checkpoint: parameters, moments, random states. */
function contents(path: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const file of [path, statePath(path)]) {
    const { tensors, close } = open(file);
    for (const [name, array] of tensors) found[name] = Buffer.from(array.read().data.buffer).toString("hex");
    close();
  }
  return found;
}

function open(path: string) {
  const file = openSafetensors(path);
  return { tensors: file.tensors, close: () => file.close() };
}

describe("train()", () => {
  test.each<[string, Record<string, unknown>]>([
    ["gaussian_point, one draw per sample", { readout: point, shifter }],
    ["gaussian_point, one draw per batch", { readout: { ...point, params: { ...point.params, sample: "batch" } } }],
    ["gaussian with a shifter", { shifter }],
    ["factorized", { readout: { type: "factorized", params: { normalize: true, initial_std: 2 } } }],
  ])("gives the same bits stopped and resumed as in one go, then evaluates: %s", async (name, change) => {
    const modelConfig = model(change);
    const whole = await run(`${name}, whole`, { modelConfig });
    const abort = new AbortController();
    let steps = 0;
    const parts = await run(`${name}, parts`, {
      modelConfig,
      signal: abort.signal,
      onStep: () => ++steps === 4 && abort.abort(),
    });
    expect(parts.status).toBe("interrupted");
    seedDefaultGenerator(99);
    const resumed = await train({ resume: parts.directory, sessions: sessions() });
    expect(resumed.status).toBe("finished");
    expect(contents(resumed.last)).toEqual(contents(whole.last));

    const { live } = tensorStats();
    const { twin } = loadTwin(resumed.last);
    const [first, second] = sessions();
    const scores = [];
    for (const [i, session] of [first!, second!].entries()) {
      const [once, again] = [
        await predictSamples(twin, i, session.val, { batchSize: 50 }),
        await predictSamples(twin, i, session.val, { batchSize: 7 }),
      ];
      const difference = Math.max(...once.rates.map((rate, k) => Math.abs(rate - again.rates[k]!)));
      expect(difference).toBeLessThan(1e-6);
      scores.push(...scorePredictions(once).bps);
    }
    expect(scores.every(Number.isFinite)).toBe(true);
    twin.dispose();
    expect(tensorStats().live).toBe(live);
  });

  test("learns from gaze where the image really was", async () => {
    const options = { batchSize: 64, maxEpochs: 8, stepsPerEpoch: 30, learningRate: 2e-2 };
    const data = () => [tinySession("Allen_2022-02-16", { units: 3, frames: 2000, gaze: true })];
    const trained = async (name: string, change: Record<string, unknown>) => {
      const { last, metrics } = await run(name, { ...options, sessions: data(), modelConfig: model(change) });
      return { last, bps: metrics.val_bps_overall! };
    };
    for (const readout of [point, { type: "gaussian", params: { initial_std: 1 } }]) {
      const still = await trained(`${readout.type} still`, { readout });
      const shifted = await trained(`${readout.type} shifted`, { readout, shifter });
      expect(shifted.bps).toBeGreaterThan(2 * still.bps);
      const { twin } = loadTwin(shifted.last);
      const scope = tensorScope();
      const looks = tensor([0, 0, 1, 0, 0, 1, -1, -1], [4, 2]);
      const shifts = twin.shifters![0]!.forward(looks);
      // A pixel is a quarter of the way from the middle to the edge of 9 x 9.
      const moved = Array.from(
        shifts
          .sub(shifts.slice(0, 0, 1))
          .detach()
          .div(0.25)
          .toTypedArray(),
        Number,
      );
      for (const [i, expected] of [0, 0, 1, 0, 0, 1, -1, -1].entries()) {
        expect(Math.abs(moved[i]! - expected), `${readout.type} ${moved}`).toBeLessThan(0.4);
      }
      scope[Symbol.dispose]();
      twin.dispose();
    }
  }, 60_000);

  test.each<[string, Record<string, unknown>, boolean, string]>([
    [
      "no behaviour",
      { shifter },
      false,
      'shifter.type mlp (model config) reads behaviour, but keys_lags has no "behavior"',
    ],
    [
      "too little behaviour",
      { shifter: { type: "mlp", params: { features: [40, 41] } } },
      true,
      "it serves 2 behaviour values, the shifter takes at least 42",
    ],
    [
      "other behaviour",
      { shifter: { type: "mlp", params: { behavior_dim: 3 } } },
      true,
      "it serves 2 behaviour values, the shifter takes 3",
    ],
  ])("refuses sessions with %s", async (name, change, gaze, message) => {
    const { live } = tensorStats();
    const data = [tinySession("Allen_2022-02-16", { gaze })];
    const error: unknown = await run(name, { sessions: data, modelConfig: model(change) }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toBe(`Cannot train on session "Allen_2022-02-16": ${message}`);
    expect(tensorStats().live).toBe(live);
  });
});

test("parameterGroups() counts readouts and shifters as head, and lets only their weights decay", async () => {
  const { last } = await run("groups", { modelConfig: model({ readout: point, shifter }), maxEpochs: 1 });
  const { twin } = loadTwin(last);
  const groups = parameterGroups(twin.namedParameters(), { learningRate: 1, coreLrScale: 0.5, weightDecay: 1 });
  const namesOf = (group: string) =>
    groups
      .find(({ name }) => name === group)!
      .parameters.map(({ name }) => name)
      .filter((name) => /^[a-z]+\.0\./.test(name));
  expect(namesOf("head, decayed")).toEqual([
    "readouts.0.features.weight",
    "shifters.0.mlp.0.linear.weight",
    "shifters.0.mlp.1.weight",
  ]);
  expect(namesOf("head")).toEqual([
    "readouts.0.bias",
    "readouts.0.mean",
    "readouts.0.sigma",
    "shifters.0.mlp.0.linear.bias",
    "shifters.0.mlp.1.bias",
  ]);
  twin.dispose();
});

test("Regularizers find masks by name", async () => {
  const { last } = await run("regularised", {
    modelConfig: model({ readout: { type: "factorized" } }),
    maxEpochs: 1,
  });
  const { twin } = loadTwin(last);
  using _scope = tensorScope();
  const { regularization } = parseModelConfig({
    convnet: { type: "none" },
    regularization: [{ name: "sparse", type: "l1", lambda: 2, apply_to: ["readouts/spatial"] }],
  });
  const [penalty] = new Regularizers(regularization, twin.namedParameters()).penalties(0);
  const masks = [0, 1].map((session) => twin.stateDict().get(`readouts.${session}.spatial`)!);
  const expected = masks.reduce((sum, mask) => sum + 2 * mask.abs().sum().item(), 0);
  expect(penalty!.value.item()).toBeCloseTo(expected, 4);
  twin.dispose();
});
