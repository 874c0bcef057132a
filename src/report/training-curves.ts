/**
 * @file Curves of a training run from its metrics: losses, scores, learning rates and what the process took.
 */
import type { MetricRecord } from "../training/tracker.ts";
import type { Figure } from "./figure.ts";
import { lineChart, type Series } from "./line-chart.ts";

/** A curve over the steps, epochs or minutes of a run. */
interface Curve {
  readonly id: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly caption: string;
  readonly series: readonly Series[];
  /** Whether the vertical axis begins at 0. */
  readonly fromZero?: boolean;
}

function curveFigure({ id, title, x, y, caption, series, fromZero }: Curve): Figure {
  const svg = lineChart({ description: `${title}. ${caption}`, x, y, fromZero }, series);
  const columns = series.flatMap((one, i) => {
    const own = { name: series.length === 1 ? y : one.name, values: one.y };
    // Series over the same places share their column.
    return i > 0 && one.x === series[i - 1]!.x
      ? [own]
      : [{ name: i === 0 ? x : `${x} of ${one.name}`, values: one.x }, own];
  });
  return { kind: "figure", id, title, caption, svg, columns };
}

/** Loss and validation score over epochs, counted from 1; none before the first epoch is complete. */
export function trainingCurves(metrics: readonly MetricRecord[]): Figure[] {
  const epochs = metrics.filter((record) => record.val_loss !== undefined);
  if (epochs.length === 0) return [];
  const x = epochs.map(({ epoch }) => epoch! + 1);
  const column = (key: string) => epochs.map((record) => record[key] ?? Number.NaN);
  return [
    curveFigure({
      id: "loss",
      title: "Loss",
      x: "epoch",
      y: "Poisson loss",
      caption: "Lower is better. Training is measured while weights still change, validation after the epoch.",
      series: [
        { name: "training", x, y: column("train_loss_epoch") },
        { name: "validation", x, y: column("val_loss") },
      ],
    }),
    curveFigure({
      id: "validation-score",
      title: "Validation score",
      x: "epoch",
      y: "bits per spike",
      caption: "Mean over sessions of bits per spike on validation samples.",
      series: [{ name: "twin", x, y: column("val_bps_overall") }],
    }),
  ];
}

/** Learning rates over steps, one line for each set of groups that share theirs. */
export function rateCurve(metrics: readonly MetricRecord[]): Figure[] {
  const records = metrics.filter((record) => Object.keys(record).some((key) => key.startsWith("lr-")));
  const x = records.map((record) => record["trainer/global_step"]! + 1);
  const lines = new Map<string, Series>();
  for (const key of Object.keys(records.at(-1) ?? {}).filter((name) => name.startsWith("lr-"))) {
    const y = records.map((record) => record[key] ?? Number.NaN);
    if (!lines.has(y.join())) lines.set(y.join(), { name: key.replace(/^lr-\w+\//, ""), x, y });
  }
  if (lines.size === 0) return [];
  const caption = "Of the optimiser's parameter groups; groups with the same course share a line.";
  const series = [...lines.values()].slice(0, 4);
  return [curveFigure({ id: "learning-rate", title: "Learning rate", x: "step", y: "learning rate", caption, series })];
}

/** Memory of the process over time; a line for each process that worked on the run. */
export function memoryCurve(metrics: readonly MetricRecord[]): Figure[] {
  const records = metrics.filter((record) => record["process/memory_mb"] !== undefined);
  const starts = [...new Set(records.map((record) => record["process/started"]!))];
  if (starts.length === 0) return [];
  const first = records[0]!.time!;
  const series = starts.map((start, i) => {
    const own = records.filter((record) => record["process/started"] === start);
    return {
      name: i === 0 ? "first process" : `resumed ${i === 1 ? "once" : `${i} times`}`,
      x: own.map(({ time }) => (time! - first) / 60),
      y: own.map((record) => record["process/memory_mb"]!),
      colour: (1 + (i % 4)) as 1 | 2 | 3 | 4,
    };
  });
  const caption = "What the process holds in memory. It should be level after the first epoch.";
  return [
    curveFigure({ id: "memory", title: "Memory", x: "minutes", y: "memory (MiB)", caption, series, fromZero: true }),
  ];
}
