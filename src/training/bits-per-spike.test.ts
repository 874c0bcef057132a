import { describe, expect, test } from "vitest";
import { scope, tensor, tensorStats } from "../torch/index.ts";
import { BitsPerSpike, sumScores } from "./bits-per-spike.ts";

describe("BitsPerSpike", () => {
  test("does not depend on how samples are divided into batches", () => {
    const rates = Float32Array.from({ length: 60 }, (_, i) => 0.1 + ((i * 7) % 11) / 10);
    const counts = Float32Array.from({ length: 60 }, (_, i) => (i * 5) % 3);
    const mask = Float32Array.from({ length: 60 }, (_, i) => Number(i % 4 > 0));
    const score = (size: number) => {
      const scorer = new BitsPerSpike(2);
      for (let i = 0; i < 30; i += size) {
        const part = (values: Float32Array) => tensor(values.subarray(2 * i, 2 * (i + size)), [size, 2]);
        scope(() => scorer.add(part(rates), part(counts), part(mask)));
      }
      const scores = scorer.scores({ silent: "formula" });
      expect(scorer.samples).toBe(30);
      scorer.dispose();
      return Array.from(scores);
    };
    expect(score(1)).toEqual(score(30).map((value) => expect.closeTo(value, 12)));
  });

  test("owns one tensor and frees it", () => {
    const { live } = tensorStats();
    const scorer = new BitsPerSpike(3);
    for (let i = 0; i < 5; i++) {
      scope(() => scorer.add(tensor(new Float32Array(6), [2, 3]), tensor(new Float32Array(6), [2, 3])));
    }
    expect(tensorStats().live).toBe(live + 1);
    scorer.dispose();
    expect(tensorStats().live).toBe(live);
  });
});

test("sumScores() floors units at 0 and leaves out those that are not numbers", () => {
  expect(sumScores(Float64Array.of(0.5, -3, Number.NaN, 0.25))).toEqual({ sum: 0.75, count: 3 });
});
