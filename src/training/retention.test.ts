import { describe, expect, test } from "vitest";
import { advanceEarlyStopping, bestKept, type KeptCheckpoint, retainBest } from "./retention.ts";

describe("retainBest()", () => {
  test("ranks a value that is not a number below everything", () => {
    let kept: KeptCheckpoint[] = [];
    for (const [epoch, value] of [0.1, Number.NaN, 0, 0.05].entries()) ({ kept } = retainBest(kept, epoch, value));
    expect(kept.map(({ epoch }) => epoch)).toEqual([0, 2, 3]);
    expect(retainBest(kept, 4, Number.NaN).saved).toBeNull();
  });

  test("survives JSON", () => {
    const { kept } = retainBest([], 0, Number.NaN);
    expect(JSON.parse(JSON.stringify(kept))).toEqual(kept);
    expect(bestKept(JSON.parse(JSON.stringify(kept)))).toEqual(kept[0]);
  });
});

describe("advanceEarlyStopping()", () => {
  test("stops at once when the value is not finite", () => {
    expect(advanceEarlyStopping({ best: 1, stale: 0 }, Number.NaN, { patience: 9 }).stop).toBe(true);
  });

  test("never stops without a patience", () => {
    expect(advanceEarlyStopping({ best: 1, stale: 99 }, Number.NaN, {}).stop).toBe(false);
  });
});

describe("a metric that is to be small", () => {
  const monitor = { metric: "val_loss/Allen", mode: "min" } as const;

  test("retainBest() keeps the smallest values, in files named after it", () => {
    let kept: KeptCheckpoint[] = [];
    for (const [epoch, value] of [0.5, 0.3, Number.NaN, 0.4, 0.6].entries())
      ({ kept } = retainBest(kept, epoch, value, monitor));
    expect(kept.map(({ stem }) => stem)).toEqual([
      "epoch=00-val_loss_Allen=0.5000",
      "epoch=01-val_loss_Allen=0.3000",
      "epoch=03-val_loss_Allen=0.4000",
    ]);
    expect(bestKept(kept, "min")!.epoch).toBe(1);
  });

  test("advanceEarlyStopping() waits for it to fall", () => {
    const options = { patience: 2, minDelta: 0.1, mode: "min" } as const;
    const first = advanceEarlyStopping({ best: null, stale: 0 }, 1, options);
    const fallen = advanceEarlyStopping(first.state, 0.8, options);
    expect(fallen).toEqual({ state: { best: 0.8, stale: 0 }, stop: false });
    const same = advanceEarlyStopping(fallen.state, 0.75, options);
    expect(same).toEqual({ state: { best: 0.8, stale: 1 }, stop: false });
    expect(advanceEarlyStopping(same.state, 2, options).stop).toBe(true);
  });
});
