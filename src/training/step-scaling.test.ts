import { afterEach, describe, expect, test } from "vitest";
import { scope, setNumThreads, tensorStats } from "../torch/index.ts";
import { LossScaler, type LossScalerOptions } from "./loss-scaling.ts";
import { TinyStep, type TinyStepOptions } from "./step.fake.ts";

setNumThreads(1);

const made: { dispose(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.dispose();
});

function plain(options: TinyStepOptions = {}): TinyStep {
  const tiny = new TinyStep(options);
  made.push(tiny);
  return tiny;
}

function scaled(options: TinyStepOptions = {}, scaling: LossScalerOptions = {}): TinyStep & { scaler: LossScaler } {
  const scaler = new LossScaler(scaling);
  const tiny = new TinyStep({ ...options, scaler });
  made.push(tiny, scaler);
  return Object.assign(tiny, { scaler });
}

describe("TrainingStep with a loss scaler", () => {
  test.each([
    ["at once", {}],
    ["accumulating", { accumulateGradBatches: 2 }],
    ["without clipping", { gradientClipVal: 0 }],
  ] satisfies [string, TinyStepOptions][])(
    "gives the same bits in float32, as scales are powers of two: %s",
    (_, options: TinyStepOptions) => {
      const [without, with_] = [plain(options), scaled(options)];
      for (let update = 0; update < 3; update++) {
        const batches = options.accumulateGradBatches ?? 1;
        for (let batch = 0; batch < batches; batch++) {
          expect(with_.backward(undefined, 1)).toEqual(without.backward(undefined, 1));
        }
        expect(with_.step.update(1)).toEqual({ ...without.step.update(1), lossScale: 65536 });
      }
      expect(with_.weights()).toEqual(without.weights());
      expect(with_.moments()).toEqual(without.moments());
      expect(with_.scaler.growthTracker.item()).toBe(3);
    },
  );

  test("skips an update whose gradients overflowed, halves the scale, and goes on", () => {
    const tiny = scaled();
    tiny.backward();
    const before = tiny.weights();
    scope(() => void tiny.twin.stateDict().get("readouts.0.bias")!.grad!.fill_(Number.POSITIVE_INFINITY));
    expect(tiny.step.update(0)).toEqual({ gradNorm: Number.POSITIVE_INFINITY, skipped: true, lossScale: 65536 });
    expect(tiny.weights()).toEqual(before);
    expect(tiny.optimizer.stateTensors().size).toBe(0);
    tiny.backward();
    expect(tiny.step.update(0)).toMatchObject({ skipped: false, lossScale: 32768 });
    expect(tiny.weights()).not.toEqual(before);
    // The lost update leaves no trace in the next ones.
    const other = plain();
    other.backward();
    other.step.update(0);
    expect(tiny.weights()).toEqual(other.weights());
  });

  test("finds a scale that fits float16 by itself", () => {
    const tiny = scaled({ precision: "16-mixed" }, { initialScale: 2 ** 40 });
    const skipped: boolean[] = [];
    for (let i = 0; i < 30; i++) {
      tiny.backward();
      skipped.push(tiny.step.update(0).skipped);
    }
    const first = skipped.indexOf(false);
    expect(first).toBeGreaterThan(0);
    expect(skipped.slice(first)).not.toContain(true);
    expect(tiny.scaler.scale.item()).toBe(2 ** (40 - first));
  });

  test("leaves the scale alone when no session had a finite loss", () => {
    const tiny = scaled();
    tiny.backward((groups) => {
      for (const { dfs } of groups) dfs.zero_();
    });
    expect(tiny.step.update(0)).toEqual({ gradNorm: 0, skipped: false, lossScale: 65536 });
    expect(tiny.scaler.growthTracker.item()).toBe(0);
  });

  test("trains in float16 with losses, gradients, weights and moments in float32", () => {
    const [exact, half] = [plain(), scaled({ precision: "16-mixed" })];
    for (let i = 0; i < 3; i++) {
      expect(half.backward().baseLoss / exact.backward().baseLoss).toBeCloseTo(1, 2);
      scope(() => {
        for (const { name, tensor } of half.twin.namedParameters()) {
          if (tensor.grad) expect(tensor.grad.dtype, name).toBe("float32");
        }
      });
      const [rough, fine] = [half.step.update(0), exact.step.update(0)];
      expect(rough.skipped).toBe(false);
      expect(rough.gradNorm / fine.gradNorm).toBeCloseTo(1, 1);
    }
    for (const [name, tensor] of [...half.twin.stateDict(), ...half.optimizer.stateTensors()]) {
      expect(tensor.dtype, name).toBe("float32");
    }
  });

  test("keeps the number of live tensors flat", () => {
    const tiny = scaled({ precision: "16-mixed" });
    const counts = Array.from({ length: 10 }, () => {
      tiny.backward();
      tiny.step.update(0);
      return tensorStats().live;
    });
    expect(new Set(counts.slice(1)).size).toBe(1);
  });
});
