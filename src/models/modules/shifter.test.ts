import { describe, expect, test } from "vitest";
import { autocast, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
import { fitsShifter, Shifter, type ShifterOptions, shifterNeeds } from "./shifter.ts";

const options: ShifterOptions = {
  features: [4, 1],
  behaviorDim: 5,
  atLeast: true,
  maxShift: 0.3,
  network: { inputDim: 2, hiddenDims: [6], activation: { type: "tanh" } },
};

describe("Shifter", () => {
  test("shifts nothing at the start, and never further than it may", () => {
    using _scope = tensorScope();
    const shifter = new Shifter(options, context());
    const behavior = doubles([7, 5]).detach().float();
    expect(shifter.forward(behavior).shape).toEqual([7, 2]);
    expect(shifter.forward(behavior).abs().amax().item()).toBe(0);
    for (const { tensor } of shifter.namedParameters()) tensor.detach().fill_(3);
    const far = shifter.forward(behavior.abs()).detach();
    expect(far.abs().amax().item()).toBeLessThanOrEqual(Math.fround(0.3));
    expect(far.abs().amin().item()).toBeGreaterThan(0.29);
  });

  test("has true gradients", () => {
    using _scope = tensorScope();
    const shifter = shaken(new Shifter(options, context()), 0.5);
    const behavior = doubles([3, 5]);
    expectTrueGradients(shifter, { behavior }, () => [shifter.forward(behavior)]);
  });

  test("reads the columns it is told to, or all", () => {
    using _scope = tensorScope();
    const read = (change: Partial<ShifterOptions>) => {
      const shifter = shaken(new Shifter({ ...options, ...change }, context()), 0.5);
      const behavior = doubles([1, 5]);
      shifter.forward(behavior).sum().backward();
      const slopes = [...behavior.grad!.toTypedArray()] as number[];
      return slopes.flatMap((slope, column) => (slope === 0 ? [] : [column]));
    };
    expect(read({})).toEqual([1, 4]);
    expect(read({ features: null, network: { ...options.network, inputDim: 5 } })).toEqual([0, 1, 2, 3, 4]);
  });

  test("can learn from its first step on", () => {
    using _scope = tensorScope();
    const shifter = new Shifter(options, context());
    shifter
      .forward(doubles([3, 5]).detach().float())
      .sum()
      .backward();
    const learning = [...shifter.namedParameters()].filter(({ tensor }) => tensor.grad!.abs().amax().item() > 0);
    expect(learning.map(({ name }) => name)).toEqual(["mlp.1.weight", "mlp.1.bias"]);
  });

  test("keeps full precision under autocast", () => {
    using _scope = tensorScope();
    const shifter = new Shifter(options, context());
    for (const { tensor } of shifter.namedParameters()) tensor.detach().add_(0.123);
    const behavior = doubles([3, 5]).detach().float();
    const [full, half] = [null, "bfloat16" as const].map((dtype) =>
      autocast("cpu", dtype, () => shifter.forward(behavior).detach().toTypedArray()),
    );
    expect(half).toEqual(full);
  });

  test("keeps no state but its perceptron", () => {
    using _scope = tensorScope();
    const names = [...new Shifter(options, context()).stateDict().keys()];
    expect(names).toEqual(["mlp.0.linear.weight", "mlp.0.linear.bias", "mlp.1.weight", "mlp.1.bias"]);
  });
});

test("fitsShifter() compares the number of behaviour values, and shifterNeeds() says it", () => {
  const exact = { ...options, atLeast: false };
  expect([4, 5, 6].map((width) => fitsShifter(options, width))).toEqual([false, true, true]);
  expect([4, 5, 6].map((width) => fitsShifter(exact, width))).toEqual([false, true, false]);
  expect([options, exact].map(shifterNeeds)).toEqual(["at least 5", "5"]);
});
