import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../formats/safetensors.ts";
import { setNumThreads, tensorStats } from "../torch/index.ts";
import { bestCheckpoint } from "./checkpoint-files.ts";
import type { EpochEvent, StepEvent } from "./events.ts";
import { loadTwin } from "./model-file.ts";
import type { TrainOptions } from "./options.ts";
import { tinyModel, tinySessions } from "./tiny-run.fake.ts";
import type { MetricRecord, Tracker } from "./tracker.ts";
import { type TrainResult, train } from "./trainer.ts";

setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trainer-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const settings: TrainOptions = {
  batchSize: 16,
  learningRate: 1e-2,
  maxEpochs: 3,
  stepsPerEpoch: 7,
  accumulateGradBatches: 2,
  lrScheduler: "cosine_warmup",
  warmupEpochs: 1,
  precision: "32",
};

function run(name: string, options: TrainOptions = {}): Promise<TrainResult> {
  return train({
    ...settings,
    modelConfig: tinyModel(),
    sessions: tinySessions(),
    checkpointDir: folder,
    experimentName: name,
    ...options,
  });
}

/** All bytes of a safetensors file's tensors by name. */
function contents(path: string): Record<string, string> {
  const file = openSafetensors(path);
  const entries = [...file.tensors].map(([name, array]) => {
    const { data } = array.read();
    return [name, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")] as const;
  });
  file.close();
  return Object.fromEntries(entries);
}

function recorder(): Tracker & { records: MetricRecord[]; calls: string[] } {
  const records: MetricRecord[] = [];
  const calls: string[] = [];
  return {
    records,
    calls,
    start: ({ name, globalStep }) => void calls.push(`start ${name} ${globalStep}`),
    log: (record) => void records.push(record),
    finish: (outcome) => void calls.push(`finish ${outcome}`),
  };
}

describe("train()", () => {
  test("lowers the loss and learns planted tuning", async () => {
    const epochs: EpochEvent[] = [];
    const result = await run("learns", {
      modelConfig: tinyModel({ dropout: 0 }),
      maxEpochs: 12,
      stepsPerEpoch: 30,
      accumulateGradBatches: 1,
      learningRate: 3e-2,
      onEpoch: (event) => epochs.push(event),
    });
    expect(result).toMatchObject({ status: "finished", epochs: 12, globalStep: 360 });
    expect(epochs.at(-1)!.metrics.train_loss_epoch).toBeLessThan(epochs[0]!.metrics.train_loss_epoch! - 0.05);
    expect(epochs.at(-1)!.metrics.val_loss).toBeLessThan(epochs[0]!.metrics.val_loss!);
    expect(result.best!.valBps).toBeGreaterThan(0.1);
  });

  test("starts every unit at its mean rate", async () => {
    const { last } = await run("rates", { maxEpochs: 1, learningRate: 1e-30 });
    const { twin } = loadTwin(last);
    const bias = twin.stateDict().get("readouts.1.bias")!.toTypedArray() as Float32Array;
    const { robs, units } = tinySessions()[1]!.train.arrays(0);
    const rate =
      Array.from(robs)
        .filter((_, i) => i % units === 1)
        .reduce((a, b) => a + b, 0) /
      (robs.length / units);
    expect(bias[1]).toBeCloseTo(Math.log(Math.expm1(rate)), 5);
    twin.dispose();
  });

  test("writes the last and the three best checkpoints, each with its training state", async () => {
    const { directory, best } = await run("files", { maxEpochs: 5 });
    const files = readdirSync(directory).sort();
    expect(files.filter((file) => file.startsWith("last"))).toEqual(["last.safetensors", "last.state.safetensors"]);
    const stems = files.filter((file) => /^epoch=\d\d-val_bps_overall=\d\.\d{4}\.safetensors$/.test(file));
    expect(stems).toHaveLength(3);
    expect(files).toHaveLength(8);
    expect(existsSync(best!.path)).toBe(true);
  });

  test("reports steps and epochs", async () => {
    const steps: StepEvent[] = [];
    const epochs: EpochEvent[] = [];
    await run("events", { maxEpochs: 2, onStep: (e) => steps.push(e), onEpoch: (e) => epochs.push(e) });
    expect(steps.map(({ epoch, batch, globalStep }) => [epoch, batch, globalStep]).slice(0, 8)).toEqual([
      [0, 0, 0],
      [0, 1, 1],
      [0, 2, 1],
      [0, 3, 2],
      [0, 4, 2],
      [0, 5, 3],
      [0, 6, 4],
      [1, 0, 4],
    ]);
    expect(steps.map(({ gradNorm }) => gradNorm === null).slice(0, 7)).toEqual([
      true,
      false,
      true,
      false,
      true,
      false,
      false,
    ]);
    expect(epochs.map(({ epoch, globalStep }) => [epoch, globalStep])).toEqual([
      [0, 4],
      [1, 8],
    ]);
    expect(steps[0]!.learningRate).toBe(0);
    expect(steps[7]!.learningRate).toBe(1e-2);
  });

  test("logs under the keys that dashboards know", async () => {
    const tracker = recorder();
    await run("metrics", {
      maxEpochs: 2,
      stepsPerEpoch: 40,
      accumulateGradBatches: 1,
      batchSize: 8,
      trackers: [tracker],
    });
    expect(tracker.calls).toEqual(["start metrics 0", "finish finished"]);
    const names = ["Allen_2022-02-16", "Logan_2019-12-20", "Allen_2022-02-18"];
    const [rates, epoch, nextRates, step] = tracker.records;
    expect(rates).toEqual({
      "lr-AdamW/pg1": 0,
      "lr-AdamW/pg2": 0,
      "lr-AdamW/pg3": 0,
      "lr-AdamW/pg4": 0,
      "trainer/global_step": -1,
    });
    expect(nextRates).toMatchObject({ "lr-AdamW/pg4": 1e-2, "trainer/global_step": 39 });
    expect(Object.keys(epoch!).sort()).toEqual(
      [
        "epoch",
        "trainer/global_step",
        "train_loss_epoch",
        ...names.map((name) => `train_loss/${name}_epoch`),
        "val_loss",
        "val_bps_overall",
        ...[...names, "Allen", "Logan"].flatMap((name) => [`val_loss/${name}`, `val_bps/${name}`]),
      ].sort(),
    );
    expect(epoch).toMatchObject({ epoch: 0, "trainer/global_step": 39 });
    expect(Object.keys(step!).sort()).toEqual(
      ["epoch", "trainer/global_step", "train_loss_step", ...names.map((name) => `train_loss/${name}_step`)].sort(),
    );
    expect(step).toMatchObject({ epoch: 1, "trainer/global_step": 49 });
    expect(tracker.records.at(-1)).toHaveProperty("reg_loss/sparse");
  });

  test("goes on when a tracker fails", async () => {
    const tracker = recorder();
    tracker.log = () => {
      throw new Error("no space left");
    };
    const messages: string[] = [];
    const { status } = await run("tracker", {
      maxEpochs: 1,
      trackers: [tracker],
      onEvent: (e) => messages.push(e.message),
    });
    expect(status).toBe("finished");
    expect(messages).toContain("Metrics were not logged: no space left");
  });

  test("is reproducible from its seed, and another seed gives another run", async () => {
    const [a, b, c] = [await run("seed-a"), await run("seed-b"), await run("seed-c", { seed: 5 })];
    expect(contents(a.last)).toEqual(contents(b.last));
    expect(contents(c.last)).not.toEqual(contents(a.last));
  });

  test("stops early, with the checkpoint of that epoch", async () => {
    const { status, epochs } = await run("early", { learningRate: 1e-30, earlyStoppingPatience: 2, maxEpochs: 9 });
    expect([status, epochs]).toEqual(["early_stopped", 3]);
  });

  test("keeps the checkpoints that the monitored metric calls best, and stops by it", async () => {
    const losses: number[] = [];
    const onEpoch = ({ metrics }: EpochEvent) => void losses.push(metrics["val_loss/Allen"]!);
    const options = { monitor: "val_loss/Allen", maxEpochs: 5, onEpoch };
    const { best, directory } = await run("monitored", options);
    const epoch = losses.indexOf(Math.min(...losses));
    expect(best).toMatchObject({ epoch, monitor: "val_loss/Allen", value: losses[epoch] });
    expect(best!.path).toBe(join(directory, `epoch=0${epoch}-val_loss_Allen=${losses[epoch]!.toFixed(4)}.safetensors`));
    expect(bestCheckpoint(directory)).toBe(best!.path);
    // The other way round the first epoch is the best, and nothing after it improves.
    const wrongWay = { ...options, monitorMode: "max", earlyStoppingPatience: 2, maxEpochs: 9 } as const;
    const { status, epochs, best: worst } = await run("monitored-max", wrongWay);
    expect([status, epochs, worst!.epoch]).toEqual(["early_stopped", 3, 0]);
    // With what is monitored, what was best so far means nothing any more.
    const changed = { resume: directory, monitor: "train_loss_epoch", maxEpochs: 6, allowConfigChange: true };
    const resumed = await train({ ...changed, sessions: tinySessions() });
    expect(resumed.best).toMatchObject({ epoch: 5, monitor: "train_loss_epoch" });
    expect(readdirSync(directory).filter((file) => file.startsWith("epoch="))).toHaveLength(8);
  });

  test("refuses to monitor what there is not, before anything is written", async () => {
    await expect(run("unknown", { monitor: "val_bps" })).rejects.toThrow(
      'Cannot monitor "val_bps": there is no such metric after every epoch. There are val_bps_overall, val_loss, ' +
        "train_loss_epoch, val_bps/Allen, val_bps/Logan, val_bps/Allen_2022-02-16,",
    );
    expect(existsSync(join(folder, "unknown"))).toBe(false);
  });

  test("halves the rate on a plateau", async () => {
    const rates: number[] = [];
    const onStep = ({ batch, learningRate }: StepEvent) => void (batch === 0 && rates.push(learningRate));
    const plateau = { lrScheduler: "plateau", warmupEpochs: undefined, learningRate: 1e-12 } as const;
    await run("plateau", { ...plateau, maxEpochs: 7, stepsPerEpoch: 2, onStep });
    expect(rates).toEqual([1e-12, 1e-12, 1e-12, 1e-12, 1e-12, 5e-13, 5e-13]);
  });

  test("keeps the number of live tensors flat, and frees everything at the end", async () => {
    const live: number[] = [];
    const before = tensorStats().live;
    await run("leaks", { maxEpochs: 3, stepsPerEpoch: 25, onStep: () => live.push(tensorStats().live) });
    // From the first epoch on all moments and buffers exist.
    expect(new Set(live.slice(25)).size).toBe(1);
    expect(tensorStats().live).toBe(before);
  });

  test("gives the event loop a turn after every batch", async () => {
    let turns = 0;
    let steps = 0;
    const count = () => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    await run("yields", { onStep: () => steps++ });
    clearImmediate(timer);
    expect(turns).toBeGreaterThanOrEqual(steps);
  });

  test("fits the schedule into a time budget and stops at it", async () => {
    const epochs: EpochEvent[] = [];
    const schedule = { maxEpochs: 9999, lrScheduler: "cosine", warmupEpochs: undefined } as const;
    const options: TrainOptions = { ...schedule, onEpoch: (event) => epochs.push(event) };
    const { epochs: done, status } = await run("budget", { ...options, timeBudgetMinutes: 0.01 });
    expect(["finished", "out_of_time"]).toContain(status);
    expect(done).toBeLessThan(9999);
    expect(epochs[0]!.maxEpochs).toBeLessThan(9999);
    const none = await run("no-time", { timeBudgetMinutes: 1e-9 });
    expect(none).toMatchObject({ status: "out_of_time", epochs: 0, globalStep: 0, best: null });
    expect(existsSync(none.last)).toBe(true);
  });

  test("warms up with every batch when asked to", async () => {
    const rates: number[] = [];
    await run("warm", { warmupPerStep: true, warmupEpochs: 2, onStep: ({ learningRate }) => rates.push(learningRate) });
    expect(rates.slice(0, 3).map((rate) => rate / 1e-2)).toEqual(
      [1 / 14, 2 / 14, 3 / 14].map((x) => expect.closeTo(x, 12)),
    );
    expect(rates[13]).toBeCloseTo(1e-2, 12);
    expect(rates[14]).toBe(1e-2);
  });

  test("trains in bfloat16 with float32 weights", async () => {
    const { last, metrics } = await run("bf16", { precision: "bf16-mixed", maxEpochs: 1 });
    expect(metrics.train_loss_epoch).toBeGreaterThan(0);
    const file = openSafetensors(last);
    expect(new Set([...file.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["float32"]));
    file.close();
  });

  test("goes on without a session whose loss is not finite, and says so", async () => {
    const sessions = tinySessions();
    sessions[1]!.train.recordings[0]!.floats("robs").data.fill(Number.NaN, 0, 300);
    const tracker = recorder();
    const warnings: string[] = [];
    const { status, droppedLosses, last } = await run("nan", {
      sessions,
      trackers: [tracker],
      accumulateGradBatches: 1,
      stepsPerEpoch: 30,
      maxEpochs: 2,
      onEvent: ({ type, message }) => type === "warning" && warnings.push(message),
    });
    expect(status).toBe("finished");
    expect(droppedLosses).toBeGreaterThan(10);
    expect(warnings[0]).toMatch(/^The loss of session Logan_2019-12-20 is NaN in epoch 0, batch \d+: it has no part/);
    expect(
      tracker.records.find((record) => record["trainer/global_step"] === 49 && "train_loss_step" in record),
    ).toMatchObject({
      "train_nan_skip/Logan_2019-12-20": 1,
    });
    const { twin } = loadTwin(last);
    for (const { tensor } of twin.namedParameters())
      expect(tensor.isAlive && Number.isFinite(tensor.sum().item())).toBe(true);
    twin.dispose();
  });

  test("gives up when no loss is finite any more, keeping the checkpoints", async () => {
    const sessions = tinySessions().slice(0, 1);
    const { live } = tensorStats();
    const tracker = recorder();
    const onEpoch = () => void sessions[0]!.train.recordings[0]!.floats("robs").data.fill(Number.NaN);
    const failed = run("nan-only", { sessions, trackers: [tracker], maxEpochs: 99, onEpoch });
    await expect(failed).rejects.toThrow(
      "Training stopped: no loss was finite in 50 batches in a row, last Allen_2022-02-16 (loss NaN)",
    );
    expect(tracker.calls.at(-1)).toBe("finish failed");
    expect(existsSync(join(folder, "nan-only", "last.safetensors"))).toBe(true);
    expect(tensorStats().live).toBe(live);
  });
});
