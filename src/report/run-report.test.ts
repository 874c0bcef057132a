import { describe, expect, test } from "vitest";
import type { MetricRecord } from "../training/tracker.ts";
import { columnsAsCsv, type Figure } from "./figure.ts";
import { type ReportData, renderReport } from "./report.ts";
import { runReport, type TrainingRun } from "./run-report.ts";

/** Two epochs of a first process, one of a second that started ten minutes later. */
const metrics: MetricRecord[] = [0, 1, 2].flatMap((epoch) => {
  const process = { "process/started": epoch < 2 ? 1000 : 1600, "process/memory_mb": 500 + epoch };
  const time = 1060 + 60 * epoch + (epoch < 2 ? 0 : 480);
  const step = { "trainer/global_step": 10 * epoch + 9, time, ...process };
  return [
    { "lr-AdamW/pg1": 0.1 / (1 + epoch), "lr-AdamW/pg2": 0.1 / (1 + epoch), ...step },
    {
      epoch,
      train_loss_epoch: 1,
      val_loss: 1 - epoch / 10,
      val_bps_overall: epoch / 10,
      "val_bps/A_1": epoch / 5,
      ...step,
    },
  ];
});

const run = {
  name: "first",
  metrics,
  info: {
    model_config: { model_type: "v1multi" },
    sessions: [
      { name: "A_1", nUnits: 3 },
      { name: "B_2", nUnits: 4 },
    ],
    epoch: 2,
    settings: { seed: 7 },
  },
  parameters: 1234,
  reproduce: ["visioncore train --resume first"],
} as unknown as TrainingRun;

function figures({ sections }: ReportData): Figure[] {
  return sections.flatMap(({ items }) => items.filter((item): item is Figure => item.kind === "figure"));
}

describe("runReport()", () => {
  const report = runReport(run);

  test("counts processes, the time they worked, and their memory", () => {
    expect(report.facts).toEqual([
      ["bits per spike, mean over sessions", "0.200"],
      ["best epoch", "3"],
      ["parameters", "1,234"],
      ["time at work", "3.0 min"],
      ["times resumed", "1"],
      ["memory at most, MiB", "502"],
    ]);
  });

  test("draws memory with a line for each process and rates with a line for groups that share theirs", () => {
    const csv = (id: string) => columnsAsCsv(figures(report).find((figure) => figure.id === id)!.columns);
    expect(csv("memory")).toBe(
      "minutes,first process,minutes of resumed once,resumed once\n0,500,10,502\n0,500,10,502\n1,501,,\n1,501,,\n",
    );
    expect(csv("learning-rate")).toBe("step,learning rate\n10,0.1\n20,0.05\n30,0.03333333333333333\n");
  });

  test("takes scores from the checkpoint's epoch", () => {
    const bars = figures(report).find(({ id }) => id === "session-bars")!;
    expect(columnsAsCsv(bars.columns)).toBe("session,units,bits_per_spike\nA_1,3,0.4\nB_2,4,\n");
  });

  test("makes a page with the configuration that was used", () => {
    const html = renderReport(report);
    expect(html).toContain("v1multi");
    expect(html).toContain("&quot;seed&quot;: 7");
    expect(html).toContain("visioncore train --resume first");
  });

  test("is a page for metrics of older versions, which do not know the process", () => {
    const old = metrics.map(({ epoch, val_loss, val_bps_overall, ...rest }) => ({
      ...(epoch === undefined ? {} : { epoch, val_loss: val_loss!, val_bps_overall: val_bps_overall! }),
      "trainer/global_step": rest["trainer/global_step"]!,
    }));
    const page = runReport({ ...run, metrics: old });
    expect(page.facts).toHaveLength(3);
    expect(figures(page).map(({ id }) => id)).toEqual(["loss", "validation-score", "session-bars"]);
  });
});
