import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { advancePlateau, checkSchedule, type PlateauState, type ScheduleOptions, scheduledRate } from "./schedules.ts";

const rates = (options: ScheduleOptions, epochs: number, length: number) =>
  Array.from({ length: epochs }, (_, epoch) => scheduledRate(options, 1, epoch, length));
const close = (values: number[]) => values.map((value) => expect.closeTo(value, 12));

describe("scheduledRate()", () => {
  test.each(["cosine", "cosine_warmup"] as const)("keeps %s at its end after the run's length", (kind) => {
    expect(rates({ kind, warmupEpochs: 0 }, 7, 4)).toEqual(
      close([1, 0.8535533905932737, 0.5, 0.1464466094067262, 0, 0, 0]),
    );
  });

  test("survives a warm-up as long as the run", () => {
    expect(rates({ kind: "cosine_warmup", warmupEpochs: 2 }, 4, 2)).toEqual([0, 0.5, 1, 1]);
    expect(rates({ kind: "cosine_warmup_restart", warmupEpochs: 2 }, 4, 2)).toEqual([0, 0.5, 1, 1]);
  });

  test("has no restart when there is no room for one", () => {
    expect(rates({ kind: "cosine_warmup_restart", warmupEpochs: 2 }, 5, 3)).toEqual(close([0, 0.5, 1, 0, 0]));
  });

  test.each(["cosine", "cosine_warmup", "cosine_warmup_restart"] as const)(
    "lets %s follow a changed length",
    (kind) => {
      const options = { kind, warmupEpochs: 1 };
      expect(scheduledRate(options, 1, 5, 9999)).toBeGreaterThan(0.999);
      expect(scheduledRate(options, 1, 5, 12)).toBeLessThan(0.9);
    },
  );

  test("takes positions inside an epoch", () => {
    expect(scheduledRate({ kind: "cosine_warmup", warmupEpochs: 2 }, 1, 0.25, 10)).toBe(0.125);
  });
});

describe("advancePlateau()", () => {
  test("counts a loss that is not a number as no improvement", () => {
    let state: PlateauState = { factor: 1, best: null, stale: 0 };
    for (const loss of [1, Number.NaN, Number.NaN, Number.NaN, Number.NaN]) state = advancePlateau(state, loss);
    expect(state).toEqual({ factor: 0.5, best: 1, stale: 0 });
  });
});

describe("checkSchedule()", () => {
  test.each([
    [{ kind: "linear" as "none" }, 'Unknown learning-rate schedule "linear"'],
    [{ kind: "cosine_warmup", warmupEpochs: -1 }, "warmup_epochs is -1"],
    [{ kind: "cosine_warmup_restart", restartPeriod: 0 }, "restart_period is 0"],
  ] satisfies [ScheduleOptions, string][])("refuses %j", (options, message) => {
    expect(() => checkSchedule(options)).toThrow(UserError);
    expect(() => checkSchedule(options)).toThrow(message);
  });
});
