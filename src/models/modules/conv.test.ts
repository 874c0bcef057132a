import { describe, expect, test } from "vitest";
import { scope, tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { Conv, type ConvOptions, DepthwiseConv, frame, type PaddingMode } from "./conv.ts";

const windowed: ConvOptions = {
  inChannels: 2,
  outChannels: 3,
  kernelSize: [5, 7, 5],
  window: { type: "hann" },
  weightNorm: "unit",
};

describe("Conv", () => {
  const cases: [string, Partial<ConvOptions>][] = [
    ["a valid convolution", {}],
    ["stride and dilation", { stride: [1, 2, 2], dilation: [2, 1, 1], weightNorm: "free" }],
    ["groups and no bias", { inChannels: 4, outChannels: 4, groups: 2, bias: false, weightNorm: null }],
    [
      "padding wider than the window's zeros",
      {
        padding: [
          [4, 0],
          [3, 3],
          [2, 2],
        ],
      },
    ],
    [
      "padding narrower than the window's zeros",
      {
        padding: [
          [0, 0],
          [0, 1],
          [1, 0],
        ],
        dilation: [1, 2, 1],
      },
    ],
    ["a window with zeros at one end only", { window: { type: "hann", sym: false } }],
  ];
  for (const mode of ["zeros", "reflect", "replicate", "circular"] as PaddingMode[]) {
    cases.push([
      `${mode} padding`,
      {
        padding: [
          [1, 2],
          [2, 2],
          [3, 1],
        ],
        paddingMode: mode,
      },
    ]);
  }
  test.each(cases)("gives the same with and without the window's zeros: %s", (_, change) => {
    using _scope = tensorScope();
    const options = { ...windowed, ...change };
    const x = doubles([2, options.inChannels, 9, 12, 11]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const conv = shaken(new Conv(options, context(formulation)));
      return outcomeOf(conv, { x }, () => [conv.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test("has true gradients", () => {
    using _scope = tensorScope();
    const conv = shaken(new Conv({ ...windowed, weightNorm: "free" }, context()));
    const x = doubles([1, 2, 6, 8, 6]);
    expectTrueGradients(conv, { x }, () => scope(() => [conv.forward(x)]));
  });

  test("never gives the unused copy of a normalised weight a gradient", () => {
    using _scope = tensorScope();
    const conv = shaken(new Conv(windowed, context()));
    const x = doubles([1, 2, 6, 8, 6]);
    const { gradients } = outcomeOf(conv, { x }, () => [conv.forward(x)]);
    expect(gradients.get("conv.parametrizations.weight.original")).toBeNull();
    expect(gradients.get("conv.parametrizations.weight.0.g")).toBeNull();
    expect(gradients.get("conv.parametrizations.weight.0.v")).not.toBeNull();
  });

  test("starts unit-norm kernels that the window then shortens", () => {
    using _scope = tensorScope();
    const conv = new Conv({ ...windowed, kernelSize: [1, 9, 9] }, context());
    const norms = conv.kernel.effectiveWeight().norm([1, 2, 3, 4]);
    expect(norms.mean().item()).toBeCloseTo(0.33, 1);
  });
});

describe("frame()", () => {
  const row = () => tensor([1, 2, 3, 4], [1, 1, 1, 1, 4]);
  const columns = (before: number, after: number, mode: PaddingMode) =>
    scope(() => [
      ...(frame(
        row(),
        [
          [0, 0],
          [0, 0],
          [before, after],
        ],
        mode,
      ).toTypedArray() as Float32Array),
    ]);

  test("pads in every mode", () => {
    expect(columns(2, 1, "zeros")).toEqual([0, 0, 1, 2, 3, 4, 0]);
    expect(columns(2, 1, "replicate")).toEqual([1, 1, 1, 2, 3, 4, 4]);
    expect(columns(2, 1, "reflect")).toEqual([3, 2, 1, 2, 3, 4, 3]);
    expect(columns(2, 1, "circular")).toEqual([3, 4, 1, 2, 3, 4, 1]);
  });

  test("takes samples away where padding is negative", () => {
    expect(columns(-1, 2, "replicate")).toEqual([2, 3, 4, 4, 4]);
    expect(columns(-1, -2, "replicate")).toEqual([2]);
  });
});

describe("DepthwiseConv", () => {
  const options: ConvOptions = { inChannels: 3, outChannels: 2, kernelSize: [3, 5, 5], bias: true };
  const cases: [string, Partial<ConvOptions>][] = [
    ["plain", {}],
    ["window", { window: { type: "hann" } }],
    ["window and weight norm", { window: { type: "hann" }, weightNorm: "free" }],
    ["unit norm along another axis", { weightNorm: "unit", weightNormDim: 2 }],
    ["stride and dilation", { stride: [1, 2, 2], dilation: [2, 1, 1] }],
  ];
  test.each(cases)("has true gradients, the same in both formulations: %s", (_, change) => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 6, 9, 9]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const conv = shaken(new DepthwiseConv({ ...options, ...change }, context(formulation)));
      expectTrueGradients(conv, { x }, () => [conv.forward(x)]);
      return outcomeOf(conv, { x }, () => [conv.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test("filters every channel by itself, then mixes them, with one bias", () => {
    using _scope = tensorScope();
    const names = [...new DepthwiseConv(options, context()).stateDict()].map(([name, { shape }]) => [name, shape]);
    expect(names).toEqual([
      ["depthwise.weight", [3, 1, 3, 5, 5]],
      ["pointwise.weight", [2, 3, 1, 1, 1]],
      ["pointwise.bias", [2]],
    ]);
  });
});
