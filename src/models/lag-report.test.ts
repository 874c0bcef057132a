import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadModelConfig } from "../config/load.ts";
import { type ModelConfig, parseModelConfig } from "../config/model.ts";
import { lagReport } from "./lag-report.ts";

function shipped(name: string): ModelConfig {
  const path = `../../experiments/model_configs/${name}.yaml`;
  return loadModelConfig(fileURLToPath(new URL(path, import.meta.url))).config;
}

const lags = (count: number, step = 1) => Array.from({ length: count }, (_, i) => i * step);

/** Temporal kernels alone: the last output frame sees the oldest lags, or the newest. */
function kernels(kernel_size: number, lag_order = "newest_first"): ModelConfig {
  return parseModelConfig({
    lag_order,
    frontend: { type: "learnable_temporal", params: { kernel_size } },
    convnet: { type: "none" },
  });
}

describe("lagReport()", () => {
  test("names the lags that the prediction sees, with times, and warns when the newest are outside", () => {
    const { notes, warnings } = lagReport(shipped("learned_resnet_none_none_gaussian"), {
      lags: lags(33),
      rateHz: 120,
    })!;
    expect(notes).toEqual([
      "scored output sees lags 11-31 of 33 (92 ms to 258 ms at 120 Hz); lags 1-10 only through norms over all frames",
    ]);
    expect(warnings).toEqual([
      "the newest 11 lags (92 ms) cannot influence the prediction except weakly, through norms over all frames; " +
        "V1 responds within 30 to 60 ms. Set lag_order: oldest_first in the model config before training: the model " +
        "then sees lags 1-21.",
    ]);
  });

  test("says in which direction a recurrence reads, and does not warn: it sees the newest", () => {
    const { notes, warnings } = lagReport(shipped("learned_resnet_none_convgru_gaussian"), { lags: lags(33) })!;
    expect(notes).toEqual([
      "scored output sees lags 1-31 of 33",
      "the recurrence reads lags from the newest to the oldest; lag_order: oldest_first turns it round",
    ]);
    expect(warnings).toEqual([]);
    const turned = { ...shipped("learned_resnet_none_convgru_gaussian"), lag_order: "oldest_first" } as const;
    expect(lagReport(turned, { lags: lags(33) })!.notes).toEqual(["scored output sees lags 1-31 of 33"]);
  });

  test("warns from 30 ms on: what is missing before V1 can respond does no harm", () => {
    const warns = (missing: number, rateHz?: number) =>
      lagReport(kernels(4), { lags: lags(4 + missing), rateHz })!.warnings.length > 0;
    expect([warns(3, 120), warns(4, 120)]).toEqual([false, true]);
    expect([warns(7, 240), warns(8, 240)]).toEqual([false, true]);
    // Without a rate, as at 120 Hz.
    expect([warns(3), warns(4)]).toEqual([false, true]);
  });

  test("speaks of the lags that the data serve, not of positions", () => {
    const { seen, notes, warnings } = lagReport(kernels(4), { lags: lags(8, 2), rateHz: 100 })!;
    expect(seen).toEqual([8, 10, 12, 14]);
    expect(notes).toEqual(["scored output sees lags 8-14 of 8 (80 ms to 140 ms at 100 Hz)"]);
    expect(warnings[0]).toContain("the newest 4 lags (40 ms) cannot influence the prediction; V1");
    expect(lagReport(kernels(4, "oldest_first"), { lags: lags(8, 2) })!.seen).toEqual([0, 2, 4, 6]);
    // Served from the oldest to the newest, the last frame is the newest.
    expect(lagReport(kernels(4), { lags: lags(8).toReversed() })).toMatchObject({ seen: [3, 2, 1, 0], warnings: [] });
  });

  test("does not advise what is set already", () => {
    const chomped = parseModelConfig({
      lag_order: "newest_first",
      frontend: { type: "temporal_basis", params: { history_bins: 4, num_cosine_funcs: 2, peak_range_ms: [5, 10] } },
      convnet: { type: "none" },
    });
    const served = { lags: lags(12).toReversed(), rateHz: 10 };
    expect(lagReport({ ...chomped, lag_order: "oldest_first" }, served)!.warnings[0]).toContain(
      "The last frame of the features should come from the newest lags",
    );
  });

  test("is null for models that ignore the stimulus", () => {
    expect(lagReport(shipped("modulator_only_convgru"), { lags: lags(33), rateHz: 120 })).toBeNull();
  });
});
