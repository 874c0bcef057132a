import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseModelConfig } from "../config/model.ts";
import { UserError } from "../errors.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { seedDefaultGenerator, setNumThreads, tensorStats } from "../torch/index.ts";
import { statePath } from "./checkpoint-files.ts";
import type { TrainOptions } from "./options.ts";
import { tinyModel, tinySession, tinySessions } from "./tiny-run.fake.ts";
import type { MetricRecord } from "./tracker.ts";
import { type TrainResult, train } from "./trainer.ts";

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "resume-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const settings: TrainOptions = {
  batchSize: 16,
  learningRate: 1e-2,
  maxEpochs: 3,
  stepsPerEpoch: 7,
  accumulateGradBatches: 2,
  lrScheduler: "plateau",
  earlyStoppingPatience: 9,
  precision: "32",
};

/** Proximal L1 goes by AdamW's step sizes. */
const scheduleFree: TrainOptions = {
  optimizer: "schedule_free",
  lrScheduler: "none",
  modelConfig: { ...tinyModel(), regularization: tinyModel().regularization.filter(({ name }) => name !== "shrink") },
};

interface Recorded {
  result: TrainResult;
  /** What trackers were told. */
  records: MetricRecord[];
}

async function run(options: TrainOptions): Promise<Recorded> {
  const records: MetricRecord[] = [];
  const tracker = { start: () => {}, log: (record: MetricRecord) => void records.push(record), finish: () => {} };
  const result = await train({ sessions: tinySessions(), checkpointDir: folder, trackers: [tracker], ...options });
  return { result, records };
}

/** A run that is stopped when it has done so many batches. */
function stopped(batches: number, options: TrainOptions): Promise<Recorded> {
  const abort = new AbortController();
  let done = 0;
  const onStep = () => {
    if (++done === batches) abort.abort();
  };
  if (batches === 0) abort.abort();
  return run({ ...options, onStep, signal: abort.signal });
}

/** Everything in a checkpoint's files that is not about the clock. */
function contents(path: string): Record<string, unknown> {
  const read = (file: string) => {
    const opened = openSafetensors(file);
    const tensors = [...opened.tensors].map(([name, array]) => [
      name,
      Buffer.from(array.read().data.buffer).toString("hex"),
    ]);
    const { metadata } = opened;
    opened.close();
    return { tensors: Object.fromEntries(tensors), metadata };
  };
  const twin = read(path);
  const state = read(statePath(path));
  const { run: counters } = JSON.parse(state.metadata.visioncore_state!);
  const { epoch, global_step, metrics } = JSON.parse(twin.metadata.visioncore!);
  return {
    parameters: twin.tensors,
    moments: state.tensors,
    counters: { ...counters, secondsSpent: 0 },
    info: { epoch, global_step, metrics },
  };
}

describe("train({ resume })", () => {
  let fresh = 0;

  /** Compares an uninterrupted run with one that stops after each of these numbers of batches. */
  async function expectSame(stops: readonly number[], options: TrainOptions = {}): Promise<void> {
    const common = { ...settings, modelConfig: tinyModel(), ...options };
    const name = `run${fresh++}`;
    const whole = await run({ ...common, experimentName: `${name}-whole` });
    const parts = [await stopped(stops[0]!, { ...common, experimentName: `${name}-parts` })];
    const { directory } = parts[0]!.result;
    for (const batches of stops.slice(1)) {
      // Whatever happens between the processes must not matter.
      seedDefaultGenerator(99);
      parts.push(await stopped(batches, { resume: directory }));
    }
    expect(parts.map(({ result }) => result.status)).toEqual(stops.map(() => "interrupted"));
    seedDefaultGenerator(77);
    parts.push(await run({ resume: directory }));

    const last = parts.at(-1)!.result;
    expect(last).toMatchObject({
      status: whole.result.status,
      epochs: whole.result.epochs,
      globalStep: whole.result.globalStep,
    });
    expect(contents(last.last)).toEqual(contents(whole.result.last));
    expect(readdirSync(directory).sort()).toEqual(readdirSync(whole.result.directory).sort());
    expect(parts.flatMap(({ records }) => records)).toEqual(whole.records);
  }

  test("gives the same bits as an uninterrupted run, stopped in the middle of an epoch", () => expectSame([4]));
  test("... in the middle of an accumulation window", () => expectSame([9]));
  test("... after the last batch of an epoch, before its validation", () => expectSame([7]));
  test("... before the first batch", () => expectSame([0]));
  test("... again and again", () => expectSame([2, 6, 7, 3]));
  test("... with one session per batch and a schedule", () =>
    expectSame([8, 5], { homogeneousBatches: true, lrScheduler: "cosine_warmup_restart", warmupEpochs: 1 }));
  test("... while a curriculum warms up, sessions drawn alike", () =>
    expectSame([3, 12], { enableCurriculum: true, curriculumWarmupSteps: 7, balance: "sessions" }));
  test("... before and after the end of a curriculum over all samples", () =>
    expectSame([2, 9], { enableCurriculum: true, curriculumWarmupSteps: 5 }));
  test("... and of one with one session per batch", () =>
    expectSame([2, 9], { enableCurriculum: true, curriculumWarmupSteps: 5, homogeneousBatches: true }));
  test("... with long epochs and records of steps in between", () =>
    expectSame([55], { batchSize: 4, stepsPerEpoch: 60, maxEpochs: 2, accumulateGradBatches: 1 }));

  test.each([
    ["16-mixed, with the state of its loss scaling", { precision: "16-mixed" as const }],
    ["bf16-mixed", { precision: "bf16-mixed" as const }],
  ])("... in %s", (_, options) => expectSame([4, 7], options));
  test("... with schedule-free AdamW, whose checkpoints hold means", () =>
    expectSame([4, 9, 2], { ...scheduleFree, optimizerWarmupSteps: 5 }));
  test("... with schedule-free AdamW and checkpoints in between", () =>
    expectSame([9], { ...scheduleFree, checkpointEvery: 2 }));

  test("continues after an epoch that was not the last", async () => {
    const common = { ...settings, modelConfig: tinyModel() };
    const whole = await run({ ...common, experimentName: "epochs-whole" });
    const abort = new AbortController();
    const onEpoch = () => abort.abort();
    const { result } = await run({ ...common, experimentName: "epochs-parts", onEpoch, signal: abort.signal });
    expect(result).toMatchObject({ status: "interrupted", epochs: 1 });
    const resumed = await run({ resume: result.last });
    expect(contents(resumed.result.last)).toEqual(contents(whole.result.last));
  });

  test("continues from an earlier epoch's checkpoint into another folder", async () => {
    const whole = await run({ ...settings, modelConfig: tinyModel(), experimentName: "branch-whole" });
    const first = readdirSync(whole.result.directory).find((file) => /^epoch=00.*\d\.safetensors$/.test(file))!;
    const resumed = await run({ resume: join(whole.result.directory, first), experimentName: "branch" });
    expect(resumed.result.directory).toBe(join(folder, "branch"));
    const [a, b] = [contents(resumed.result.last), contents(whole.result.last)];
    expect(a.parameters).toEqual(b.parameters);
    expect(a.moments).toEqual(b.moments);
    expect(readdirSync(resumed.result.directory).filter((file) => file.startsWith("epoch"))).toHaveLength(4);
  });

  test("does not go on after early stopping", async () => {
    const options = {
      ...settings,
      modelConfig: tinyModel(),
      learningRate: 1e-30,
      earlyStoppingPatience: 1,
      maxEpochs: 9,
    };
    const { result } = await run({ ...options, experimentName: "early" });
    expect(result).toMatchObject({ status: "early_stopped", epochs: 2 });
    const resumed = await run({ resume: result.directory });
    expect(resumed.result).toMatchObject({ status: "early_stopped", epochs: 2, metrics: result.metrics });
  });

  test("does nothing when the run is complete, and goes on when it is made longer", async () => {
    const { result } = await run({ ...settings, modelConfig: tinyModel(), experimentName: "longer", maxEpochs: 1 });
    const before = contents(result.last);
    const same = await run({ resume: result.directory });
    expect(same.result).toMatchObject({ status: "finished", epochs: 1, globalStep: 4 });
    expect(contents(result.last)).toEqual(before);
    const longer = await run({ resume: result.directory, maxEpochs: 2, allowConfigChange: true });
    expect(longer.result).toMatchObject({ status: "finished", epochs: 2, globalStep: 8 });
  });

  describe("refuses", () => {
    let directory: string;
    beforeAll(async () => {
      const { result } = await stopped(4, { ...settings, modelConfig: tinyModel(), experimentName: "refusals" });
      directory = result.directory;
    });

    async function refusal(options: TrainOptions): Promise<string> {
      const { live } = tensorStats();
      const error: unknown = await run({ resume: directory, ...options }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(UserError);
      expect(tensorStats().live).toBe(live);
      return (error as UserError).message;
    }

    test("other settings, naming both values", async () => {
      expect(await refusal({ learningRate: 0.5, maxEpochs: 3 })).toBe(
        `Cannot resume from "${directory}/last.safetensors" with another configuration:\n  learningRate is 0.5, the checkpoint had 0.01`,
      );
    });

    test("another model, listing what does not fit", async () => {
      const modelConfig = parseModelConfig({ ...tinyModel(), convnet: { type: "none" } });
      expect(await refusal({ modelConfig })).toMatch(/:\n {2}model\.convnet\.type is none, the checkpoint had resnet$/);
      const message = await refusal({ modelConfig, allowConfigChange: true });
      expect(message).toContain(`Cannot load "${directory}/last.safetensors" into this model: `);
      expect(message).toContain("5 unexpected (convnet.layers.0.main_block.components.conv.conv.weight, ");
      expect(message).toContain("readouts.0.features.weight: [3, 8, 1, 1] in the file, [3, 2, 1, 1] in the model");
    });

    test("other units, even when there are as many", async () => {
      const [first, ...others] = tinySessions();
      const message = await refusal({ sessions: [{ ...first!, cids: [0, 10, 21] }, ...others] });
      expect(message).toContain(
        "session 1 was Allen_2022-02-16 with units 0, 10, 20, now it is Allen_2022-02-16 with units 0, 10, 21",
      );
    });

    test("other lags, naming those it was trained with", async () => {
      const [first, ...others] = tinySessions();
      const lags = { ...first!.config.keys_lags, stim: [0, 1, 2, 3, 5, 4] };
      const message = await refusal({ sessions: [{ ...first!, train: first!.train.withLags(lags) }, ...others] });
      expect(message).toContain("it has stim at lags 0, 1, 2, 3, 5, 4, the file expects lags 0, 1, 2, 3, 4, 5");
    });

    test("fewer sessions", async () => {
      const message = await refusal({ sessions: tinySessions().slice(0, 2) });
      expect(message).toContain("session 3 was Allen_2022-02-18 with units 0, 10, 20, 30, now it is absent");
    });

    test("data that have changed", async () => {
      const [, ...others] = tinySessions();
      const changed = tinySession("Allen_2022-02-16");
      changed.train.recordings[0]!.floats("robs").data[100]! += 1;
      const message = await refusal({ sessions: [changed, ...others] });
      expect(message).toContain("the data of Allen_2022-02-16 are not those it was trained on");
    });

    test("a checkpoint without its training state", async () => {
      const alone = join(folder, "alone");
      mkdirSync(alone);
      copyFileSync(join(directory, "last.safetensors"), join(alone, "last.safetensors"));
      expect(await refusal({ resume: alone })).toBe(
        `Cannot resume from "${alone}/last.safetensors": there is no "${alone}/last.state.safetensors"`,
      );
    });

    test("a training state that belongs to another checkpoint", async () => {
      const mixed = join(folder, "mixed");
      mkdirSync(mixed);
      const { result } = await stopped(2, { ...settings, modelConfig: tinyModel(), experimentName: "other" });
      copyFileSync(join(directory, "last.safetensors"), join(mixed, "last.safetensors"));
      copyFileSync(statePath(result.last), join(mixed, "last.state.safetensors"));
      expect(await refusal({ resume: mixed })).toContain("was saved with another checkpoint");
    });

    test("to start a new run over an old one", async () => {
      const message = await refusal({
        ...settings,
        resume: undefined,
        modelConfig: tinyModel(),
        experimentName: "refusals",
      });
      expect(message).toBe(`Cannot train into "${directory}": it holds the checkpoints of another run`);
    });
  });
});
