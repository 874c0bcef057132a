/**
 * @file From a scored demo run to the numbers and words of its report.
 */

import type { ReportCurve, ReportData, ReportTrace, ReportUnit } from "../../report/report.ts";
import type { MetricRecord } from "../../training/tracker.ts";
import type { DemoSession } from "./score.ts";

/** Everything the report tells about. */
export interface DemoRun {
  readonly sessions: readonly DemoSession[];
  /** Records of the run's metrics file. */
  readonly metrics: readonly MetricRecord[];
  readonly facts: ReportData["facts"];
  readonly summary: string;
  readonly configuration: ReportData["configuration"];
  readonly reproduce: readonly string[];
}

/** Mean over units, of the twin and of the true rates, over the units that have both. */
export function overallScores(sessions: readonly DemoSession[]): {
  bits: number | null;
  oracleBits: number | null;
  fraction: number | null;
} {
  const units = unitScores(sessions);
  const known = units.filter(({ oracleBits }) => oracleBits !== null);
  const bits = mean(units.map((unit) => unit.bits));
  const oracleBits = mean(known.map((unit) => unit.oracleBits!));
  const fraction = oracleBits === null ? null : mean(known.map((unit) => unit.bits))! / oracleBits;
  return { bits, oracleBits, fraction };
}

/** The report of a demo run. */
export function demoReport({ sessions, metrics, ...words }: DemoRun): ReportData {
  const { bits, oracleBits, fraction } = overallScores(sessions);
  return {
    title: "A twin of the demo population",
    bitsPerSpike: bits,
    oracleBits,
    fractionOfOracle: fraction,
    curves: trainingCurves(metrics),
    sessions: sessions.map(({ name, ...session }) => {
      const scores = unitScores([{ name, ...session }]);
      return {
        name,
        units: scores.length,
        meanBits: mean(scores.map((unit) => unit.bits)),
        medianBits: quantile(
          scores.map((unit) => unit.bits),
          0.5,
        ),
        oracleBits: mean(scores.flatMap((unit) => unit.oracleBits ?? [])),
      };
    }),
    units: unitScores(sessions),
    traces: pickTraces(sessions),
    maps: [],
    ...words,
  };
}

/** Scores of all units that have one, session after session. */
function unitScores(sessions: readonly DemoSession[]): ReportUnit[] {
  return sessions.flatMap(({ name, cids, bps, oracleBps }) =>
    cids.flatMap((unit, i) => {
      if (!Number.isFinite(bps[i])) return [];
      return { session: name, unit, bits: bps[i]!, oracleBits: oracleBps === null ? null : oracleBps[i]! };
    }),
  );
}

function trainingCurves(metrics: readonly MetricRecord[]): ReportCurve[] {
  const epochs = metrics.filter((record) => record.val_loss !== undefined);
  if (epochs.length === 0) return [];
  const x = epochs.map(({ epoch }) => epoch! + 1);
  const column = (key: string) => epochs.map((record) => record[key] ?? Number.NaN);
  return [
    {
      title: "Loss",
      y: "Poisson loss",
      caption: "Lower is better. Training is measured while weights still change, validation after the epoch.",
      series: [
        { name: "training", x, y: column("train_loss_epoch") },
        { name: "validation", x, y: column("val_loss") },
      ],
    },
    {
      title: "Validation score",
      y: "bits per spike",
      caption: "Mean over sessions. The best epoch is the one scored here.",
      series: [{ name: "twin", x, y: column("val_bps_overall") }],
    },
  ];
}

/** Four units from the best down, with their mean responses to repeats. */
function pickTraces(sessions: readonly DemoSession[]): ReportTrace[] {
  const ranked = sessions
    .flatMap(({ name, cids, bps, repeats }) =>
      cids.flatMap((unit, i) => (!Number.isFinite(bps[i]) ? [] : [{ name, unit, i, bits: bps[i]!, repeats }])),
    )
    .sort((a, b) => b.bits - a.bits);
  const picks = [
    ["Best unit", 0],
    ["Upper quartile", 0.25],
    ["Median unit", 0.5],
    ["Lower quartile", 0.75],
  ] as const;
  return picks.flatMap(([label, part]) => {
    const picked = ranked[Math.floor(part * ranked.length)];
    if (picked === undefined) return [];
    const { name, unit, i, bits, repeats } = picked;
    const { observed, predicted, truth } = repeats.course(i);
    return {
      title: `${label}, ${bits.toFixed(2)} bits per spike`,
      caption: `Unit ${unit} of ${name}: means over ${repeats.repeats} repeats of images that were not used for training.`,
      frameSeconds: repeats.frameSeconds,
      isMean: true,
      observed,
      predicted,
      ...(truth && { truth }),
    };
  });
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function quantile(values: readonly number[], part: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (at - Math.floor(at)) * (high - low);
}
