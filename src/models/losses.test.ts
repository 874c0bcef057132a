import { describe, expect, test } from "vitest";
import { tensor, tensorScope } from "../torch/index.ts";
import { poissonLoss } from "./losses.ts";

const rates = () => tensor([1, 2, 3, 4], [2, 2]).setRequiresGrad();
const counts = () => tensor([1, 0, 2, 5], [2, 2]);

describe("poissonLoss()", () => {
  test("is r - y log r for rates and exp(s) - y s for log rates, averaged", () => {
    using _scope = tensorScope();
    const expected = (1 + 2 + (3 - 2 * Math.log(3)) + (4 - 5 * Math.log(4))) / 4;
    expect(poissonLoss(rates(), counts()).item()).toBeCloseTo(expected, 5);
    expect(poissonLoss(rates().log(), counts(), null, { logInput: true }).item()).toBeCloseTo(expected, 5);
  });

  test("treats masks of one number per sample alike, with and without their axis", () => {
    using _scope = tensorScope();
    const flat = poissonLoss(rates(), counts(), tensor([1, 0])).item();
    expect(poissonLoss(rates(), counts(), tensor([1, 0], [2, 1])).item()).toBe(flat);
    expect(poissonLoss(rates(), counts(), tensor([1, 1, 0, 0], [2, 2])).item()).toBe(flat);
    const legacy = poissonLoss(rates(), counts(), tensor([1, 0], [2, 1]), { legacyMask: true }).item();
    expect(legacy).toBeCloseTo(2 * flat, 5);
  });

  test("ignores masked counts and rates that are no numbers, in value and gradient", () => {
    using _scope = tensorScope();
    const mask = tensor([1, 1, 1, 0], [2, 2]);
    const expected = poissonLoss(rates(), counts(), mask).item();
    const prediction = tensor([1, 2, 3, Number.NaN], [2, 2]).setRequiresGrad();
    const loss = poissonLoss(prediction, tensor([1, 0, 2, Number.NaN], [2, 2]), mask);
    loss.backward();
    expect(loss.item()).toBe(expected);
    const gradient = [...(prediction.grad!.toTypedArray() as Float32Array)];
    expect(gradient.every(Number.isFinite)).toBe(true);
    expect(gradient[3]).toBe(0);
    expect(poissonLoss(rates(), tensor([1, 0, 2, Number.NaN], [2, 2]), mask, { legacyMask: true }).item()).toBeNaN();
  });

  test("weighs entries by fractional masks", () => {
    using _scope = tensorScope();
    const half = poissonLoss(rates(), counts(), tensor([0.5, 0, 0, 0], [2, 2])).item();
    expect(half).toBeCloseTo(1, 5);
  });

  test("is NaN when nothing is valid", () => {
    using _scope = tensorScope();
    expect(poissonLoss(rates(), counts(), tensor([0, 0])).item()).toBeNaN();
  });

  test("is computed in float32 for half precision predictions", () => {
    using _scope = tensorScope();
    const prediction = rates().to({ dtype: "bfloat16" });
    const loss = poissonLoss(prediction, tensor(new Uint8Array([1, 0, 2, 5]), [2, 2]));
    expect(loss.dtype).toBe("float32");
    expect(loss.item()).toBeCloseTo(poissonLoss(rates(), counts()).item(), 5);
  });
});
