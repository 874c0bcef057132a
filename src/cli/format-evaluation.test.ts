import { describe, expect, test } from "vitest";
import type { UnitScore } from "../eval/analysis.ts";
import { DEFAULT_ANALYSIS_OPTIONS, type Evaluation, type SessionEvaluation } from "../eval/evaluate.ts";
import {
  evaluationAsCsv,
  evaluationAsData,
  formatEvaluation,
  formatGaps,
  hasFailed,
  summarize,
} from "./format-evaluation.ts";

function session(name: string, cids: number[], analyses: SessionEvaluation["analyses"]): SessionEvaluation {
  return { name, index: 0, cids, frameRate: 120, samples: { backimage: 10 }, data: "d", analyses };
}

const ok = (...scores: UnitScore[]) => ({ status: "ok", scores, details: null, cached: false }) as const;
const bps = (...values: number[]): UnitScore => ({
  key: "bps",
  title: "bits per spike",
  values: Float64Array.from(values),
  headline: true,
  reasons: values.map((value) => (Number.isNaN(value) ? "no spike in valid samples" : null)),
});
const ccnorm: UnitScore = {
  key: "ccnorm",
  title: "CCnorm",
  values: Float64Array.of(0.8, 0.9, Number.NaN),
  low: Float64Array.of(0.7, 0.8, Number.NaN),
  high: Float64Array.of(0.9, 1, Number.NaN),
};

const evaluation: Evaluation = {
  checkpoint: { path: "run/last.safetensors", experiment: "run", epoch: 3, digest: "c" },
  options: DEFAULT_ANALYSIS_OPTIONS,
  sessions: [
    session("A_1", [2, 5, 9], { bps: ok(bps(0.1, 0.3, Number.NaN)), ccnorm: ok(ccnorm) }),
    session("B_2", [0], { bps: ok(bps(1)), ccnorm: { status: "missing", message: "there are no repeats" } }),
  ],
  warnings: ["something"],
  seconds: { data: 1, forward: 2, analyses: 3 },
};

test("summarize() leaves out what is no number", () => {
  expect(summarize([Number.NaN, 1, 3, 8])).toEqual({ units: 3, mean: 4, median: 3 });
  expect(summarize([])).toEqual({ units: 0, mean: Number.NaN, median: Number.NaN });
});

describe("formatEvaluation()", () => {
  test("shows headline scores of every session and of all units, and how many units have one", () => {
    const rows = formatEvaluation(evaluation)
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ["mean (median)", "units", "bits per spike"],
      ["A_1", "3", "0.2000 (0.2000, 2 of 3)"],
      ["B_2", "1", "1.0000 (1.0000)"],
      ["all", "4", "0.4667 (0.3000, 3 of 4)"],
    ]);
  });

  test("has a dash where a session lacks a score", () => {
    const [first, second] = evaluation.sessions;
    const silent = { ...second!, analyses: {} };
    expect(formatEvaluation({ ...evaluation, sessions: [first!, silent] }).split("\n")[2]).toMatch(/^B_2 +1 +-$/);
  });
});

describe("formatEvaluation() of many scores", () => {
  const many = (name: string) =>
    session(name, [0], {
      bps: ok(...Array.from({ length: 7 }, (_, i) => ({ ...bps(i), key: `s${i}`, title: `score ${i}` }))),
    });

  test("has a row for every score", () => {
    const rows = formatEvaluation({ ...evaluation, sessions: [many("A_1"), many("B_2")] })
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(["mean (median)", "A_1", "B_2", "all"]);
    expect(rows[1]).toEqual(["units", "1", "1", "2"]);
    expect(rows[8]).toEqual(["score 6", "6.0000 (6.0000)", "6.0000 (6.0000)", "6.0000 (6.0000)"]);
  });

  test("shows all units together where there are many sessions", () => {
    const sessions = ["A", "B", "C", "D", "E"].map(many);
    expect(formatEvaluation({ ...evaluation, sessions }).split("\n")[0]).toMatch(/^mean \(median\) +all$/);
  });
});

describe("formatGaps()", () => {
  test("names what was not possible and where", () => {
    expect(formatGaps(evaluation)).toEqual(["ccnorm not possible: there are no repeats (B_2)"]);
    expect(hasFailed(evaluation)).toBe(false);
  });

  test("joins sessions with the same reason, and tells failures apart", () => {
    const failed = ["A", "B", "C", "D"].map((name) =>
      session(name, [0], { sta: { status: "failed", message: "boom" } }),
    );
    expect(formatGaps({ ...evaluation, sessions: failed })).toEqual(["sta failed: boom (4 sessions)"]);
    expect(hasFailed({ ...evaluation, sessions: failed })).toBe(true);
  });
});

test("evaluationAsCsv() has a column for every score and its interval, empty where there is none", () => {
  expect(evaluationAsCsv(evaluation)).toBe(
    "session,unit,bps,ccnorm,ccnorm_low,ccnorm_high\n" +
      "A_1,2,0.1,0.8,0.7,0.9\nA_1,5,0.3,0.9,0.8,1\nA_1,9,,,,\nB_2,0,1,,,\n",
  );
});

test("evaluationAsData() gives summaries, and null with the reason for what is not defined", () => {
  const data = JSON.parse(JSON.stringify(evaluationAsData(evaluation)));
  expect(data.sessions[0].summary.bps).toEqual({ units: 2, mean: 0.2, median: 0.2 });
  expect(data.sessions[0].units[2]).toEqual({
    unit: 9,
    bps: null,
    ccnorm: null,
    ccnorm_low: null,
    ccnorm_high: null,
    undefined_because: { bps: "no spike in valid samples" },
  });
  expect(data.sessions[1].analyses.ccnorm).toEqual({ status: "missing", message: "there are no repeats" });
  expect(data).toMatchObject({ warnings: ["something"], seconds: { forward: 2 }, checkpoint: { epoch: 3 } });
});
