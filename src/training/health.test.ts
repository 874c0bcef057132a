import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { HealthCheck, withMemoryAdvice } from "./health.ts";
import type { BatchReport } from "./step.ts";

const report = (...losses: number[]): BatchReport => ({
  losses: losses.map((loss, i) => ({ session: `S${i}`, loss, samples: 1 })),
  baseLoss: 0,
  penalties: [],
  auxiliaryLoss: null,
  totalLoss: 0,
});

const explain = () => "The frontend is broken";

function repeat(times: number, body: () => void): void {
  for (let i = 0; i < times; i++) body();
}

describe("HealthCheck", () => {
  test("ends a run after 50 batches in a row without a finite loss, naming the sessions", () => {
    const health = new HealthCheck();
    repeat(49, () => health.afterBatch(report(Number.NaN, Number.POSITIVE_INFINITY), explain));
    health.afterBatch(report(Number.NaN, 1), explain);
    repeat(49, () => health.afterBatch(report(Number.NaN), explain));
    expect(() => health.afterBatch(report(Number.NaN, Number.POSITIVE_INFINITY), explain)).toThrow(
      "Training stopped: no loss was finite in 50 batches in a row, last S0 (loss NaN), S1 (loss Infinity)",
    );
  });

  test("ends a run after 50 skipped updates in a row", () => {
    const health = new HealthCheck();
    const skipped = { skipped: true, gradNorm: Number.NaN };
    repeat(49, () => health.afterUpdate(skipped, report(1), explain));
    health.afterUpdate({ skipped: false, gradNorm: 1 }, report(1), explain);
    repeat(49, () => health.afterUpdate(skipped, report(1), explain));
    expect(() => health.afterUpdate(skipped, report(2), explain)).toThrow(UserError);
    expect(() => health.afterUpdate(skipped, report(2), explain)).toThrow(
      "the norm of the gradients was NaN in 50 updates in a row, last with S0 (loss 2)",
    );
  });
});

describe("withMemoryAdvice()", () => {
  test("turns running out of memory into advice", () => {
    const fail = () => {
      throw Object.assign(new Error("CUDA out of memory"), { code: "ERR_TORCH_OOM" });
    };
    expect(() => withMemoryAdvice("cuda:0", 256, fail)).toThrow("Out of memory on cuda:0 in a batch of 256 samples");
  });

  test("passes everything else on", () => {
    expect(withMemoryAdvice("cpu", 1, () => 5)).toBe(5);
    const fail = () => {
      throw new TypeError("other");
    };
    expect(() => withMemoryAdvice("cpu", 1, fail)).toThrow(TypeError);
  });
});
