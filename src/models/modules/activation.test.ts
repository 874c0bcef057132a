import { describe, expect, test } from "vitest";
import { tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
import { type ActivationType, makeActivation } from "./activation.ts";

describe("makeActivation()", () => {
  test.each<ActivationType>([
    "none",
    "relu",
    "leakyrelu",
    "elu",
    "prelu",
    "gelu",
    "sigmoid",
    "tanh",
    "silu",
    "mish",
    "softplus",
    "bsoftplus",
    "splitrelu",
    "square",
  ])("%s has true gradients", (type) => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 2, 2, 2]);
    const activation = shaken(makeActivation({ type, trainableGain: true }, context()));
    expectTrueGradients(activation, { x }, () => [activation.forward(x)]);
  });

  test.each(["fast", "reference"] as const)("splitrelu separates the signs (%s)", (formulation) => {
    using _scope = tensorScope();
    const split = makeActivation({ type: "splitrelu" }, context(formulation));
    const y = split.forward(tensor([1, -2, 3, -4], [1, 2, 2]));
    expect([...(y.detach().toTypedArray() as Float32Array)].map(Math.abs)).toEqual([1, 0, 3, 0, 0, 2, 0, 4]);
  });
});
