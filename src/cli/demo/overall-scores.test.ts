import { describe, expect, test } from "vitest";
import type { Evaluation } from "../../eval/evaluate.ts";
import { overallScores } from "./overall-scores.ts";

/** An evaluation with the scores of `bps` alone, of sessions whose true rates are known or not. */
function evaluation(sessions: readonly { bits: number[]; truth?: number[] }[]): Evaluation {
  const made = sessions.map(({ bits, truth }, i) => {
    const scores = [{ key: "bps", title: "bits per spike", values: Float64Array.from(bits) }];
    if (truth) scores.push({ key: "bps_true_rates", title: "of the true rates", values: Float64Array.from(truth) });
    const cids = bits.map((_, unit) => unit);
    return { name: `A_${i}`, cids, analyses: { bps: { status: "ok", scores, details: {}, cached: false } } };
  });
  return { sessions: made } as unknown as Evaluation;
}

describe("overallScores()", () => {
  test("averages over units that have a score, and compares where the truth is known", () => {
    const found = overallScores(evaluation([{ bits: [0.2, Number.NaN], truth: [0.5, Number.NaN] }, { bits: [0.4] }]));
    expect(found.bits).toBeCloseTo(0.3, 12);
    expect(found.oracleBits).toBe(0.5);
    expect(found.fraction).toBeCloseTo(0.4, 12);
  });

  test("knows nothing about no sessions", () => {
    expect(overallScores(evaluation([]))).toEqual({ bits: null, oracleBits: null, fraction: null });
  });
});
