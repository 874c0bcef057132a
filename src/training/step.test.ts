import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BatchLoader, type SessionBatch } from "../data/loader.ts";
import { buildModel } from "../models/build.ts";
import type { Twin } from "../models/twin.ts";
import { AdamW, Generator, scope, setNumThreads, tensorStats } from "../torch/index.ts";
import { parameterGroups } from "./optimizers.ts";
import { Regularizers } from "./regularizers.ts";
import { type BatchReport, TrainingStep, type TrainingStepOptions } from "./step.ts";
import { tinyModel, tinySessions } from "./tiny-run.fake.ts";

setNumThreads(1);

const sessions = tinySessions();
const loader = new BatchLoader(sessions.map(({ train }) => train));
const [, second, third] = loader.offsets;
/** Two samples of the first session, two of the second, one of the third. */
const PLAN = [3, second! + 8, 40, third!, second! + 1];

let twin: Twin;
let optimizer: AdamW;
let step: TrainingStep;

function prepare(options: Partial<TrainingStepOptions> = {}): void {
  const config = tinyModel({ dropout: 0 });
  twin = buildModel(
    config,
    sessions.map(({ session, nUnits }) => ({ name: session, nUnits })),
    { generator: new Generator(1) },
  );
  const regularizers = new Regularizers(config.regularization, twin.namedParameters());
  optimizer = new AdamW(
    parameterGroups(twin.namedParameters(), { learningRate: 0.01, coreLrScale: 1, weightDecay: 0.1 }),
  );
  step = new TrainingStep({
    twin,
    optimizer,
    regularizers,
    logInput: false,
    precision: "32",
    device: "cpu",
    gradientClipVal: 1,
    accumulateGradBatches: 1,
    ...options,
  });
}

function backward(change: (groups: SessionBatch[]) => void = () => {}, epoch = 0): BatchReport {
  return scope(() => {
    const { groups } = loader.load(PLAN);
    change(groups);
    return step.backward(groups, epoch);
  });
}

/** Copies of all parameters. */
function weights(): Record<string, number[]> {
  const entries = [...twin.namedParameters()].map(({ name, tensor }) => [
    name,
    Array.from(tensor.toTypedArray(), Number),
  ]);
  return Object.fromEntries(entries);
}

beforeEach(() => prepare());
afterEach(() => {
  for (const moments of optimizer.state.values()) for (const t of Object.values(moments)) t.dispose();
  twin.dispose();
});

describe("TrainingStep.backward()", () => {
  test("weighs sessions alike, however many samples they have", () => {
    const { losses, baseLoss, totalLoss } = backward();
    expect(losses.map(({ session, samples }) => [session, samples])).toEqual([
      ["Allen_2022-02-16", 2],
      ["Logan_2019-12-20", 2],
      ["Allen_2022-02-18", 1],
    ]);
    expect(baseLoss).toBeCloseTo(losses.reduce((sum, { loss }) => sum + loss, 0) / 3, 6);
    expect(totalLoss).toBe(baseLoss);
  });

  test("weighs samples alike when asked to, in the value and in the gradient", () => {
    const biasGradients = () =>
      [0, 2].map((i) => {
        const bias = [...twin.namedParameters()].find(({ name }) => name === `readouts.${i}.bias`)!.tensor;
        return Number(bias.grad!.toTypedArray()[0]);
      });
    const [a, b, c] = backward().losses.map(({ loss }) => loss) as [number, number, number];
    const alike = biasGradients();
    prepare({ weighSamples: true });
    expect(backward().baseLoss).toBeCloseTo((2 * a + 2 * b + c) / 5, 6);
    // Two and one of five samples, instead of a third each.
    const [first, third] = biasGradients() as [number, number];
    expect(first / alike[0]!).toBeCloseTo(6 / 5, 4);
    expect(third / alike[1]!).toBeCloseTo(3 / 5, 4);
  });

  test("adds the penalties in force", () => {
    const { penalties, baseLoss, totalLoss } = backward(undefined, 1);
    expect(penalties.map(({ name }) => name)).toEqual(["sparse"]);
    expect(totalLoss).toBeCloseTo(baseLoss + penalties[0]!.value, 10);
  });

  test("leaves out a penalty of exactly 0, whose parameters then have no gradient", () => {
    scope(() => {
      for (const { name, tensor } of twin.namedParameters()) if (name.includes("features")) tensor.detach().zero_();
    });
    expect(backward((groups) => groups.splice(1), 1).penalties).toEqual([]);
    scope(() => expect(twin.stateDict().get("readouts.2.features.weight")!.grad).toBeNull());
  });

  test("drops a session whose loss is not finite, as if it were absent from the batch", () => {
    const poison = (groups: SessionBatch[]) => void groups[1]!.robs.fill_(Number.NaN);
    const report = backward(poison);
    expect(report.losses.map(({ loss }) => Number.isFinite(loss))).toEqual([true, false, true]);
    expect(report.baseLoss).toBeCloseTo((report.losses[0]!.loss + report.losses[2]!.loss) / 2, 6);
    step.update(0);
    const dropped = weights();
    expect(optimizer.state.has("readouts.1.bias")).toBe(false);

    prepare();
    backward((groups) => void groups.splice(1, 1));
    step.update(0);
    expect(dropped).toEqual(weights());
  });

  test("drops a session whose stimulus is not finite without harm to the others", () => {
    const { losses } = backward((groups) => void groups[0]!.stimulus!.fill_(Number.NaN));
    expect(losses.map(({ loss }) => Number.isFinite(loss))).toEqual([false, true, true]);
    expect(step.update(0).skipped).toBe(false);
    expect(Object.values(weights()).flat().every(Number.isFinite)).toBe(true);
  });

  test("does nothing when no session has a finite loss", () => {
    const before = weights();
    const report = backward((groups) => {
      for (const { dfs } of groups) dfs.zero_();
    });
    expect(report).toMatchObject({ baseLoss: 0, totalLoss: 0, penalties: [] });
    expect(step.update(0)).toEqual({ gradNorm: 0, skipped: false });
    expect(optimizer.state.size).toBe(0);
    expect(weights()["convnet.layers.0.shortcut.weight"]).toEqual(before["convnet.layers.0.shortcut.weight"]);
  });

  test("accumulates, divided by the number of batches", () => {
    backward();
    const whole = step.update(0).gradNorm;
    prepare({ accumulateGradBatches: 2 });
    backward();
    backward();
    expect(step.update(0).gradNorm).toBeCloseTo(whole, 5);
  });

  test("computes in bfloat16 with gradients and losses in float32", () => {
    prepare({ precision: "bf16-mixed" });
    const { baseLoss } = backward();
    scope(() => expect(twin.stateDict().get("convnet.layers.0.shortcut.weight")!.grad!.dtype).toBe("float32"));
    prepare();
    expect(baseLoss / backward().baseLoss).toBeCloseTo(1, 1);
    step.update(0);
  });
});

describe("TrainingStep.update()", () => {
  test("skips an update whose gradient is not finite and clears the gradients", () => {
    backward();
    const before = weights();
    scope(() => void twin.stateDict().get("readouts.0.bias")!.grad!.fill_(Number.NaN));
    const { skipped, gradNorm } = step.update(0);
    expect(skipped).toBe(true);
    expect(gradNorm).toBeNaN();
    expect(weights()).toEqual(before);
    expect(optimizer.state.size).toBe(0);
    scope(() => expect(twin.stateDict().get("readouts.0.bias")!.grad).toBeNull());
  });

  test("projects after the step", () => {
    scope(() => void twin.stateDict().get("readouts.0.std")!.detach().fill_(50));
    backward();
    step.update(0);
    expect(Math.max(...weights()["readouts.0.std"]!)).toBe(3);
  });

  test("leaves sessions alone that are not in the batch", () => {
    const before = weights();
    backward((groups) => groups.splice(1));
    step.update(0);
    const after = weights();
    expect(after["readouts.0.bias"]).not.toEqual(before["readouts.0.bias"]);
    for (const name of ["readouts.1.bias", "readouts.1.features.weight", "readouts.2.mean"]) {
      expect(after[name]).toEqual(before[name]);
    }
  });

  test("keeps the number of live tensors flat over 50 steps", () => {
    const counts = Array.from({ length: 50 }, () => {
      backward(undefined, 1);
      step.update(1);
      return tensorStats().live;
    });
    expect(new Set(counts.slice(1)).size).toBe(1);
  });
});
