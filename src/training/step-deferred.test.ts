import { afterEach, describe, expect, test } from "vitest";
import type { SessionBatch } from "../data/loader.ts";
import { scope, setNumThreads, tensorStats } from "../torch/index.ts";
import { LossScaler } from "./loss-scaling.ts";
import { readTogether } from "./reading.ts";
import { TINY_PLAN, TinyStep, type TinyStepOptions, tinyLoader } from "./step.fake.ts";

setNumThreads(1);

const made: TinyStep[] = [];
afterEach(() => {
  for (const tiny of made.splice(0)) tiny.dispose();
});

/** The same twin twice: the host decides, and the device does. */
function pair(options: TinyStepOptions = {}): [host: TinyStep, device: TinyStep] {
  const both: [TinyStep, TinyStep] = [new TinyStep(options), new TinyStep({ ...options, defer: true })];
  made.push(...both);
  return both;
}

function expectAlike(actual: Record<string, number[]>, expected: Record<string, number[]>, digits = 6): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected)) {
    expect(actual[name], name).toEqual(values.map((value) => expect.closeTo(value, digits)));
  }
}

const poison = (groups: SessionBatch[]) => void groups[1]!.robs.fill_(Number.NaN);

describe("TrainingStep with defer", () => {
  test.each([
    ["every session alike", {}],
    ["every sample alike", { weighSamples: true }],
    ["accumulating", { accumulateGradBatches: 2 }],
    ["in bfloat16", { precision: "bf16-mixed" }],
  ] satisfies [string, TinyStepOptions][])("does what the host would do: %s", (_, options: TinyStepOptions) => {
    const [host, device] = pair(options);
    for (let update = 0; update < 4; update++) {
      for (let batch = 0; batch < (options.accumulateGradBatches ?? 1); batch++) {
        const epoch = update > 1 ? 1 : 0;
        const [expected, actual] = [host.backward(undefined, epoch), device.backward(undefined, epoch)];
        expect(actual.losses).toEqual(
          expected.losses.map((group) => ({ ...group, loss: expect.closeTo(group.loss, 6) })),
        );
        expect(actual.baseLoss).toBeCloseTo(expected.baseLoss, 6);
        expect(actual.totalLoss).toBeCloseTo(expected.totalLoss, 6);
        expect(actual.penalties.map(({ name }) => name)).toEqual(epoch === 1 ? ["sparse"] : []);
      }
      const [expected, actual] = [host.step.update(0), device.step.update(0)];
      expect(actual).toEqual({ skipped: false, gradNorm: expect.closeTo(expected.gradNorm, 5) });
    }
    expectAlike(device.weights(), host.weights(), 5);
    expectAlike(device.moments(), host.moments(), 5);
  });

  test("reports later what was true then", () => {
    const [host, device] = pair();
    const readings = [];
    const expected: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      expected.push(host.backward(), host.step.update(0));
      readings.push(
        scope(() => device.step.startBackward(tinyLoader.load(TINY_PLAN).groups, 0)),
        device.step.startUpdate(0),
      );
    }
    readTogether(readings);
    const rounded = (report: unknown) =>
      JSON.parse(JSON.stringify(report, (_, value) => (typeof value === "number" ? Number(value.toFixed(5)) : value)));
    expect(readings.map(({ report }) => rounded(report))).toEqual(expected.map(rounded));
  });

  test("drops a session whose loss is not finite; the others train as without it", () => {
    const [host, device] = pair();
    const [expected, actual] = [host.backward(poison), device.backward(poison)];
    expect(actual.losses[1]!.loss).toBeNaN();
    expect(actual.baseLoss).toBeCloseTo(expected.baseLoss, 6);
    const others = (tiny: TinyStep) =>
      Object.fromEntries(
        Object.entries(tiny.gradients()).flatMap(([name, grad]) => (/\.1\./.test(name) || !grad ? [] : [[name, grad]])),
      );
    expectAlike(others(device), others(host));
    expect(device.gradients()["readouts.1.bias"]).toEqual([0, 0]);
    expect(device.step.update(0).skipped).toBe(false);
  });

  test("leaves out the update when activations are not finite", () => {
    const [, device] = pair();
    const before = device.weights();
    const { losses } = device.backward((groups) => void groups[0]!.stimulus!.fill_(Number.NaN));
    expect(losses.map(({ loss }) => Number.isFinite(loss))).toEqual([false, true, true]);
    expect(device.step.update(0)).toEqual({ skipped: true, gradNorm: Number.NaN });
    expect(device.weights()).toEqual(before);
    const counts = Object.entries(device.moments()).filter(([name]) => name.startsWith("step."));
    expect(counts.length).toBeGreaterThan(10);
    for (const [name, count] of counts) expect(count, name).toEqual([0]);
  });

  test("goes on after a skipped update as if it had not been", () => {
    const [host, device] = pair();
    device.backward((groups) => void groups[0]!.stimulus!.fill_(Number.NaN));
    device.step.update(0);
    for (const tiny of [host, device]) {
      tiny.backward();
      tiny.step.update(0);
    }
    expectAlike(device.weights(), host.weights());
    expectAlike(device.moments(), host.moments());
  });

  test("changes nothing when no session has a finite loss", () => {
    const [host, device] = pair();
    const before = device.weights();
    const empty = (groups: SessionBatch[]) => {
      for (const { dfs } of groups) dfs.zero_();
    };
    expect(device.backward(empty)).toMatchObject({ baseLoss: 0, totalLoss: 0 });
    expect(device.step.update(0)).toEqual({ skipped: false, gradNorm: 0 });
    expectAlike(device.weights(), before);
    expect(host.step.update(0)).toEqual({ skipped: false, gradNorm: 0 });
    // The next window is judged by itself.
    device.backward();
    device.step.update(0);
    expect(device.weights()["readouts.0.bias"]).not.toEqual(before["readouts.0.bias"]);
  });

  test("keeps going with one good batch in a window", () => {
    const [, device] = pair({ accumulateGradBatches: 2 });
    const before = device.weights();
    device.backward();
    device.backward((groups) => {
      for (const { dfs } of groups) dfs.zero_();
    });
    device.step.update(0);
    expect(device.weights()["readouts.0.bias"]).not.toEqual(before["readouts.0.bias"]);
  });

  test("halves the scale of the loss without the host", () => {
    const scaler = new LossScaler();
    const device = new TinyStep({ defer: true, scaler });
    made.push(device);
    device.backward((groups) => void groups[0]!.stimulus!.fill_(Number.NaN));
    expect(device.step.update(0)).toEqual({ skipped: true, gradNorm: Number.NaN, lossScale: 65536 });
    device.backward();
    expect(device.step.update(0)).toMatchObject({ skipped: false, lossScale: 32768 });
    scaler.dispose();
  });

  test("is not for optimisers that only the host can tell to skip", () => {
    const tiny = new TinyStep({ optimizer: "schedule_free", defer: true });
    made.push(tiny);
    expect(tiny.step.deferred).toBe(false);
  });

  test("keeps the number of live tensors flat, with readings read now and then", () => {
    const [, device] = pair();
    const counts: number[] = [];
    for (let i = 0; i < 6; i++) {
      const readings = Array.from({ length: 4 }, () => [
        scope(() => device.step.startBackward(tinyLoader.load(TINY_PLAN).groups, 1)),
        device.step.startUpdate(1),
      ]).flat();
      readTogether(readings);
      counts.push(tensorStats().live);
    }
    expect(new Set(counts).size).toBe(1);
  });
});
