import { describe, expect, test } from "vitest";
import { scope, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
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
});

describe("LinearReadout", () => {
  test("has true gradients", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 2, 3, 4]);
    const readout = shaken(new LinearReadout({ channels: 3, nUnits: 4, bias: true }, context()));
    expectTrueGradients(readout, { x }, () => [readout.forward(x)]);
  });

  test("lists its bias under both of the reference's names, as one tensor", () => {
    using _scope = tensorScope();
    const readout = new LinearReadout({ channels: 3, nUnits: 4, bias: true }, context());
    const state = readout.stateDict();
    expect(state.get("fc.bias")).toBe(state.get("bias"));
    expect([...readout.namedParameters()].map(({ name }) => name)).toEqual(["bias", "fc.weight"]);
  });
});
