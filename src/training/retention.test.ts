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
