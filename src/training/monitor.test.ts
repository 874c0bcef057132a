import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { checkMonitor, monitorOf, rankOf } from "./monitor.ts";

test("monitorOf() wants losses small and scores large, unless told otherwise", () => {
  expect(monitorOf()).toEqual({ metric: "val_bps_overall", mode: "max" });
  expect(monitorOf({ monitor: "val_loss/Allen" }).mode).toBe("min");
  expect(monitorOf({ monitor: "train_loss_epoch", monitorMode: null }).mode).toBe("min");
  expect(monitorOf({ monitor: "val_bps/loss_2020-01-01" }).mode).toBe("max");
  expect(monitorOf({ monitor: "val_loss", monitorMode: "max" }).mode).toBe("max");
});

test("rankOf() puts what is not a number last in both directions", () => {
  for (const mode of ["min", "max"] as const) {
    expect([rankOf(null, mode), rankOf(Number.NaN, mode)]).toEqual([-Infinity, -Infinity]);
  }
  expect(rankOf(2, "min")).toBeLessThan(rankOf(1, "min"));
});

describe("checkMonitor()", () => {
  const sessions = ["Allen_2022-02-16", "Logan_2019-12-20"];

  test("accepts what every epoch logs", () => {
    for (const metric of [
      "val_bps_overall",
      "val_loss",
      "train_loss_epoch",
      "val_bps/Allen",
      "val_loss/Logan_2019-12-20",
    ])
      expect(() => checkMonitor(metric, sessions)).not.toThrow();
  });

  test("lists the metrics there are, and the one that was meant", () => {
    const attempt = () => checkMonitor("val_los", sessions);
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(
      "There are val_bps_overall, val_loss, train_loss_epoch, val_bps/Allen, val_bps/Logan, val_bps/Allen_2022-02-16, " +
        "val_bps/Logan_2019-12-20, val_loss/Allen, val_loss/Logan, val_loss/Allen_2022-02-16, val_loss/Logan_2019-12-20",
    );
    expect(attempt).toThrow(expect.objectContaining({ hint: 'Did you mean "val_loss"?' }));
  });

  test("refuses metrics of sessions that are not validated", () => {
    expect(() => checkMonitor("val_bps/Logan", sessions.slice(0, 1))).toThrow('Cannot monitor "val_bps/Logan"');
    expect(() => checkMonitor("val_loss", [])).toThrow('Cannot monitor "val_loss"');
  });
});
