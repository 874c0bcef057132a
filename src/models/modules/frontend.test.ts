import { describe, expect, test } from "vitest";
import { FrontendSchema } from "../../config/sections.ts";
import { scope, tensorScope } from "../../torch/index.ts";
import { makeFrontend } from "../build.ts";
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
const FORMULATIONS = ["fast", "reference"] as const;
const VARIANTS: [string, Partial<LearnableTemporalOptions>][] = [
  ["plain", {}],
  ["no bias", { bias: false }],
  ["windowed", { window: hann }],
  ["a window without zeros", { window: { type: "hamming" } }],
  ["normalised, with a gain", { weightNorm: "free" }],
  ["of unit length", { weightNorm: "unit" }],
  ["windowed and normalised, no bias", { window: hann, weightNorm: "free", bias: false }],
  ["split", { splitMP: true }],
  ["split, windowed and of unit length", { splitMP: true, window: hann, weightNorm: "unit" }],
  ["strided and windowed", { stride: [2, 1, 1], window: hann }],
  ["dilated", { dilation: [2, 1, 1], kernelSize: 3 }],
];

describe("LearnableTemporal", () => {
  test.each(VARIANTS)("gives the same as a product and as a convolution: %s", (_, change) => {
    using _scope = tensorScope();
    const x = doubles([2, 1, 11, 5, 6]);
    const [fast, reference] = FORMULATIONS.map((formulation) => {
      const frontend = shaken(new LearnableTemporal({ ...plain, ...change }, context(formulation)));
      return outcomeOf(frontend, { x }, () => [frontend.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test.each(
    FORMULATIONS.flatMap((formulation) => VARIANTS.map(([name, change]) => [formulation, name, change] as const)),
  )("has true gradients: %s, %s", (formulation, _, change) => {
    using _scope = tensorScope();
    const frontend = shaken(new LearnableTemporal({ ...plain, ...change }, context(formulation)));
    const x = doubles([1, 1, 8, 4, 5]);
    expectTrueGradients(frontend, { x }, () => scope(() => [frontend.forward(x)]));
  });

  test("keeps initial kernels behind a window or weight norm only when told to (M-06)", () => {
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
    expect(distance(start({ weightNorm: "unit" }))).toBeGreaterThan(0.1);
    const normed = { window: hann, weightNorm: "free", applyInit: true } as const;
    expect(distance(start(normed, "temporal_conv.conv.parametrizations.weight.0.v"))).toBe(0);
    const g = start(normed, "temporal_conv.conv.parametrizations.weight.0.g");
    expect(g.sub(1).abs().amax().item()).toBeLessThan(1e-6);
  });
});

describe("makeFrontend()", () => {
  const block = { conv_params: { kernel_size: [2, 3, 3] }, norm_type: "rms", act_type: "silu" };
  const cases: [string, unknown, number, number][] = [
    ["none", {}, 2, 2],
    ["learnable_temporal", { kernel_size: 4, num_channels: 3 }, 1, 3],
    ["da", { learnable_params: true, filter_length: 6, beta: 0.2, tau_y_ms: 9 }, 1, 1],
    ["temporal_basis", { num_cosine_funcs: 3, history_bins: 6, batch_norm: true }, 2, 6],
    ["conv", { out_channels: 3, ...block }, 2, 3],
    ["adapter", { grid_size: 4, differentiate_sigma: true }, 2, 2],
  ];

  test.each(FORMULATIONS.flatMap((formulation) => cases.map((row) => [formulation, ...row] as const)))(
    "makes a frontend with the stated channels and true gradients: %s, %s",
    (formulation, type, params, channels, outChannels) => {
      using _scope = tensorScope();
      const config = FrontendSchema.parse({ type, params });
      const frontend = makeFrontend(config, { channels, samplingRate: 240 }, context(formulation));
      const layer = shaken(frontend.layer, 0.02);
      const x = doubles([1, channels, 6, 7, 6]);
      expect(frontend.outChannels).toBe(outChannels);
      expect(layer.forward(x).size(1)).toBe(outChannels);
      expectTrueGradients(layer, { x }, () => scope(() => [layer.forward(x)]));
    },
  );
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
