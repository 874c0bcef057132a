import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BatchLoader } from "../data/loader.ts";
import { validationBatches, validationPlan } from "../data/samplers.ts";
import { UserError } from "../errors.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { setNumThreads, tensorStats } from "../torch/index.ts";
import { statePath } from "./checkpoint-files.ts";
import type { EpochEvent, RunEvent, StepEvent } from "./events.ts";
import { loadTwin } from "./model-file.ts";
import type { TrainOptions } from "./options.ts";
import { tinyModel, tinySession, tinySessions } from "./tiny-run.fake.ts";
import type { MetricRecord } from "./tracker.ts";
import { type TrainResult, train } from "./trainer.ts";
import { validate } from "./validate.ts";

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "numerics-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const settings: TrainOptions = {
  batchSize: 16,
  learningRate: 1e-2,
  maxEpochs: 2,
  stepsPerEpoch: 7,
  accumulateGradBatches: 2,
  precision: "32",
};

interface Observed {
  result: TrainResult;
  records: MetricRecord[];
  steps: StepEvent[];
  epochs: EpochEvent[];
  events: RunEvent[];
}

async function observe(experimentName: string, options: TrainOptions = {}): Promise<Observed> {
  const observed = { records: [], steps: [], epochs: [], events: [] } as Omit<Observed, "result">;
  const result = await train({
    ...settings,
    modelConfig: options.resume === undefined ? tinyModel() : undefined,
    sessions: tinySessions(),
    checkpointDir: folder,
    experimentName,
    trackers: [{ start: () => {}, log: (record) => void observed.records.push(record), finish: () => {} }],
    onStep: (event) => void observed.steps.push(event),
    onEpoch: (event) => void observed.epochs.push(event),
    onEvent: (event) => void observed.events.push(event),
    ...options,
  });
  return { result, ...observed };
}

/** Tensors of a file by name. */
function tensors(path: string): Map<string, number[]> {
  const file = openSafetensors(path);
  const read = new Map([...file.tensors].map(([name, array]) => [name, Array.from(array.read().data, Number)]));
  file.close();
  return read;
}

describe("train({ readEvery })", () => {
  const long: TrainOptions = { batchSize: 4, stepsPerEpoch: 55, accumulateGradBatches: 1 };
  /** Everything but the clock. */
  const told = ({ records, steps, epochs }: Observed) => ({
    records,
    steps,
    epochs: epochs.map(({ seconds: _, saved: __, ...event }) => event),
  });

  test("reports and logs the same, whenever it reads", async () => {
    const [often, seldom] = [
      await observe("often", { ...long, readEvery: 2 }),
      await observe("seldom", { ...long, readEvery: 16 }),
    ];
    expect(told(seldom)).toEqual(told(often));
    expect(seldom.records.filter((record) => "train_loss_step" in record)).toHaveLength(2);
    expect(tensors(seldom.result.last)).toEqual(tensors(often.result.last));
    expect(tensors(statePath(seldom.result.last))).toEqual(tensors(statePath(often.result.last)));
  });

  test("does what reading at once does, but for rounding", async () => {
    const [once, later] = [await observe("once"), await observe("later", { readEvery: 5 })];
    expect(later.steps.map(({ globalStep }) => globalStep)).toEqual(once.steps.map(({ globalStep }) => globalStep));
    for (const [i, { loss, gradNorm }] of once.steps.entries()) {
      expect(later.steps[i]!.loss).toBeCloseTo(loss, 4);
      if (gradNorm !== null) expect(later.steps[i]!.gradNorm).toBeCloseTo(gradNorm, 3);
    }
    expect(later.result.metrics.val_loss).toBeCloseTo(once.result.metrics.val_loss!, 4);
  });

  test("writes checkpoints at the same steps", async () => {
    const saves = async (name: string, readEvery: number) => {
      const steps: number[] = [];
      let done = 0;
      await observe(name, {
        readEvery,
        checkpointEvery: 3,
        maxEpochs: 1,
        onStep: ({ globalStep }) => {
          done = globalStep;
        },
        onEvent: ({ type }) => type === "checkpoint" && steps.push(done),
      });
      return steps;
    };
    const [every, seldom] = [await saves("saves-1", 1), await saves("saves-16", 16)];
    expect(every).toHaveLength(3);
    expect(seldom).toHaveLength(3);
  });

  test("gives the same bits stopped and resumed", async () => {
    const options = { readEvery: 5 };
    const whole = await observe("whole", options);
    const abort = new AbortController();
    let done = 0;
    const onStep = () => void (++done === 4 && abort.abort());
    const part = await observe("part", { ...options, onStep, signal: abort.signal });
    expect(part.result.status).toBe("interrupted");
    const rest = await observe("part", { ...options, resume: part.result.directory });
    expect([...part.records, ...rest.records]).toEqual(whole.records);
    expect(tensors(rest.result.last)).toEqual(tensors(whole.result.last));
    expect(tensors(statePath(rest.result.last))).toEqual(tensors(statePath(whole.result.last)));
  });

  test("drops what is not finite, says where, and frees everything", async () => {
    const { live } = tensorStats();
    const sessions = tinySessions();
    sessions[1]!.train.recordings[0]!.floats("robs").data.fill(Number.NaN, 0, 300);
    const { result, events, records } = await observe("dropped", { sessions, readEvery: 5, maxEpochs: 1 });
    expect(result).toMatchObject({ status: "finished", skippedUpdates: 0 });
    expect(result.droppedLosses).toBeGreaterThan(2);
    const warning = events.find(({ type }) => type === "warning")!.message;
    expect(warning).toMatch(/^The loss of session Logan_2019-12-20 is NaN in epoch 0, batch \d: it has no part/);
    expect(records.at(-1)).toMatchObject({ dropped_losses: result.droppedLosses });
    expect(tensorStats().live).toBe(live);
  });
});

describe("train({ optimizer: 'schedule_free' })", () => {
  const { regularization, ...model } = tinyModel({ dropout: 0 });
  const modelConfig = { ...model, regularization: regularization.filter(({ type }) => type !== "proximal_l1") };
  const options: TrainOptions = { optimizer: "schedule_free", modelConfig };

  test("learns, and validates and saves the means", async () => {
    const { epochs, result, records } = await observe("schedule-free", {
      ...options,
      maxEpochs: 4,
      stepsPerEpoch: 30,
      learningRate: 3e-2,
      accumulateGradBatches: 1,
    });
    expect(epochs.at(-1)!.metrics.val_loss).toBeLessThan(epochs[0]!.metrics.val_loss!);
    expect(Object.keys(records[0]!)).toContain("lr-AdamWScheduleFree/pg1");
    const state = tensors(statePath(result.last));
    const saved = tensors(result.last);
    const name = "readouts.0.bias";
    const [y, z] = [state.get(`y.${name}`)!, state.get(`z.${name}`)!];
    const means = y.map((value, i) => value + (1 - 1 / 0.9) * (z[i]! - value));
    expect(saved.get(name)).toEqual(means.map((mean) => expect.closeTo(mean, 5)));
    expect(saved.get(name)).not.toEqual(y);
    expect(state.get("schedule_free.0")![0]).toBe(120);
    // The score that is logged is that of the weights that are saved.
    const { twin } = loadTwin(result.last);
    const sets = tinySessions().map(({ val }) => val);
    const loader = new BatchLoader(sets);
    const plan = validationBatches(
      validationPlan(
        sets.map(({ length }) => length),
        { fraction: 1 },
      ),
      16,
    );
    const metrics = await validate(twin, loader, plan, { logInput: false, precision: "32", device: "cpu" });
    expect(metrics!.val_loss).toBeCloseTo(result.metrics.val_loss!, 6);
    loader.dispose();
    twin.dispose();
  });

  test("refuses proximal L1, a schedule, and a change of optimiser on resume", async () => {
    const { live } = tensorStats();
    await expect(observe("proximal", { ...options, modelConfig: tinyModel() })).rejects.toThrow(
      'Cannot train with optimizer schedule_free: regulariser "shrink" is of type proximal_l1',
    );
    await expect(observe("scheduled", { ...options, lrScheduler: "cosine" })).rejects.toThrow(UserError);
    expect(readdirSync(folder)).not.toContain("proximal");
    const { result } = await observe("changed", { ...options, maxEpochs: 1 });
    await expect(observe("changed", { resume: result.last, optimizer: "adamw" })).rejects.toThrow(
      "optimizer is adamw, the checkpoint had schedule_free",
    );
    expect(tensorStats().live).toBe(live);
  });
});

describe("train({ precision: '16-mixed' })", () => {
  test("trains, logs the scale of the loss, and notes overflows without a warning", async () => {
    const { result, records, events } = await observe("half", {
      precision: "16-mixed",
      stepsPerEpoch: 60,
      maxEpochs: 1,
      accumulateGradBatches: 1,
    });
    expect(result).toMatchObject({ status: "finished", droppedLosses: 0 });
    const [step] = records.filter((record) => "train_loss_step" in record);
    const { loss_scale: scale } = step!;
    expect(Math.log2(scale!) % 1).toBe(0);
    expect(scale).toBeLessThanOrEqual(65536);
    expect(events.filter(({ type }) => type === "warning")).toEqual([]);
    const state = tensors(statePath(result.last));
    expect(state.get("loss_scale")).toEqual([65536 / 2 ** result.skippedUpdates]);
  });
});

describe("train() with numbers that stay non-finite", () => {
  test("stops after as many batches as it is told, naming samples and what is wrong", async () => {
    const sessions = [tinySession("Allen_2022-02-16")];
    const robs = sessions[0]!.train.recordings[0]!.floats("robs").data;
    const onStep = ({ batch }: StepEvent) => void (batch === 2 && robs.fill(Number.NaN));
    const failed = observe("limit", { sessions, badStepLimit: 3, stepsPerEpoch: 20, onStep });
    await expect(failed).rejects.toThrow(UserError);
    await expect(failed).rejects.toThrow(
      /^Training stopped: no loss was finite in 3 batches in a row, last Allen_2022-02-16 \(loss NaN\)\. The model's outputs are finite, the loss of Allen_2022-02-16 is not: look at its counts \(robs\) and mask \(dfs\)\. The batch's samples, by session: Allen_2022-02-16 \d+, .* and 8 more$/,
    );
  });

  test("counts updates that were left out, and names the gradient", async () => {
    const sessions = [tinySession("Allen_2022-02-16")];
    const robs = sessions[0]!.train.recordings[0]!.floats("robs").data;
    const onStep = ({ batch }: StepEvent) => void (batch === 2 && robs.fill(1e30));
    const warnings: string[] = [];
    const failed = observe("gradients", {
      sessions,
      badStepLimit: 4,
      accumulateGradBatches: 1,
      stepsPerEpoch: 20,
      onStep,
      onEvent: ({ type, message }) => type === "warning" && warnings.push(message),
    });
    await expect(failed).rejects.toThrow(
      /^Training stopped: the norm of the gradients was (Infinity|NaN) in 4 updates/,
    );
    await expect(failed).rejects.toThrow("All gradients are finite, but too large for their norm");
    expect(warnings.filter((text) => text.includes("that step is left out"))).toHaveLength(4);
  });
});
