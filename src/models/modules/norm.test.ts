import { describe, expect, test } from "vitest";
import { tensorScope } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { makeNorm, type NormType, RmsNorm } from "./norm.ts";

describe("makeNorm()", () => {
  test.each<NormType>(["rms", "grn", "layer", "batch", "instance", "group"])("%s has true gradients", (type) => {
    using _scope = tensorScope();
    const x = doubles([3, 4, 2, 3, 2]);
    const norm = shaken(makeNorm({ type, affine: true, groups: 2 }, 4, context()));
    expectTrueGradients(norm, { x }, () => [norm.forward(x)]);
  });

  test("grn gives the same in both formulations", () => {
    using _scope = tensorScope();
    const x = doubles([2, 4, 3, 5, 4]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const norm = shaken(makeNorm({ type: "grn" }, 4, context(formulation)));
      return outcomeOf(norm, { x }, () => [norm.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test("group falls back to one group when the number does not divide the channels", () => {
    using _scope = tensorScope();
    const x = doubles([2, 4, 2, 3, 3]);
    const values = (groups: number) => {
      const norm = makeNorm({ type: "group", groups }, 4, context()).to({ dtype: "float64" }) as RmsNorm;
      return norm.forward(x).detach().toTypedArray();
    };
    expect(values(3)).toEqual(values(1));
    expect(values(2)).not.toEqual(values(1));
  });
});

describe("RmsNorm", () => {
  test("computes in float32 and gives back half precision", () => {
    using _scope = tensorScope();
    const norm = new RmsNorm(4, {});
    const x = doubles([2, 4, 2, 3, 3]).detach().to({ dtype: "bfloat16" });
    const y = norm.forward(x);
    expect(y.dtype).toBe("bfloat16");
    const expected = norm.forward(x.float()).to({ dtype: "bfloat16" });
    expect(y.detach().toTypedArray()).toEqual(expected.detach().toTypedArray());
  });
});
