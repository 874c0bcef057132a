import { describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { type Tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
import { FactorizedReadout, type FactorizedReadoutOptions } from "./factorized-readout.ts";

const options: FactorizedReadoutOptions = {
  channels: 3,
  nUnits: 4,
  bias: true,
  height: 5,
  width: 6,
  nonNegative: false,
  normalize: false,
  init: "random",
  initialStd: 1,
};
const KINDS = [
  { nonNegative: false, normalize: false },
  { nonNegative: true, normalize: false },
  { nonNegative: false, normalize: true },
  { nonNegative: true, normalize: true },
];

const numbers = (values: Tensor) => Array.from(values.detach().contiguous().toTypedArray(), Number);

describe("FactorizedReadout.forward()", () => {
  test.each(KINDS)("sums mask times feature weight over places and features: %o", (kind) => {
    using _scope = tensorScope();
    const readout = shaken(new FactorizedReadout({ ...options, ...kind }, context()));
    const x = doubles([2, 3, 5, 6]);
    const features = numbers(x);
    const [spatial, weight, bias] = [readout.spatial, readout.features.weight, readout.bias!].map(numbers);
    for (const [i, actual] of numbers(readout.forward(x)).entries()) {
      const [sample, unit] = [Math.floor(i / 4), i % 4];
      const raw = spatial!.slice(30 * unit, 30 * unit + 30);
      const size = kind.normalize ? raw.reduce((sum, value) => sum + Math.abs(value), 1e-8) : 1;
      let expected = bias![unit]!;
      for (let channel = 0; channel < 3; channel++) {
        for (const [pixel, value] of raw.entries()) {
          const mask = (kind.nonNegative ? Math.abs(value) : value) / size;
          expected += weight![3 * unit + channel]! * mask * features[(sample * 3 + channel) * 30 + pixel]!;
        }
      }
      expect(actual).toBeCloseTo(expected, 12);
    }
  });

  test.each(KINDS)("has true gradients: %o", (kind) => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 2, 5, 6]);
    const readout = shaken(new FactorizedReadout({ ...options, ...kind }, context()));
    expectTrueGradients(readout, { x }, () => [readout.forward(x)]);
  });

  test("keeps units apart: another order of units is another order of outputs", () => {
    using _scope = tensorScope();
    const readout = shaken(new FactorizedReadout({ ...options, ...KINDS[3] }, context()));
    const x = doubles([2, 3, 5, 6]);
    const before = readout.forward(x).detach();
    for (const { tensor } of readout.namedParameters()) tensor.detach().copy_(tensor.detach().flip(0));
    const after = numbers(readout.forward(x));
    for (const [i, value] of numbers(before.flip(1)).entries()) expect(after[i]).toBeCloseTo(value, 12);
  });

  test("computes the same in training and evaluation", () => {
    using _scope = tensorScope();
    const readout = new FactorizedReadout(options, context());
    const x = doubles([2, 3, 5, 6]).float();
    expect(numbers(readout.forward(x))).toEqual(numbers(readout.eval().forward(x)));
  });

  test("refuses features of another size", () => {
    using _scope = tensorScope();
    const readout = new FactorizedReadout(options, context());
    const run = () => readout.forward(doubles([2, 3, 2, 5, 7]).float());
    expect(run).toThrow(UserError);
    expect(run).toThrow("they have 5 x 7 pixels, the factorized readout's masks 5 x 6");
  });
});

describe("FactorizedReadout.masks()", () => {
  test("are what they started with where nothing is asked of them", () => {
    using _scope = tensorScope();
    const readout = new FactorizedReadout(options, context());
    expect(readout.masks()).toBe(readout.spatial);
  });

  test("have positive values, absolute values that sum to 1, or both", () => {
    using _scope = tensorScope();
    for (const { nonNegative, normalize } of KINDS) {
      const masks = shaken(new FactorizedReadout({ ...options, nonNegative, normalize }, context()))
        .masks()
        .detach();
      expect(masks.amin().item() >= 0).toBe(nonNegative);
      const sums = masks.abs().sum([1, 2]).sub(1).abs().amax().item();
      expect(sums < 1e-6).toBe(normalize);
    }
  });
});

describe("new FactorizedReadout()", () => {
  test("starts with flat masks, Gaussians in the middle, or draws of the same size", () => {
    using _scope = tensorScope();
    const masks = (init: FactorizedReadoutOptions["init"], height: number) =>
      new FactorizedReadout({ ...options, init, height, nUnits: 200, width: 7 }, context()).spatial.detach();
    const flat = masks("flat", 5);
    expect([flat.amin().item(), flat.amax().item()]).toEqual([Math.fround(1 / 35), Math.fround(1 / 35)]);
    const gaussian = masks("gaussian", 5);
    expect(gaussian.sum([1, 2]).sub(1).abs().amax().item()).toBeLessThan(1e-5);
    const [peak, beside] = [gaussian.select(1, 2).select(1, 3), gaussian.select(1, 2).select(1, 4)];
    expect(gaussian.amax().item()).toBe(peak.select(0, 0).item());
    expect(beside.div(peak).amax().item()).toBeCloseTo(Math.exp(-0.5));
    expect(masks("random", 5).abs().sum([1, 2]).mean().item()).toBeCloseTo(Math.sqrt(2 / Math.PI), 1);
  });

  test("names its parameters", () => {
    using _scope = tensorScope();
    const named = [...new FactorizedReadout(options, context()).namedParameters()];
    expect(named.map(({ name, tensor: { shape } }) => [name, shape])).toEqual([
      ["bias", [4]],
      ["spatial", [4, 5, 6]],
      ["features.weight", [4, 3, 1, 1]],
    ]);
    expect(new FactorizedReadout({ ...options, bias: false }, context()).bias).toBeNull();
  });
});
