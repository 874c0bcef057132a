import { describe, expect, test } from "vitest";
import { autocast, scope, type Tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import {
  type ConcatModulatorOptions,
  type ConvGruModulatorOptions,
  type FilmModulatorOptions,
  makeModulator,
} from "./modulator.ts";

const concat: ConcatModulatorOptions = {
  type: "concat",
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
};
const film: FilmModulatorOptions = { ...concat, type: "film", init: "reference" };
const convgru: ConvGruModulatorOptions = {
  type: "convgru",
  behaviorDim: 4,
  featureDim: 3,
  hiddenDim: 5,
  embeddingDim: 2,
  kernelSize: 3,
};

const inputs = () => [doubles([2, 3, 3, 2, 3], 1), doubles([2, 4], 2)] as const;

describe("makeModulator()", () => {
  test.each([concat, film, convgru])("$type has true gradients in both formulations", (options) => {
    using _scope = tensorScope();
    const [features, behavior] = inputs();
    for (const formulation of ["fast", "reference"] as const) {
      const modulator = shaken(makeModulator(options, context(formulation)));
      expectTrueGradients(modulator, { features, behavior }, () =>
        scope(() => [modulator.forward(features, behavior)]),
      );
    }
  });

  test.each([concat, film, convgru])("$type gives the same in both formulations", (options) => {
    using _scope = tensorScope();
    const [features, behavior] = inputs();
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const modulator = shaken(makeModulator(options, context(formulation)));
      return outcomeOf(modulator, { features, behavior }, () => [modulator.forward(features, behavior)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test("concat appends behaviour behind the features, the same at every pixel and frame", () => {
    using _scope = tensorScope();
    const [features, behavior] = inputs();
    const modulator = shaken(makeModulator(concat, context()));
    const y = modulator.forward(features, behavior);
    expect(y.shape).toEqual([2, 7, 3, 2, 3]);
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
    const state = makeModulator(film, context()).stateDict();
    expect(state.get("scale_layer.weight")!.amin().item()).toBe(1);
    for (const name of ["scale_layer.bias", "shift_layer.weight", "shift_layer.bias"]) {
      expect(state.get(name)!.abs().amax().item()).toBe(0);
    }
  });

  test("film that starts as an identity passes features on, and learns from behaviour at once", () => {
    using _scope = tensorScope();
    const [features, behavior] = inputs();
    const modulator = makeModulator({ ...film, init: "identity" }, context()).to({ dtype: "float64" });
    const { outputs, gradients } = outcomeOf(modulator, { behavior }, () => [modulator.forward(features, behavior)]);
    expect(outputs[0]).toEqual(features.toTypedArray());
    for (const name of ["scale_layer.weight", "shift_layer.weight"]) {
      expect(Math.max(...gradients.get(name)!.map(Math.abs))).toBeGreaterThan(1e-3);
    }
  });

  test("both starts of film draw the same encoder", () => {
    using _scope = tensorScope();
    const encoder = (init: FilmModulatorOptions["init"]) =>
      makeModulator({ ...film, init }, context())
        .stateDict()
        .get("encoder.mlp.0.linear.weight")!
        .toArray();
    expect(encoder("identity")).toEqual(encoder("reference"));
  });

  test("convgru puts out one frame, which depends on all frames and on behaviour", () => {
    using _scope = tensorScope();
    const [features, behavior] = inputs();
    const modulator = shaken(makeModulator(convgru, context()));
    const y = modulator.forward(features, behavior);
    expect(y.shape).toEqual([2, 5, 1, 2, 3]);
    expect(modulator.outChannels).toBe(5);
    const { gradients } = outcomeOf(modulator, { features, behavior }, () => [modulator.forward(features, behavior)]);
    expect(Math.min(...gradients.get("features")!.map(Math.abs))).toBeGreaterThan(0);
    expect(Math.min(...gradients.get("behavior")!.map(Math.abs))).toBeGreaterThan(0);
  });

  test("convgru takes the mean of behaviour that changes over frames", () => {
    using _scope = tensorScope();
    const [features] = inputs();
    const behavior = doubles([2, 6, 4], 2);
    const modulator = shaken(makeModulator(convgru, context()));
    const difference = modulator.forward(features, behavior).sub(modulator.forward(features, behavior.mean(1)));
    expect(difference.abs().amax().item()).toBe(0);
  });

  test.each([concat, film, convgru])("$type treats every sample alone", (options) => {
    using _scope = tensorScope();
    const [features, behavior] = inputs();
    const modulator = shaken(makeModulator(options, context()));
    const flipped = modulator.forward(features.flip(0), behavior.flip(0)).flip(0);
    expect(flipped.sub(modulator.forward(features, behavior)).abs().amax().item()).toBeLessThan(1e-12);
  });

  test("convgru stays close to full precision under autocast", () => {
    using _scope = tensorScope();
    const [features, behavior] = inputs().map((x) => x.detach().float()) as [Tensor, Tensor];
    const modulator = makeModulator(convgru, context());
    const full = modulator.forward(features, behavior);
    const half = autocast("cpu", "bfloat16", () => modulator.forward(features, behavior)).float();
    expect(half.sub(full).abs().amax().item()).toBeLessThan(0.02);
  });
});
