import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { defaultSettings, parsePrecision, resolveSettings, type TrainOptions } from "./options.ts";

describe("resolveSettings()", () => {
  test("has defaults for everything", () => {
    const { settings, changed } = resolveSettings({}, "cpu");
    expect(settings).toEqual(defaultSettings("cpu"));
    expect(settings).toMatchObject({
      batchSize: 64,
      learningRate: 1e-4,
      weightDecay: 1e-5,
      gradientClipVal: 1,
      seed: 0,
    });
    expect(changed).toEqual([]);
  });

  test("prefers stored values to defaults and given ones to both", () => {
    const stored = { ...defaultSettings("cpu"), batchSize: 8, maxEpochs: 7 };
    const { settings, changed } = resolveSettings({ batchSize: 8, maxEpochs: 9, seed: undefined }, "cpu", stored);
    expect(settings).toMatchObject({ batchSize: 8, maxEpochs: 9 });
    expect(changed).toEqual([{ name: "maxEpochs", stored: 7, given: 9 }]);
  });

  test("fills in settings that an older checkpoint does not have", () => {
    const { warmupPerStep: _, ...older } = defaultSettings("cpu");
    expect(resolveSettings({}, "cpu", older).changed).toEqual([]);
  });

  test.each([
    [{ batchSize: 0 }, "batchSize is 0, expected a whole number from 1"],
    [{ batchSize: 1.5 }, "batchSize is 1.5"],
    [{ learningRate: -1 }, "learningRate is -1, expected a number above 0"],
    [{ learningRate: 0 }, "learningRate is 0, expected a number above 0"],
    [{ learningRate: Number.NaN }, "learningRate is NaN"],
    [{ learningRate: Number.POSITIVE_INFINITY }, "learningRate is Infinity"],
    [{ monitorMode: "least" as "min" }, "monitorMode is least, expected min, max"],
    [{ limitValBatches: 0 }, "limitValBatches is 0, expected a number above 0"],
    [{ limitValBatches: 2.5 }, "limitValBatches is 2.5, expected a share up to 1 or a whole number of batches"],
    [{ timeBudgetMinutes: 0 }, "timeBudgetMinutes is 0"],
    [{ earlyStoppingPatience: 0 }, "earlyStoppingPatience is 0"],
    [{ lrScheduler: "sine" as "none" }, 'Unknown learning-rate schedule "sine"'],
    [{ precision: "8" as "32" }, 'Unknown precision "8"'],
    [{ optimizer: "sgd" as "adamw" }, "optimizer is sgd, expected adamw, schedule_free"],
    [{ optimizerWarmupSteps: -1 }, "optimizerWarmupSteps is -1, expected a whole number from 0"],
    [{ optimizerWarmupSteps: 10 }, "optimizerWarmupSteps is 10, but optimizer adamw has no warm-up"],
    [
      { optimizer: "schedule_free", lrScheduler: "cosine" },
      "Cannot train with optimizer schedule_free and lrScheduler cosine",
    ],
  ] satisfies [TrainOptions, string][])("refuses %j", (options, message) => {
    expect(() => resolveSettings(options, "cpu")).toThrow(UserError);
    expect(() => resolveSettings(options, "cpu")).toThrow(message);
  });
});

test("parsePrecision() knows all spellings", () => {
  expect(["32", "32-true", "bf16", "bf16-mixed", "16", "16-mixed"].map(parsePrecision)).toEqual([
    "32",
    "32",
    "bf16-mixed",
    "bf16-mixed",
    "16-mixed",
    "16-mixed",
  ]);
  expect(() => parsePrecision("8")).toThrow('Unknown precision "8"');
});
