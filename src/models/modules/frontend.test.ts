import { describe, expect, test } from "vitest";
import { scope, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { initialKernels, LearnableTemporal, type LearnableTemporalOptions } from "./frontend.ts";
import { lowPassMatrix } from "./split-mp.ts";

const plain: LearnableTemporalOptions = {
  kernelSize: 6,
  channels: 4,
  init: "gaussian_derivatives",
  applyInit: false,
  splitMP: false,
  bias: true,
};
const hann = { type: "hann", power: 0.25 } as const;

describe("LearnableTemporal", () => {
  test.each<[string, Partial<LearnableTemporalOptions>]>([
    ["plain", {}],
    ["windowed", { window: hann }],
    ["windowed and normalised, no bias", { window: hann, weightNorm: "free", bias: false }],
    ["split", { splitMP: true, window: hann }],
    ["strided", { stride: [2, 1, 1], window: hann }],
  ])("gives the same as a product and as a convolution: %s", (_, change) => {
    using _scope = tensorScope();
    const x = doubles([2, 1, 11, 5, 6]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const frontend = shaken(new LearnableTemporal({ ...plain, ...change }, context(formulation)));
      return outcomeOf(frontend, { x }, () => [frontend.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test("has true gradients", () => {
    using _scope = tensorScope();
    const frontend = shaken(new LearnableTemporal({ ...plain, splitMP: true, window: hann }, context()));
    const x = doubles([1, 1, 8, 4, 5]);
    expectTrueGradients(frontend, { x }, () => scope(() => [frontend.forward(x)]));
  });

  test("keeps initial kernels behind a window only when told to", () => {
    using _scope = tensorScope();
    const start = (
      change: Partial<LearnableTemporalOptions>,
      name = "temporal_conv.conv.parametrizations.weight.original",
    ) => new LearnableTemporal({ ...plain, channels: 3, ...change }, context()).stateDict().get(name)!.detach();
    const expected = initialKernels("gaussian_derivatives", 6, 3, context()).view([3, 1, 6, 1, 1]);
    const distance = (kernels: typeof expected) => kernels.sub(expected).abs().amax().item();
    expect(distance(start({}, "temporal_conv.conv.weight"))).toBe(0);
    expect(distance(start({ window: hann }))).toBeGreaterThan(0.1);
    expect(distance(start({ window: hann, applyInit: true }))).toBe(0);
    const normed = { window: hann, weightNorm: "free", applyInit: true } as const;
    expect(distance(start(normed, "temporal_conv.conv.parametrizations.weight.0.v"))).toBe(0);
    const g = start(normed, "temporal_conv.conv.parametrizations.weight.0.g");
    expect(g.sub(1).abs().amax().item()).toBeLessThan(1e-6);
  });
});

describe("initialKernels()", () => {
  test("draws channels after the third from noise under the Gaussian, of length 1", () => {
    using _scope = tensorScope();
    const kernels = initialKernels("gaussian_derivatives", 16, 6, context());
    expect(kernels.norm(1).sub(1).abs().amax().item()).toBeLessThan(1e-6);
    expect(kernels.select(0, 3).sub(kernels.select(0, 4)).abs().amax().item()).toBeGreaterThan(0.01);
  });
});

describe("lowPassMatrix()", () => {
  test.each([3, 4, 7, 8, 51])("keeps a constant of %i samples", (length) => {
    const matrix = lowPassMatrix(length);
    for (let i = 0; i < length; i++) {
      const sum = matrix.slice(i * length, (i + 1) * length).reduce((total, value) => total + value, 0);
      expect(sum).toBeCloseTo(1, 12);
    }
  });
});
