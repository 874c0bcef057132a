import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { resolveSettings, type TrainOptions } from "./options.ts";

describe("refuseIdleOptions()", () => {
  test.each<[TrainOptions, string]>([
    [{ curriculumWarmupSteps: 100 }, "acts only with --enable-curriculum"],
    [{ curriculumFloor: 0.1, enableCurriculum: false }, "acts only with --enable-curriculum"],
    [{ warmupEpochs: 5 }, "acts only with --lr-scheduler cosine_warmup or cosine_warmup_restart"],
    [{ warmupPerStep: true, lrScheduler: "cosine" }, "acts only with --lr-scheduler cosine_warmup"],
    [{ restartPeriod: 5, lrScheduler: "cosine_warmup" }, "acts only with --lr-scheduler cosine_warmup_restart"],
    [{ optimizerWarmupSteps: 0 }, "acts only with --optimizer schedule_free"],
    [{ earlyStoppingMinDelta: 0.01 }, "acts only with --early-stopping-patience"],
    [{ coreLrScale: 0.5, freeze: "core" }, "acts only with a core that trains, not --frozen-core"],
    [{ weighSamples: true, homogeneousBatches: true }, "acts only with mixed batches, not --homogeneous-batches"],
    [{ maxDatasets: 5, resume: "run" }, "acts only with --dataset-configs"],
    [{ allowConfigChange: true }, "acts only with --resume"],
  ])("refuses %j", (options, message) => {
    const attempt = () => resolveSettings(options, "cpu");
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(`${Object.keys(options)[0]} is given and would be ignored, as it ${message}`);
  });

  test("goes by what the checkpoint says", () => {
    const stored = { enableCurriculum: true, lrScheduler: "cosine_warmup" } as const;
    const options = { resume: "run", curriculumFloor: 0.1, warmupEpochs: 3 };
    expect(resolveSettings(options, "cpu", stored).settings).toMatchObject({ ...stored, curriculumFloor: 0.1 });
  });

  test("lets switches be off", () => {
    const off = { warmupPerStep: false, weighSamples: false, homogeneousBatches: true, restartPeriod: null };
    expect(() => resolveSettings(off, "cpu")).not.toThrow();
  });
});
