import { describe, expect, test } from "vitest";
import { noGrad, type Tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
import { Mlp, type MlpOptions } from "./mlp.ts";

const plain: MlpOptions = { inputDim: 4, hiddenDims: [6, 5], outputDim: 4, activation: { type: "gelu" } };

describe("Mlp", () => {
  test.each<[string, Partial<MlpOptions>]>([
    ["plain", {}],
    ["without hidden layers", { hiddenDims: [] }],
    ["without bias", { bias: false }],
    ["rms norm", { norm: { type: "rms" } }],
    ["layer norm", { norm: { type: "layer" } }],
    ["batch norm", { norm: { type: "batch" } }],
    ["group norm", { norm: { type: "group", groups: 1 } }],
    ["residual", { residual: true }],
    ["output activation", { outputActivation: true }],
    ["trainable activation", { activation: { type: "prelu" } }],
    ["spectral norm", { spectralNorm: { preIterations: 0 } }],
    [
      "spectral norm with everything",
      { spectralNorm: { preIterations: 15 }, norm: { type: "rms" }, residual: true, outputActivation: true },
    ],
  ])("has true gradients in evaluation mode: %s", (_, change) => {
    using _scope = tensorScope();
    const mlp = shaken(new Mlp({ ...plain, ...change }, context())).eval();
    const x = doubles([3, 4]);
    expectTrueGradients(mlp, { x }, () => [mlp.forward(x)]);
  });

  test.each<[string, Partial<MlpOptions>]>([
    ["batch norm", { norm: { type: "batch" } }],
    // Gradients count the directions as constant, which they are to first order once they are the singular vectors.
    ["spectral norm", { spectralNorm: { preIterations: 0 } }],
  ])("has true gradients in training mode: %s", (_, change) => {
    using _scope = tensorScope();
    const mlp = shaken(new Mlp({ ...plain, ...change }, context()));
    const x = doubles([3, 4]);
    noGrad(() => {
      for (let i = 0; i < 1000; i++) mlp.forward(x);
    });
    const settled = new Map<string, Tensor>();
    for (const { name, tensor } of mlp.namedBuffers()) settled.set(name, tensor.clone());
    expectTrueGradients(mlp, { x }, () => {
      for (const { name, tensor } of mlp.namedBuffers()) tensor.copy_(settled.get(name)!);
      return [mlp.forward(x)];
    });
  });

  test("adds its input only when that is as wide as its output", () => {
    using _scope = tensorScope();
    const x = doubles([3, 4]).detach();
    const run = (change: Partial<MlpOptions>) =>
      new Mlp({ ...plain, ...change }, context()).to({ dtype: "float64" }).forward(x);
    expect(run({ residual: true }).sub(run({})).sub(x).abs().amax().item()).toBeLessThan(1e-12);
    const narrow = { outputDim: 3 };
    expect(run({ ...narrow, residual: true }).toArray()).toEqual(run(narrow).toArray());
  });

  test("drops behind hidden layers, in training only", () => {
    using _scope = tensorScope();
    const x = doubles([3, 4]).detach();
    const difference = (change: Partial<MlpOptions>, training: boolean) => {
      const make = (dropout: number) =>
        new Mlp({ ...plain, ...change, dropout }, context()).to({ dtype: "float64" }).train(training);
      return make(0.5).forward(x).sub(make(0).forward(x)).abs().amax().item();
    };
    expect(difference({}, true)).toBeGreaterThan(1e-3);
    expect(difference({}, false)).toBe(0);
    expect(difference({ hiddenDims: [], outputActivation: true }, true)).toBe(0);
  });
});
