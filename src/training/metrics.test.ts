import { describe, expect, test } from "vitest";
import { validationMetrics } from "./metrics.ts";

describe("validationMetrics()", () => {
  test("counts losses that are not finite nowhere", () => {
    const losses = [
      [
        { session: "A_1", loss: 1, samples: 1 },
        { session: "A_1", loss: 4, samples: 2 },
        { session: "A_2", loss: Number.NaN, samples: 9 },
      ],
    ];
    const metrics = validationMetrics({ losses, scores: [] });
    expect(metrics).toEqual({ val_loss: 2.5, "val_loss/A_1": 3, "val_loss/A": 2.5, val_bps_overall: 0 });
  });

  test("weighs sessions alike and leaves out those without units to score", () => {
    const scores = [
      { session: "A_1", sum: 4, count: 10 },
      { session: "B_1", sum: 0.2, count: 1 },
      { session: "B_2", sum: 0, count: 0 },
    ];
    const metrics = validationMetrics({ losses: [[]], scores });
    expect(metrics).toEqual({
      "val_bps/A_1": 0.4,
      "val_bps/B_1": 0.2,
      "val_bps/A": 0.4,
      "val_bps/B": 0.2,
      val_bps_overall: expect.closeTo(0.3, 12),
    });
  });
});
