import { describe, expect, test } from "vitest";
import { scope, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
import { type ModulatorOptions, makeModulator } from "./modulator.ts";

const options = {
  behaviorDim: 4,
  featureDim: 3,
  encoder: {
    dims: [5, 4],
    activation: { type: "gelu" },
    bias: true,
    residual: true,
    dropout: 0,
    lastLayerActivation: false,
  },
} satisfies Omit<ModulatorOptions, "type">;

describe("makeModulator()", () => {
  test.each(["concat", "film"] as const)("%s has true gradients", (type) => {
    using _scope = tensorScope();
    const [features, behavior] = [doubles([2, 3, 2, 2, 3], 1), doubles([2, 4], 2)];
    const modulator = shaken(makeModulator({ type, ...options }, context()));
    expectTrueGradients(modulator, { features, behavior }, () => scope(() => [modulator.forward(features, behavior)]));
  });

  test("concat appends behaviour behind the features, the same at every pixel and frame", () => {
    using _scope = tensorScope();
    const [features, behavior] = [doubles([2, 3, 2, 2, 3], 1), doubles([2, 4], 2)];
    const modulator = shaken(makeModulator({ type: "concat", ...options }, context()));
    const y = modulator.forward(features, behavior);
    expect(y.shape).toEqual([2, 7, 2, 2, 3]);
    expect(modulator.outChannels).toBe(7);
    expect(y.slice(1, 0, 3).sub(features).abs().amax().item()).toBe(0);
    const appended = y.slice(1, 3);
    expect(
      appended
        .amax([2, 3, 4])
        .sub(appended.amin([2, 3, 4]))
        .abs()
        .amax()
        .item(),
    ).toBe(0);
  });

  test("film starts with the sum of the encoding as its scale, and no shift", () => {
    using _scope = tensorScope();
    const state = makeModulator({ type: "film", ...options }, context()).stateDict();
    expect(state.get("scale_layer.weight")!.amin().item()).toBe(1);
    for (const name of ["scale_layer.bias", "shift_layer.weight", "shift_layer.bias"]) {
      expect(state.get(name)!.abs().amax().item()).toBe(0);
    }
  });
});
