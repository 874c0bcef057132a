import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import { setNumThreads, tensorStats } from "../../torch/index.ts";
import { smoothPenalty } from "./pixel-grid.ts";
import { PoissonDesign } from "./poisson-design.ts";
import { fitPoisson } from "./poisson-fit.ts";
import { sampleSpace } from "./sample-space.ts";

setNumThreads(1);

const [SAMPLES, COUNT, UNITS] = [20, 30, 2];
const random = new MersenneTwister(8);
const features = Float32Array.from({ length: SAMPLES * COUNT }, () => random.uniform() - 0.5);
const penalty = smoothPenalty([1, 1, 5, 6]);
const robs = Float32Array.from({ length: SAMPLES * UNITS }, () => random.next() % 4);

describe("sampleSpace()", () => {
  test("has the optimum of the original regression", async () => {
    const shared = {
      robs,
      weights: new Float32Array(robs.length).fill(1),
      link: "softplus",
      ridge: Float64Array.of(0.1, 0.01),
    } as const;
    const covariance = new Float64Array(COUNT * COUNT);
    for (let i = 0; i < SAMPLES * COUNT * COUNT; i++) {
      const [sample, cell] = [Math.floor(i / COUNT ** 2), i % COUNT ** 2];
      const [a, b] = [Math.floor(cell / COUNT), cell % COUNT];
      covariance[cell]! += (features[sample * COUNT + a]! * features[sample * COUNT + b]!) / SAMPLES;
    }
    const full = await fitPoisson({
      ...shared,
      design: new PoissonDesign(features, COUNT, UNITS, SAMPLES, null),
      covariance,
      penalty,
    });
    const { live } = tensorStats();
    const space = sampleSpace(features, COUNT, penalty);
    expect(space.width).toBeLessThanOrEqual(SAMPLES);
    const reduced = await fitPoisson({
      ...shared,
      ...space,
      design: new PoissonDesign(space.values, space.width, UNITS, SAMPLES, null),
    });
    const weights = space.expand(reduced.parameters.slice(0, space.width * UNITS), UNITS);
    expect(tensorStats().live).toBe(live);
    expect([...weights]).toEqual(Array.from(full.parameters.slice(0, COUNT * UNITS), (w) => expect.closeTo(w, 2)));
    expect(Math.max(...weights)).toBeGreaterThan(0.2);
  });

  test("is empty for features that never change", () => {
    const space = sampleSpace(new Float32Array(SAMPLES * COUNT), COUNT, penalty);
    expect(space.width).toBe(0);
    expect(space.expand(new Float64Array(0), UNITS)).toEqual(new Float64Array(COUNT * UNITS));
  });
});
