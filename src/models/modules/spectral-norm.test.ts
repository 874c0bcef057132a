import { describe, expect, test } from "vitest";
import { autocast, noGrad, ops, type Tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { SpectralLinear } from "./spectral-norm.ts";

function make(preIterations = 0, seed = 1): SpectralLinear {
  return new SpectralLinear(4, 3, { bias: true, preIterations }, context("fast", seed));
}

/** What the map divides its weight by. */
function divisor(linear: SpectralLinear): number {
  const state = linear.stateDict();
  return ops.dot(state.get("weight_u")!, ops.mv(state.get("weight_orig")!, state.get("weight_v")!)).item();
}

function largestSingularValue(linear: SpectralLinear): number {
  const [, values] = ops.linalg_svd(linear.stateDict().get("weight_orig")!.detach());
  return values.amax().item();
}

function buffers(linear: SpectralLinear): Map<string, Tensor> {
  return new Map([...linear.namedBuffers()].map(({ name, tensor }) => [name, tensor.clone()]));
}

function restore(linear: SpectralLinear, values: ReadonlyMap<string, Tensor>): void {
  for (const { name, tensor } of linear.namedBuffers()) tensor.copy_(values.get(name)!);
}

describe("SpectralLinear", () => {
  test("starts with directions of length 1, and lists the bias before the weight", () => {
    using _scope = tensorScope();
    const linear = make();
    expect([...linear.stateDict().keys()]).toEqual(["bias", "weight_orig", "weight_u", "weight_v"]);
    for (const { tensor } of linear.namedBuffers()) expect(tensor.norm().item()).toBeCloseTo(1, 6);
  });

  test("divides by the largest singular value after some training passes, or iterations before them", () => {
    using _scope = tensorScope();
    const x = doubles([2, 4]).detach().float();
    const trained = make();
    const expected = largestSingularValue(trained);
    expect(Math.abs(divisor(trained) / expected - 1)).toBeGreaterThan(0.05);
    for (let i = 0; i < 50; i++) trained.forward(x);
    expect(divisor(trained) / expected).toBeCloseTo(1, 4);
    for (let seed = 1; seed <= 8; seed++) {
      const iterated = make(15, seed);
      expect(divisor(iterated) / largestSingularValue(iterated)).toBeGreaterThan(0.95);
    }
  });

  test("one training pass is one iteration: v = W^T u, then u = W v, both of length 1", () => {
    using _scope = tensorScope();
    const linear = make();
    const before = buffers(linear);
    const weight = linear.stateDict().get("weight_orig")!.detach();
    linear.forward(doubles([2, 4]).detach().float());
    const v = ops.mv(weight.transpose(0, 1), before.get("weight_u")!);
    const u = ops.mv(weight, v);
    for (const [name, direction] of [["weight_v", v] as const, ["weight_u", u] as const]) {
      const expected = direction.div(direction.norm());
      expect(buffers(linear).get(name)!.sub(expected).abs().amax().item()).toBeLessThan(1e-6);
    }
  });

  test("rests in evaluation mode", () => {
    using _scope = tensorScope();
    const linear = make().eval();
    const before = buffers(linear);
    linear.forward(doubles([2, 4]).detach().float());
    for (const [name, value] of buffers(linear)) expect(value.toArray()).toEqual(before.get(name)!.toArray());
  });

  test("continues from its state dict as if it had never stopped", () => {
    using _scope = tensorScope();
    const x = doubles([2, 4]).detach().float();
    const [first, second] = [make(), make(0, 2)];
    for (let i = 0; i < 2; i++) first.forward(x);
    second.loadStateDict(first.stateDict());
    for (let i = 0; i < 2; i++) expect(second.forward(x).toArray()).toEqual(first.forward(x).toArray());
  });

  test("has true gradients in evaluation mode, with directions at rest", () => {
    using _scope = tensorScope();
    const linear = shaken(make()).eval();
    const x = doubles([2, 4]);
    expectTrueGradients(linear, { x }, () => [linear.forward(x)]);
  });

  test("has true gradients in training mode, once the directions are the singular vectors", () => {
    using _scope = tensorScope();
    const linear = shaken(make());
    const x = doubles([2, 4]);
    noGrad(() => {
      for (let i = 0; i < 500; i++) linear.forward(x);
    });
    const settled = buffers(linear);
    expectTrueGradients(linear, { x }, () => {
      restore(linear, settled);
      return [linear.forward(x)];
    });
  });

  test("takes the gradient of a pass with the directions of that pass, when others follow before it", () => {
    using _scope = tensorScope();
    const linear = shaken(make());
    const [x, other] = [doubles([2, 4]), doubles([2, 4], 8)];
    const start = buffers(linear);
    const alone = outcomeOf(linear, { x }, () => [linear.forward(x)]);
    restore(linear, start);
    const followed = outcomeOf(linear, { x }, () => {
      const y = linear.forward(x);
      linear.forward(other);
      return [y];
    });
    expect(followed).toEqual(alone);
  });

  test("iterates in full precision under autocast", () => {
    using _scope = tensorScope();
    const x = doubles([2, 4]).detach().float();
    const [full, half] = [make(), make()];
    full.forward(x);
    autocast("cpu", "bfloat16", () => half.forward(x));
    for (const [name, value] of buffers(half)) expect(value.toArray()).toEqual(buffers(full).get(name)!.toArray());
  });
});
