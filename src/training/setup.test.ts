import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseModelConfig } from "../config/model.ts";
import { Recording } from "../data/recording.ts";
import { writeRecording } from "../data/recording-files.ts";
import { UserError } from "../errors.ts";
import { setNumThreads, tensorStats } from "../torch/index.ts";
import type { RunEvent } from "./events.ts";
import type { TrainOptions } from "./options.ts";
import { setUpRun } from "./setup.ts";
import { tinyModel, tinySession, tinySessions } from "./tiny-run.fake.ts";
import { train } from "./trainer.ts";

setNumThreads(1);

const MODEL = `
model_type: v1multi
frontend: { type: learnable_temporal, params: { kernel_size: 4, num_channels: 2, init_type: random } }
convnet: { type: none }
readout: { type: gaussian, params: { initial_std: 1 } }
output_activation: softplus
regularization:
  - { name: nothing, type: l1, lambda: 1e-7, apply_to: [no/such/parameter] }
`;

const DATASET = `
session_dir: sessions
sessions: [Allen_2022-02-16, Logan_2019-12-20]
data_dir: data
types: [gaborium]
keys_lags: { robs: 0, dfs: 0, stim: [0, 1, 2, 3, 4, 5] }
transforms: { stim: { source: stim, ops: [{ pixelnorm: {} }] } }
datafilters: { dfs: { ops: [{ valid_nlags: { n_lags: 5 } }] } }
train_val_split: 0.8
`;

let folder: string;
let files: TrainOptions;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "setup-"));
  mkdirSync(join(folder, "sessions"));
  writeFileSync(join(folder, "small_model.yaml"), MODEL);
  writeFileSync(join(folder, "dataset.yaml"), DATASET);
  for (const [seed, name] of ["Allen_2022-02-16", "Logan_2019-12-20"].entries()) {
    writeFileSync(join(folder, "sessions", `${name}.yaml`), "cids: [2, 0]\n");
    const source = tinySession(name, { seed }).train.recordings[0]!;
    const { length } = source;
    const perFrame = (values: (t: number) => number) =>
      ({ dtype: "float64", shape: [length], data: Float64Array.from({ length }, (_, t) => values(t)) }) as const;
    const columns = ["stim", "robs"].map((key) => [key, source.column(key)] as const);
    const extra = [
      ["trial_inds", perFrame((t) => Math.floor(t / 40))],
      ["dpi_valid", perFrame(() => 1)],
      ["t_bins", perFrame((t) => t / 240)],
    ] as const;
    writeRecording(join(folder, "data", name), new Recording("gaborium", [...columns, ...extra], {}, name));
  }
  files = {
    modelConfig: join(folder, "small_model.yaml"),
    datasetConfigsPath: join(folder, "dataset.yaml"),
    checkpointDir: join(folder, "checkpoints"),
    batchSize: 16,
    maxEpochs: 2,
    stepsPerEpoch: 3,
    precision: "32",
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("train() from files", () => {
  test("names the run after its files and settings, and continues it without them", async () => {
    const events: RunEvent[] = [];
    const { directory, epochs } = await train({ ...files, maxEpochs: 1, onEvent: (event) => events.push(event) });
    expect(directory).toBe(join(folder, "checkpoints", "small_model_ddp_bs16_ds30_lr0.0001_wd1e-05"));
    expect(epochs).toBe(1);
    expect(events.map(({ message }) => message)).toContain(
      'Regulariser "nothing" matches no parameter: apply_to is ["no/such/parameter"]',
    );
    rmSync(join(folder, "small_model.yaml"));
    rmSync(join(folder, "dataset.yaml"));
    const resumed = await train({ resume: directory, maxEpochs: 2, allowConfigChange: true });
    expect(resumed).toMatchObject({ status: "finished", epochs: 2, globalStep: 6 });
    writeFileSync(join(folder, "small_model.yaml"), MODEL);
    writeFileSync(join(folder, "dataset.yaml"), DATASET);
  });

  test("trains to the same numbers from prepared files, in memory, mapped or on the device", async () => {
    const dataCache = join(folder, "prepared");
    const scores: (number | null | undefined)[] = [];
    for (const [i, places] of [{}, { dataCache }, { dataCache }, { dataCache, dataMemory: 2 ** 30 }].entries()) {
      const notes: string[] = [];
      const onEvent = ({ message }: RunEvent) => notes.push(message);
      const options = { ...files, ...places, experimentName: `places-${i}`, onEvent };
      scores.push((await train({ ...options, dataOnDevice: i === 3 ? "always" : "auto" })).best?.valBps);
      const isMapped = notes.some((note) =>
        note.endsWith("mapped from files, as prepared sessions are kept (--data-cache)"),
      );
      expect(isMapped).toBe(i === 1 || i === 2);
    }
    expect(scores[0]).toEqual(expect.any(Number));
    expect(new Set(scores).size).toBe(1);
    expect(readdirSync(dataCache)).toHaveLength(2);
  });

  test("uses the first sessions only when told to", () => {
    const run = setUpRun({ ...files, maxDatasets: 1 });
    expect(run.sessions.map(({ name, cids }) => [name, cids])).toEqual([["Allen_2022-02-16", [2, 0]]]);
    run.twin.dispose();
  });
});

describe("setUpRun()", () => {
  const inMemory = (): TrainOptions => ({
    modelConfig: tinyModel(),
    sessions: tinySessions(),
    checkpointDir: join(folder, "never"),
    batchSize: 16,
  });

  test("validates the same samples in every epoch, spread over the sessions", () => {
    const sizes = tinySessions().map(({ val }) => val.length);
    const whole = setUpRun({ ...inMemory(), experimentName: "whole" });
    expect(whole.valBatches.reduce((sum, batch) => sum + batch.length, 0)).toBe(sizes.reduce((a, b) => a + b));
    const fifth = setUpRun({ ...inMemory(), experimentName: "fifth", limitValBatches: 0.2 });
    const plan = fifth.valBatches.flatMap((batch) => [...batch]);
    expect(plan).toHaveLength(sizes.reduce((sum, size) => sum + Math.round(size * 0.2), 0));
    expect(plan.filter((i) => i >= sizes[0]! + sizes[1]!)).toHaveLength(Math.round(sizes[2]! * 0.2));
    const two = setUpRun({ ...inMemory(), experimentName: "two", limitValBatches: 2 });
    // Two batches' worth, rounded within every session.
    const count = two.valBatches.reduce((sum, batch) => sum + batch.length, 0);
    expect(Math.abs(count - 32)).toBeLessThanOrEqual(2);
    for (const { twin } of [whole, fifth, two]) twin.dispose();
    rmSync(join(folder, "never"), { recursive: true });
  });

  test("leaves validation alone when a curriculum is on", () => {
    const plain = setUpRun({ ...inMemory(), experimentName: "plain", limitValBatches: 3 });
    const weighted = setUpRun({
      ...inMemory(),
      experimentName: "weighted",
      limitValBatches: 3,
      enableCurriculum: true,
    });
    expect(weighted.valBatches).toEqual(plain.valBatches);
    expect(weighted.sampler.next()).not.toEqual(plain.sampler.next());
    for (const { twin } of [plain, weighted]) twin.dispose();
    rmSync(join(folder, "never"), { recursive: true });
  });

  test("says which sessions have nothing to validate, and trains all the same", async () => {
    const sessions = tinySessions().map((session) => ({ ...session, val: session.val.subset([]) }));
    const messages: string[] = [];
    const { metrics } = await train({
      ...inMemory(),
      sessions,
      maxEpochs: 1,
      stepsPerEpoch: 2,
      onEvent: ({ message }) => messages.push(message),
    });
    expect(messages[0]).toBe("Session Allen_2022-02-16 has no validation samples and no part in the score");
    expect(metrics.val_bps_overall).toBe(0);
    expect(metrics).not.toHaveProperty("val_loss");
    rmSync(join(folder, "never"), { recursive: true });
  });

  test("says which sessions do not fill a batch of their own", () => {
    const large = { ...inMemory(), batchSize: 280, experimentName: "large" };
    const own = setUpRun({ ...large, homogeneousBatches: true });
    // The second session has as many samples as the first.
    expect(own.warnings.filter((warning) => warning.includes("fewer than a batch"))).toEqual([
      "Session Allen_2022-02-18 has 235 training samples, fewer than a batch of 280: its batches hold some of them more than once",
    ]);
    const mixed = setUpRun(large);
    expect(mixed.warnings.join()).not.toContain("fewer than a batch");
    for (const { twin } of [own, mixed]) twin.dispose();
    rmSync(join(folder, "never"), { recursive: true });
  });

  test("draws initial weights from the seed alone", () => {
    const weights = (seed: number) => {
      const run = setUpRun({ ...inMemory(), seed });
      const values = run.twin.stateDict().get("convnet.layers.0.shortcut.weight")!.toTypedArray();
      run.twin.dispose();
      return values;
    };
    expect(weights(4)).toEqual(weights(4));
    expect(weights(4)).not.toEqual(weights(5));
    rmSync(join(folder, "never"), { recursive: true });
  });

  test.each([
    ["no model", { modelConfig: undefined }, "Cannot train: no model configuration was given"],
    ["no sessions", { sessions: undefined }, "Cannot train: no dataset configuration was given"],
    ["a missing model file", { modelConfig: "no-such-model.yaml" }, "no-such-model.yaml"],
    ["batches larger than the data", { batchSize: 9999 }, "do not fill a batch of 9999"],
    ["a learning rate below 0", { learningRate: -1 }, "learningRate is -1"],
    [
      "a modulator for behaviour that the data do not serve",
      { modelConfig: parseModelConfig({ ...tinyModel(), modulator: { type: "film", params: { behavior_dim: 4 } } }) },
      'session "Allen_2022-02-16": modulator.type film (model config) reads behaviour, but keys_lags has no "behavior"',
    ],
    [
      "a kernel longer than the lags",
      {
        modelConfig: parseModelConfig({
          ...tinyModel(),
          frontend: { type: "learnable_temporal", params: { kernel_size: 9 } },
        }),
      },
      "frontend",
    ],
    ["a checkpoint that is not there", { resume: "nowhere/last.safetensors" }, "nowhere/last.safetensors"],
  ] satisfies [string, TrainOptions, string][])("refuses %s, before anything is written", (_, options, message) => {
    const { live } = tensorStats();
    const attempt = () => setUpRun({ ...inMemory(), ...options });
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
    expect(existsSync(join(folder, "never"))).toBe(false);
    expect(tensorStats().live).toBe(live);
  });
});
