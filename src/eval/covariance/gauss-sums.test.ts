import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../../data/synthetic/random.ts";
import { setNumThreads } from "../../torch/index.ts";
import { directSums, gaussSums } from "./gauss-sums.ts";

function cloud(points: number, width: number, seed = 3): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: 2 * points }, () => random.normal(0, width));
}

describe("gaussSums()", () => {
  beforeAll(() => setNumThreads(1));

  test("is the sum of exponentials for few points", () => {
    const [sum] = gaussSums(Float64Array.of(0, 0, 1, 2))(Float64Array.of(1, 0));
    expect(sum).toBeCloseTo(Math.exp(-0.5) + Math.exp(-2), 14);
    expect(gaussSums(Float64Array.of(0, 0))(new Float64Array(0))).toHaveLength(0);
  });

  test.each([
    ["a narrow cloud", 0.2],
    ["clouds as wide as those of gaze", 4],
    ["a wide cloud", 9],
  ])("agrees with the direct sum for many points, in %s", (_, width) => {
    const sources = cloud(9000, width);
    const targets = cloud(9000, width, 4);
    const sums = gaussSums(sources)(targets);
    const some = targets.subarray(0, 400);
    const direct = directSums(sources, some);
    // The scale is the largest sum: tails are as exact as rounding of the centre allows.
    const scale = sums.reduce((max, sum) => Math.max(max, sum), 0);
    direct.forEach((sum, i) => {
      expect(Math.abs(sums[i]! - sum) / scale).toBeLessThan(1e-11);
    });
  });

  test("takes targets beyond those of an earlier call", () => {
    const sources = cloud(6000, 3);
    const sums = gaussSums(sources);
    sums(cloud(6000, 1, 5));
    const targets = cloud(6000, 5, 6);
    const direct = directSums(sources, targets.subarray(0, 200));
    const expanded = sums(targets);
    direct.forEach((sum, i) => {
      expect(expanded[i]).toBeCloseTo(sum, 8);
    });
  });
});
