import { describe, expect, test } from "vitest";
import type { RepeatMeans } from "./repeats.ts";
import { demoReport, overallScores } from "./report-data.ts";
import type { DemoSession } from "./score.ts";

const repeats: RepeatMeans = {
  units: 2,
  frames: 3,
  frameSeconds: 0.01,
  repeats: 32,
  course: (unit) => ({
    observed: Float64Array.of(unit, 1, 2),
    predicted: Float64Array.of(0, 1, 2),
    truth: undefined,
  }),
};

const sessions: DemoSession[] = [
  {
    name: "A_1",
    cids: [3, 7],
    bps: Float64Array.of(0.2, Number.NaN),
    oracleBps: Float64Array.of(0.5, Number.NaN),
    correlation: Float64Array.of(0.6, Number.NaN),
    samples: 10,
    repeats,
  },
  {
    name: "B_2",
    cids: [0],
    bps: Float64Array.of(0.4),
    oracleBps: null,
    correlation: Float64Array.of(0.5),
    samples: 10,
    repeats,
  },
];

describe("overallScores()", () => {
  test("averages over units that have a score, and compares where the truth is known", () => {
    const { bits, oracleBits, fraction } = overallScores(sessions);
    expect(bits).toBeCloseTo(0.3, 12);
    expect(oracleBits).toBe(0.5);
    expect(fraction).toBeCloseTo(0.4, 12);
  });

  test("knows nothing about no sessions", () => {
    expect(overallScores([])).toEqual({ bits: null, oracleBits: null, fraction: null });
  });
});

describe("demoReport()", () => {
  const words = { summary: "", facts: [], configuration: [], reproduce: [] };
  const report = demoReport({
    ...words,
    sessions,
    metrics: [
      { "trainer/global_step": 9, epoch: 0, train_loss_step: 1 },
      { "trainer/global_step": 9, epoch: 0, train_loss_epoch: 0.5, val_loss: 0.6, val_bps_overall: 0.1 },
    ],
  });

  test("names units by their numbers in the recording and leaves silent ones out", () => {
    expect(report.units).toEqual([
      { session: "A_1", unit: 3, bits: 0.2, oracleBits: 0.5 },
      { session: "B_2", unit: 0, bits: 0.4, oracleBits: null },
    ]);
    expect(report.sessions[0]).toEqual({ name: "A_1", units: 1, meanBits: 0.2, medianBits: 0.2, oracleBits: 0.5 });
  });

  test("draws epochs, counted from 1, and nothing else of the metrics", () => {
    expect(report.curves[0]!.series.map(({ x, y }) => [x, y])).toEqual([
      [[1], [0.5]],
      [[1], [0.6]],
    ]);
  });

  test("shows the responses of units that have repeats", () => {
    expect(report.traces[0]).toMatchObject({ title: "Best unit, 0.40 bits per spike", isMean: true });
    expect(report.traces[0]!.caption).toContain("Unit 0 of B_2");
  });
});
