import { describe, expect, test } from "vitest";
import { ModuleList, tensor, tensorScope } from "../../torch/index.ts";
import { doubles, expectSameOutcome, outcomeOf } from "../comparison.fake.ts";
import type { AxisPadding } from "./conv.ts";
import { filterLags } from "./lag-filter.ts";

const none = new ModuleList([]);

describe("filterLags()", () => {
  test.each<[string, AxisPadding]>([
    ["no padding", [0, 0]],
    ["the past", [3, 0]],
    ["both sides", [1, 2]],
    ["more than the kernel is long", [5, 6]],
  ])("gives the same as a product and over sequences: %s", (_, padding) => {
    using _scope = tensorScope();
    const inputs = { x: doubles([2, 7, 3, 2]), kernels: doubles([3, 4], 8) };
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) =>
      outcomeOf(none, inputs, () => [filterLags(inputs.x, inputs.kernels, padding, formulation)]),
    );
    expectSameOutcome(fast!, reference!);
  });

  test.each(["fast", "reference"] as const)("weighs frames in order, without turning the kernel round: %s", (f) => {
    using _scope = tensorScope();
    const x = tensor([1, 10, 100, 1000], [1, 4]);
    const kernels = tensor([1, 2, 3, 0, 0, 5], [2, 3]);
    expect(filterLags(x, kernels, [1, 0], f).shape).toEqual([1, 2, 3]);
    const values = [...filterLags(x, kernels, [1, 0], f).contiguous().toTypedArray()];
    expect(values).toEqual([32, 321, 3210, 50, 500, 5000]);
  });
});
