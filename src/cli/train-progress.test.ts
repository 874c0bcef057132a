import { describe, expect, test } from "vitest";
import type { Progress, ProgressLine } from "./progress.ts";
import { TrainProgress } from "./train-progress.ts";

/** A progress line that keeps what it is told. */
function recorder() {
  const updates: Progress[] = [];
  const lines: string[] = [];
  const line = { update: (p: Progress) => updates.push(p), line: (text: string) => lines.push(text) };
  return { line: line as unknown as ProgressLine, updates, lines };
}

const step = { epoch: 0, batchesPerEpoch: 10, globalStep: 1, samples: 32, loss: 0.5, gradNorm: 1, learningRate: 1e-3 };

describe("TrainProgress", () => {
  test("shows speed, time left, loss and memory", () => {
    let now = 0;
    const { line, updates } = recorder();
    const progress = new TrainProgress(line, { maxEpochs: 4, memory: () => 2e9, now: () => now });
    for (let batch = 0; batch < 4; batch++) {
      now += 500;
      progress.onStep({ ...step, batch });
    }
    expect(updates.at(-1)).toEqual({
      label: "epoch 1/4",
      done: 4,
      total: 40,
      remaining: 18,
      details: ["loss 0.5000", "64 samples/s", "2.0 GB"],
    });
    expect(updates[0]!.remaining).toBeUndefined();
  });

  test("counts on from the epoch a resumed run starts in, and does not average losses that are not finite", () => {
    let now = 0;
    const { line, updates } = recorder();
    const progress = new TrainProgress(line, { maxEpochs: 4, memory: () => 0, now: () => now });
    for (let batch = 0; batch < 3; batch++) {
      now += 1000;
      progress.onStep({ ...step, epoch: 3, batch, loss: batch === 1 ? Number.NaN : 0.5 });
    }
    expect(updates.at(-1)).toMatchObject({ label: "epoch 4/4", done: 33, total: 40, remaining: 7 });
    expect(updates.at(-1)!.details[0]).toBe("loss 0.5000");
  });

  test("measures against the time budget when that is shorter", () => {
    let now = 0;
    const { line, updates } = recorder();
    const progress = new TrainProgress(line, { maxEpochs: 100, timeBudget: 20, memory: () => 0, now: () => now });
    for (let batch = 0; batch < 5; batch++) {
      now += 1000;
      progress.onStep({ ...step, batch });
    }
    expect(updates.at(-1)).toMatchObject({ done: 5, total: 20, remaining: 15 });
  });

  test("leaves the time of validation out of the speed", () => {
    let now = 0;
    const { line, updates } = recorder();
    const progress = new TrainProgress(line, { maxEpochs: 4, memory: () => 0, now: () => now });
    now += 500;
    progress.onStep({ ...step, batch: 9 });
    now += 60_000;
    progress.onEpoch({ epoch: 0, maxEpochs: 4, globalStep: 10, metrics: {}, saved: null, seconds: 61 });
    now += 500;
    progress.onStep({ ...step, epoch: 1, batch: 0 });
    expect(updates.at(-1)!.details).toContain("64 samples/s");
  });

  test("leaves a line for every epoch, warning and stop, not for checkpoints", () => {
    const { line, lines } = recorder();
    const progress = new TrainProgress(line, { maxEpochs: 10, memory: () => 0, now: () => 0 });
    const metrics = { train_loss_epoch: 0.41, val_loss: 0.4, val_bps_overall: 0.2345 };
    progress.onEpoch({ epoch: 2, maxEpochs: 10, globalStep: 30, metrics, saved: "x", seconds: 83 });
    progress.onEvent({ type: "warning", message: "low disk" });
    progress.onEvent({ type: "checkpoint", message: "Saved x" });
    expect(lines).toEqual([
      "epoch  3/10  loss 0.4100  val_loss 0.4000  val bits/spike 0.2345  1:23  saved",
      "warning: low disk",
    ]);
  });
});
