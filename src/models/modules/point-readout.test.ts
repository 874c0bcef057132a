import { describe, expect, test } from "vitest";
import {
  linspace,
  noGrad,
  scope,
  seedDefaultGenerator,
  stack,
  type Tensor,
  tensor,
  tensorScope,
} from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
import { PointReadout, type PointReadoutOptions } from "./point-readout.ts";

const options: PointReadoutOptions = {
  channels: 3,
  nUnits: 4,
  bias: true,
  covariance: "full",
  sample: "sample",
  initMuRange: 0.5,
  initSigma: 0.2,
};
const COVARIANCES = ["isotropic", "uncorrelated", "full"] as const;

/** The readout of units that put out where they look: the first half x, the second half y. `[batch, 2, 9, 7]` goes with it. */
function surveyor(change: Partial<PointReadoutOptions> = {}): PointReadout {
  const nUnits = change.nUnits ?? 4;
  const readout = new PointReadout(
    { ...options, channels: 2, bias: false, initMuRange: 0, ...change, nUnits },
    context(),
  );
  const weights = Array.from({ length: nUnits }, (_, unit) => (unit < nUnits / 2 ? [1, 0] : [0, 1]));
  readout.features.weight.detach().copy_(tensor(weights.flat(), [nUnits, 2, 1, 1]));
  return readout;
}

/** Features that say where they are: x, y. */
function coordinates(batch: number): Tensor {
  const x = linspace(-1, 1, 7).view([1, 7]).expand([9, 7]);
  const y = linspace(-1, 1, 9).view([9, 1]).expand([9, 7]);
  return stack([x, y]).unsqueeze(0).expand([batch, 2, 9, 7]);
}

const numbers = (values: Tensor) => Array.from(values.detach().contiguous().toTypedArray(), Number);

/** Bilinear interpolation at x, y between -1 and 1, with the outermost pixels going on. */
function interpolated(
  map: (row: number, column: number) => number,
  height: number,
  width: number,
  x: number,
  y: number,
) {
  const inside = (position: number, length: number) =>
    Math.min(Math.max(((position + 1) / 2) * (length - 1), 0), length - 1);
  const [row, column] = [inside(y, height), inside(x, width)];
  const [top, left] = [Math.floor(row), Math.floor(column)];
  let sum = 0;
  for (const r of [top, top + 1]) {
    for (const c of [left, left + 1]) {
      const weight = (1 - Math.abs(row - r)) * (1 - Math.abs(column - c));
      if (weight > 0) sum += weight * map(r, c);
    }
  }
  return sum;
}

describe("PointReadout.forward()", () => {
  test("weighs what bilinear interpolation gives at the means, also outside of the map", () => {
    using _scope = tensorScope();
    const readout = shaken(new PointReadout({ ...options, initMuRange: 1.5 }, context())).eval();
    const x = doubles([2, 3, 5, 6]);
    const shift = doubles([2, 2], 3);
    const features = numbers(x);
    const [mean, weight, bias] = [readout.mean, readout.features.weight, readout.bias!].map(numbers);
    const [shifts, none] = [numbers(shift), [0, 0, 0, 0]];
    const expected = (by: readonly number[]) =>
      Array.from({ length: 2 * 4 }, (_, i) => {
        const [sample, unit] = [Math.floor(i / 4), i % 4];
        const [atX, atY] = [0, 1].map((axis) => mean![2 * unit + axis]! + by[2 * sample + axis]!) as [number, number];
        let sum = bias![unit]!;
        for (let channel = 0; channel < 3; channel++) {
          const map = (row: number, column: number) => features[((sample * 3 + channel) * 5 + row) * 6 + column]!;
          sum += weight![unit * 3 + channel]! * interpolated(map, 5, 6, atX, atY);
        }
        return sum;
      });
    for (const [actual, wanted] of [
      [readout.forward(x), expected(none)],
      [readout.forward(x, shift), expected(shifts)],
    ] as const) {
      for (const [i, value] of numbers(actual).entries()) expect(value).toBeCloseTo(wanted[i]!, 12);
    }
  });

  test.each(
    COVARIANCES.flatMap((covariance) => (["batch", "sample"] as const).map((sample) => ({ covariance, sample }))),
  )("has true gradients of drawn places: $covariance, one draw per $sample", (change) => {
    using _scope = tensorScope();
    const [x, shift] = [doubles([2, 3, 2, 5, 6]), doubles([2, 2], 3).detach().mul(0.1).setRequiresGrad()];
    const readout = shaken(new PointReadout({ ...options, ...change }, context()));
    const draw = (by: Tensor | null) => () => {
      seedDefaultGenerator(4);
      return scope(() => [readout.forward(x, by)]);
    };
    expectTrueGradients(readout, { x }, draw(null));
    expectTrueGradients(readout, { x, shift }, draw(shift));
  });

  test("has true gradients in evaluation, none of them for sigma", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 2, 5, 6]);
    const readout = shaken(new PointReadout(options, context())).eval();
    expectTrueGradients(readout, { x }, () => [readout.forward(x)]);
    readout.sigma.setGrad(null);
    readout.forward(x).sum().backward();
    expect(readout.sigma.grad).toBeNull();
    expect(readout.mean.grad).not.toBeNull();
  });

  test("looks at the means in evaluation and elsewhere in training", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 5, 6]).detach().float();
    const readout = new PointReadout(options, context());
    const training = [0, 1].map(() => numbers(readout.forward(x)));
    expect(training[0]).not.toEqual(training[1]);
    readout.eval();
    const evaluation = [0, 1].map(() => numbers(readout.forward(x)));
    expect(evaluation[0]).toEqual(evaluation[1]);
    expect(evaluation[0]).not.toEqual(training[0]);
  });

  test("draws from the default generator: equal states, equal places", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 5, 6]).detach().float();
    const readout = new PointReadout(options, context());
    const [first, again, other] = [8, 8, 9].map((seed) => {
      seedDefaultGenerator(seed);
      return numbers(readout.forward(x));
    });
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test.each([
    { covariance: "isotropic" as const, sigma: [0.1], expected: [0.01, 0.01] },
    { covariance: "uncorrelated" as const, sigma: [0.1, -0.2], expected: [0.01, 0.04] },
    { covariance: "full" as const, sigma: [0.1, 0.05, -0.2, 0.1], expected: [0.0125, 0.05] },
  ])("draws places with the covariance it is given: $covariance", ({ covariance, sigma, expected }) => {
    using _scope = tensorScope();
    seedDefaultGenerator(1);
    const readout = surveyor({ nUnits: 2, covariance });
    readout.sigma.detach().copy_(tensor([...sigma, ...sigma], readout.sigma.shape));
    const count = 20_000;
    const places = noGrad(() => readout.forward(coordinates(count)));
    expect(places.mean(0).abs().amax().item()).toBeLessThan(0.01);
    const variance = numbers(places.square().mean(0));
    // Two units draw independently, so that only variances are seen here; see below for the correlation.
    for (const [axis, value] of variance.entries()) expect(value / expected[axis]!).toBeCloseTo(1, 1);
  });

  test("correlates x and y of a unit as a full covariance says", () => {
    using _scope = tensorScope();
    seedDefaultGenerator(1);
    const readout = surveyor({ nUnits: 1 });
    readout.sigma.detach().copy_(tensor([0.1, 0.05, -0.2, 0.1], [1, 2, 2]));
    // x + y: var(x) + var(y) + 2 cov(x, y), cov = 0.1 * -0.2 + 0.05 * 0.1.
    readout.features.weight.detach().fill_(1);
    const sums = noGrad(() => readout.forward(coordinates(20_000)));
    expect(sums.square().mean().item() / (0.0125 + 0.05 - 2 * 0.015)).toBeCloseTo(1, 1);
  });

  test("draws once per batch or once per sample", () => {
    using _scope = tensorScope();
    const distinct = (sample: "batch" | "sample") => {
      const places = numbers(surveyor({ sample }).forward(coordinates(5)).select(1, 0));
      return new Set(places.map((place) => place.toFixed(5))).size;
    };
    expect([distinct("batch"), distinct("sample")]).toEqual([1, 5]);
  });

  test("reads x along columns and y along rows, and the outermost pixels beyond the map", () => {
    using _scope = tensorScope();
    const readout = surveyor({ nUnits: 2 }).eval();
    const at = (x: number, y: number) => {
      readout.mean.detach().copy_(tensor([x, y, x, y], [2, 2]));
      return numbers(readout.forward(coordinates(1))).map((value) => Number(value.toFixed(5)));
    };
    expect(at(0.3, -0.6)).toEqual([0.3, -0.6]);
    expect(at(1, -1)).toEqual([1, -1]);
    expect(at(1.7, -2)).toEqual([1, -1]);
  });

  test("gives features their gradient also where a place lies outside, but not the place", () => {
    using _scope = tensorScope();
    const readout = surveyor({ nUnits: 2 }).eval();
    readout.mean.detach().fill_(1.4);
    const features = coordinates(1).clone().setRequiresGrad();
    readout.forward(features).sum().backward();
    expect(features.grad!.abs().sum().item()).toBeCloseTo(2);
    expect(readout.mean.grad!.abs().sum().item()).toBe(0);
  });

  test("moves every sample by its own shift", () => {
    using _scope = tensorScope();
    const readout = surveyor({ nUnits: 2 }).eval();
    const shifts = [0.75, 0.125, 0.25, -0.5, -1, 0.5];
    const places = numbers(readout.forward(coordinates(3), tensor(shifts, [3, 2])));
    expect(places.map((place) => Number(place.toFixed(5)))).toEqual(shifts);
  });

  test("keeps units apart: another order of units is another order of outputs", () => {
    using _scope = tensorScope();
    const readout = shaken(new PointReadout(options, context())).eval();
    const x = doubles([2, 3, 5, 6]);
    const before = readout.forward(x).detach();
    for (const { tensor: values } of readout.namedParameters()) values.detach().copy_(values.detach().flip(0));
    expect(numbers(readout.forward(x))).toEqual(numbers(before.flip(1)));
  });
});

describe("new PointReadout()", () => {
  test("starts with uniform means, round Gaussians and no bias", () => {
    using _scope = tensorScope();
    for (const covariance of COVARIANCES) {
      const readout = new PointReadout({ ...options, nUnits: 500, covariance }, context());
      const [mean, sigma] = [numbers(readout.mean), readout.sigma];
      expect(Math.max(...mean)).toBeLessThanOrEqual(0.5);
      expect(Math.max(...mean)).toBeGreaterThan(0.45);
      expect(Math.min(...mean)).toBeLessThan(-0.45);
      expect(sigma.shape).toEqual({ isotropic: [500, 1], uncorrelated: [500, 2], full: [500, 2, 2] }[covariance]);
      const expected = { isotropic: [0.2], uncorrelated: [0.2, 0.2], full: [0.2, 0, 0, 0.2] }[covariance];
      const first = numbers(sigma.select(0, 0)).map((value) => Number(value.toFixed(6)));
      expect(first).toEqual(expected);
      expect(readout.bias!.abs().amax().item()).toBe(0);
    }
  });

  test("names its parameters", () => {
    using _scope = tensorScope();
    const named = [...new PointReadout(options, context()).namedParameters()];
    expect(named.map(({ name, tensor: { shape } }) => [name, shape])).toEqual([
      ["bias", [4]],
      ["mean", [4, 2]],
      ["sigma", [4, 2, 2]],
      ["features.weight", [4, 3, 1, 1]],
    ]);
    const bare = new PointReadout({ ...options, bias: false }, context());
    expect(bare.bias).toBeNull();
  });
});
