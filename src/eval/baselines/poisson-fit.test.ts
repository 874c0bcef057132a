import { describe, expect, test } from "vitest";
import { MersenneTwister } from "../../data/random.ts";
import { setNumThreads, tensorStats } from "../../torch/index.ts";
import { poissonCount } from "./planted.fake.ts";
import { PoissonDesign, type SpikeHistory } from "./poisson-design.ts";
import { fitPoisson, type PoissonProblem } from "./poisson-fit.ts";
import { LINKS, type Link } from "./poisson-link.ts";

setNumThreads(1);

const [SAMPLES, WIDTH, UNITS] = [600, 5, 3];
const random = new MersenneTwister(3);
const draw = () => random.uniform() + random.uniform() + random.uniform() - 1.5;
const features = Float32Array.from({ length: SAMPLES * WIDTH }, (_, i) => draw() * (1 + (i % WIDTH)));
const planted = Float64Array.from({ length: WIDTH * UNITS }, (_, i) => 0.4 * Math.cos(i));
const robs = new Float32Array(SAMPLES * UNITS);
for (let i = 0; i < SAMPLES; i++) {
  for (let u = 0; u < UNITS; u++) {
    let drive = -0.5;
    for (let p = 0; p < WIDTH; p++) drive += features[i * WIDTH + p]! * planted[p * UNITS + u]!;
    robs[i * UNITS + u] = poissonCount(Math.min(8, Math.exp(drive)), random);
  }
}
const weights = Float32Array.from({ length: SAMPLES * UNITS }, (_, i) => [1, 1, 0, 0.5][i % 4]!);
const penalty = Float64Array.from({ length: WIDTH * WIDTH }, (_, i) => {
  const difference = Math.abs(Math.floor(i / WIDTH) - (i % WIDTH));
  return difference === 0 ? 3 : difference === 1 ? -1 : 0;
});
const covariance = new Float64Array(WIDTH * WIDTH);
for (let i = 0; i < SAMPLES; i++) {
  for (let p = 0; p < WIDTH; p++) {
    for (let q = 0; q < WIDTH; q++) {
      covariance[p * WIDTH + q]! += (features[i * WIDTH + p]! * features[i * WIDTH + q]!) / SAMPLES;
    }
  }
}
const history: SpikeHistory = {
  counts: Uint8Array.from([...new Uint8Array(2 * UNITS), ...robs]),
  rows: Int32Array.from({ length: SAMPLES }, (_, i) => i + 2),
  lags: 2,
  means: Float64Array.of(0.3, 0.6, 0.1),
  variances: Float64Array.of(1, 1, 1),
};

function problem(link: Link, past: SpikeHistory | null = null): PoissonProblem {
  const design = new PoissonDesign(features, WIDTH, UNITS, SAMPLES, past);
  return { design, robs, weights, link, covariance, penalty, ridge: Float64Array.of(0.01, 0.1, 0.01) };
}

/** The objective of one unit as the file comment has it, in plain loops. */
function objective({ link, ridge }: PoissonProblem, parameters: Float64Array, u: number, lags: number): number {
  let [spikes, loss] = [0, 0];
  for (let i = 0; i < SAMPLES; i++) {
    let drive = parameters[(WIDTH + lags) * UNITS + u]!;
    for (let p = 0; p < WIDTH; p++) drive += features[i * WIDTH + p]! * parameters[p * UNITS + u]!;
    for (let lag = 1; lag <= lags; lag++) {
      const count = i - lag >= 0 ? robs[(i - lag) * UNITS + u]! : 0;
      drive += (count - history.means[u]!) * parameters[(WIDTH + lag - 1) * UNITS + u]!;
    }
    const rate = link === "exponential" ? Math.exp(drive) : Math.log1p(Math.exp(drive));
    const cell = i * UNITS + u;
    loss += weights[cell]! * (rate - robs[cell]! * Math.log(rate));
    spikes += weights[cell]! * robs[cell]!;
  }
  let quadratic = 0;
  for (let p = 0; p < WIDTH; p++) {
    for (let q = 0; q < WIDTH; q++) {
      quadratic += parameters[p * UNITS + u]! * penalty[p * WIDTH + q]! * parameters[q * UNITS + u]!;
    }
  }
  let prior = 0;
  for (let lag = 0; lag < lags; lag++) prior += parameters[(WIDTH + lag) * UNITS + u]! ** 2;
  return (loss + prior / 2) / spikes + (ridge[u]! / 2) * quadratic;
}

describe("fitPoisson()", () => {
  test.each(LINKS.flatMap((link) => [[link, 0] as const, [link, 2] as const]))(
    "finds the minimum of the objective: %s link, %i history lags",
    async (link, lags) => {
      const posed = problem(link, lags > 0 ? history : null);
      const { parameters, unfinished } = await fitPoisson(posed);
      expect(unfinished).toEqual([]);
      for (let u = 0; u < UNITS; u++) {
        for (let row = 0; row < WIDTH + lags + 1; row++) {
          const moved = (step: number) => {
            const other = parameters.slice();
            other[row * UNITS + u]! += step;
            return objective(posed, other, u, lags);
          };
          // Central difference of a smooth function at its minimum.
          expect(Math.abs(moved(1e-4) - moved(-1e-4)) / 2e-4).toBeLessThan(2e-3);
          expect(moved(0.05)).toBeGreaterThan(moved(0));
          expect(moved(-0.05)).toBeGreaterThan(moved(0));
        }
      }
    },
  );

  test("gives the same bits every time, and does not depend on the start", async () => {
    const [a, b] = [await fitPoisson(problem("exponential")), await fitPoisson(problem("exponential"))];
    expect(a.parameters).toEqual(b.parameters);
    const start = new Float64Array(a.parameters.length).fill(0.3);
    const c = await fitPoisson(problem("exponential"), { start });
    expect([...c.parameters]).toEqual(Array.from(a.parameters, (value) => expect.closeTo(value, 3)));
  });

  test("fits each unit as if it were alone, and leaves one without spikes where it started", async () => {
    const all = await fitPoisson(problem("softplus"));
    const silenced = { ...problem("softplus"), robs: robs.map((count, i) => (i % UNITS === 1 ? 0 : count)) };
    const some = await fitPoisson(silenced);
    for (let row = 0; row <= WIDTH; row++) {
      expect(some.parameters[row * UNITS]).toBeCloseTo(all.parameters[row * UNITS]!, 4);
      expect(some.parameters[row * UNITS + 1]).toBe(0);
    }
    expect(some.unfinished).toEqual([]);
  });

  test("leaves no tensors and stops when told to", async () => {
    const { live } = tensorStats();
    await fitPoisson(problem("exponential", history));
    expect(tensorStats().live).toBe(live);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(fitPoisson(problem("exponential"), { signal })).rejects.toThrow("enough");
  });
});

describe("PoissonDesign", () => {
  test("has an adjoint: <apply(x), y> = <x, adjoint(y)>", async () => {
    const { scope, tensor } = await import("../../torch/index.ts");
    const design = new PoissonDesign(features, WIDTH, UNITS, SAMPLES, history);
    const x = Float64Array.from({ length: design.parameters * UNITS }, () => draw());
    const y = Float32Array.from({ length: SAMPLES * UNITS }, () => draw());
    const [ax, aty] = scope(() => [
      design.apply(tensor(x, [design.parameters, UNITS])).toTypedArray() as Float32Array,
      design.adjoint(tensor(y, [SAMPLES, UNITS])).toTypedArray() as Float64Array,
    ]);
    const left = ax!.reduce((sum, value, i) => sum + value * y[i]!, 0);
    const right = aty!.reduce((sum, value, i) => sum + value * x[i]!, 0);
    expect(left).toBeCloseTo(right, 2);
    expect(Math.abs(left)).toBeGreaterThan(1);
  });
});
