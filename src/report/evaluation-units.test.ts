import { describe, expect, test } from "vitest";
import { fakeEvaluation, withOutcomes } from "./evaluation.fake.ts";
import { detailsOf, exampleUnits, locate, poolUnits, summarize, unitName } from "./evaluation-units.ts";

const missing = { status: "missing", message: "no repeats" } as const;

describe("poolUnits()", () => {
  const evaluation = withOutcomes(fakeEvaluation({ sessions: 3, units: 4 }), 1, { ccnorm: missing });
  const units = poolUnits(evaluation);

  test("puts units of sessions side by side, NaN where a session lacks a score", () => {
    const { values, low } = units.scores.get("ccnorm")!;
    expect(units.count).toBe(12);
    expect([...values.subarray(4, 8), ...low!.subarray(4, 8)].every(Number.isNaN)).toBe(true);
    expect(Number.isFinite(values[0]) && Number.isFinite(values[8]) && Number.isFinite(low![8])).toBe(true);
    expect(units.scores.get("bps")!.low).toBeUndefined();
  });

  test("knows session and number of a unit", () => {
    expect(locate(units, 6)).toEqual({ session: 1, place: 2 });
    expect(unitName(units, 6)).toBe("unit 7 of A_2");
  });

  test("leaves details of what is missing undefined", () => {
    expect(detailsOf(evaluation.sessions[1]!, "ccnorm")).toBeUndefined();
    expect(detailsOf(evaluation.sessions[0]!, "ccnorm")!.stimulus).toBe("fixrsvp");
  });
});

describe("exampleUnits()", () => {
  test("picks the best unit and those at the quartiles", () => {
    const values = Float64Array.from({ length: 9 }, (_, i) => i);
    expect(exampleUnits(values).map(({ rank, unit }) => [rank, unit])).toEqual([
      ["Best", 8],
      ["Upper quartile", 6],
      ["Median", 4],
      ["Lower quartile", 2],
    ]);
    expect(exampleUnits(values, (unit) => unit < 3).map(({ unit }) => unit)).toEqual([2, 1, 0]);
  });

  test("picks no unit twice and none without the score", () => {
    expect(exampleUnits([Number.NaN, 1]).map(({ unit }) => unit)).toEqual([1]);
    expect(exampleUnits([Number.NaN])).toEqual([]);
  });
});

test("summarize() is about the finite ones", () => {
  expect(summarize([4, Number.NaN, 1, 2, 3])).toEqual({ n: 4, mean: 2.5, median: 2.5, q1: 1.75, q3: 3.25 });
  expect(summarize([])).toMatchObject({ n: 0, mean: Number.NaN });
});
