import { describe, expect, test } from "vitest";
import { full, linspace, scope, stack, type Tensor, tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
import { PointReadout } from "./point-readout.ts";
import { GaussianReadout, LinearReadout } from "./readout.ts";

const gaussian = { channels: 3, nUnits: 4, bias: true, initialStd: 1.5, initialMeanScale: 0.5 };

describe("GaussianReadout", () => {
  test("has true gradients", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 2, 5, 6]);
    const readout = shaken(new GaussianReadout(gaussian, context()));
    expectTrueGradients(readout, { x }, () => scope(() => [readout.forward(x)]));
  });

  test("reads the last frame alone", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 3, 5, 6]);
    const readout = shaken(new GaussianReadout(gaussian, context()));
    const whole = readout.forward(x).detach().toTypedArray();
    expect(readout.forward(x.select(2, 2)).detach().toTypedArray()).toEqual(whole);
  });

  test("pools under fields that sum to 1, centred where mean says: first y, then x", () => {
    using _scope = tensorScope();
    const readout = new GaussianReadout({ ...gaussian, initialMeanScale: 0 }, context());
    readout.mean.detach().select(1, 0).fill_(2);
    readout.mean.detach().select(1, 1).fill_(-1);
    const mask = readout.gaussianMask(11, 9).detach();
    expect(mask.sum([1, 2]).sub(1).abs().amax().item()).toBeLessThan(1e-5);
    const field = mask.select(0, 0).contiguous().toTypedArray() as Float32Array;
    const peak = field.indexOf(Math.max(...field));
    expect([Math.floor(peak / 9), peak % 9]).toEqual([5 + 2, 4 - 1]);
  });

  test("keeps units apart: another order of units is another order of outputs", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 5, 6]);
    const readout = shaken(new GaussianReadout(gaussian, context()));
    const before = readout.forward(x).detach();
    for (const { tensor } of readout.namedParameters()) tensor.detach().copy_(tensor.detach().flip(0));
    expect(largest(readout.forward(x).sub(before.flip(1)))).toBeLessThan(1e-12);
  });

  test("has the width it is given at the least", () => {
    using _scope = tensorScope();
    const readout = new GaussianReadout({ ...gaussian, initialMeanScale: 0 }, context());
    readout.std.detach().fill_(-4);
    expect(readout.gaussianMask(5, 5).select(1, 2).select(1, 2).sub(1).abs().amax().item()).toBeLessThan(1e-6);
  });
});

const largest = (x: Tensor) => x.detach().abs().amax().item();

describe("GaussianReadout.forward() with a shift per sample", () => {
  const turned = () => {
    const readout = shaken(new GaussianReadout(gaussian, context()));
    readout.theta.detach().add_(0.7);
    readout.std.detach().select(1, 0).mul_(0.6);
    return readout;
  };

  test("has true gradients, also for the shift", () => {
    using _scope = tensorScope();
    const [x, shift] = [doubles([2, 3, 2, 5, 6]), doubles([2, 2], 3)];
    const readout = turned();
    expectTrueGradients(readout, { x, shift }, () => scope(() => [readout.forward(x, shift)]));
  });

  test("gives what it gives without one where nothing is shifted", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 5, 6]);
    const readout = turned();
    const still = readout.forward(x, full([2, 2], 0, { dtype: "float64" }));
    expect(largest(still.sub(readout.forward(x)))).toBeLessThan(1e-12);
  });

  test("pools every sample under fields whose means moved by its shift", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 5, 6]);
    const readout = turned();
    const shift = tensor(Float64Array.of(0.4, -0.3, -1.1, 0.2), [2, 2]);
    const shifted = readout.forward(x, shift).detach();
    const mean = readout.mean.detach().clone();
    // Half heights of 5 rows are 2 pixels, half widths of 6 columns 2.5.
    const pixels = [
      [-0.3 * 2, 0.4 * 2.5],
      [0.2 * 2, -1.1 * 2.5],
    ];
    for (const [sample, by] of pixels.entries()) {
      readout.mean.detach().copy_(mean.add(tensor(Float64Array.from(by))));
      const expected = readout.forward(x.slice(0, sample, sample + 1));
      expect(largest(shifted.slice(0, sample, sample + 1).sub(expected))).toBeLessThan(1e-12);
    }
  });

  test("moves to the same part of the map as a point readout", () => {
    using _scope = tensorScope();
    const rows = linspace(-1, 1, 21).view([21, 1]).expand([21, 11]);
    const columns = linspace(-1, 1, 11).view([1, 11]).expand([21, 11]);
    const coordinates = stack([columns, rows]).unsqueeze(0);
    const shift = tensor([0.4, -0.2], [1, 2]);
    const one = { channels: 2, nUnits: 1, bias: false };
    const pooling = new GaussianReadout({ ...one, initialStd: 0.4, initialMeanScale: 0 }, context());
    const pointing = new PointReadout(
      { ...one, covariance: "full", sample: "sample", initMuRange: 0, initSigma: 0.1 },
      context(),
    ).eval();
    for (const [axis, expected] of [0.4, -0.2].entries()) {
      const weights = tensor(axis === 0 ? [1, 0] : [0, 1], [1, 2, 1, 1]);
      for (const readout of [pooling, pointing]) {
        readout.features.weight.detach().copy_(weights);
        expect(readout.forward(coordinates, shift).item()).toBeCloseTo(expected, 5);
      }
    }
  });

  test("sees ever less where a field leaves the map, and stays finite", () => {
    using _scope = tensorScope();
    const x = full([1, 3, 5, 6], 1);
    const readout = new GaussianReadout(gaussian, context());
    readout.features.weight.detach().fill_(1);
    const output = readout.forward(x, tensor([20, 20], [1, 2])).detach();
    expect(largest(output)).toBeLessThan(1e-3);
  });
});

describe("LinearReadout", () => {
  test("has true gradients", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 2, 3, 4]);
    const readout = shaken(new LinearReadout({ channels: 3, nUnits: 4, bias: true }, context()));
    expectTrueGradients(readout, { x }, () => [readout.forward(x)]);
  });

  test("keeps units apart: another order of units is another order of outputs", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 5, 6]);
    const readout = shaken(new LinearReadout({ channels: 3, nUnits: 4, bias: true }, context()));
    const before = readout.forward(x).detach();
    for (const { tensor } of readout.namedParameters()) tensor.detach().copy_(tensor.detach().flip(0));
    expect(largest(readout.forward(x).sub(before.flip(1)))).toBeLessThan(1e-12);
  });

  test("lists its bias under both of the reference's names, as one tensor", () => {
    using _scope = tensorScope();
    const readout = new LinearReadout({ channels: 3, nUnits: 4, bias: true }, context());
    const state = readout.stateDict();
    expect(state.get("fc.bias")).toBe(state.get("bias"));
    expect([...readout.namedParameters()].map(({ name }) => name)).toEqual(["bias", "fc.weight"]);
  });
});
