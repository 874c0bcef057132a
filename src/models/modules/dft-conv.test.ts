import { describe, expect, test } from "vitest";
import { autocast, ops, randn, type Tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, outcomeOf } from "../comparison.fake.ts";
import { Conv } from "./conv.ts";
import { DftConvolution, dftPays } from "./dft-conv.ts";
import { Identity } from "./layer.ts";

describe("DftConvolution", () => {
  test.each([
    [
      [2, 3, 4, 11, 12],
      [4, 3, 2, 6, 5],
    ],
    [
      [1, 1, 1, 7, 7],
      [2, 1, 1, 7, 7],
    ],
    // more samples than are transformed at a time
    [
      [17, 2, 3, 6, 9],
      [3, 2, 3, 2, 4],
    ],
  ])("gives the values and gradients of a convolution: %j by %j", (size, kernel) => {
    using _scope = tensorScope();
    const inputs = { x: doubles(size, 1), weight: doubles(kernel, 2) };
    const outcome = (convolve: (x: Tensor, weight: Tensor) => Tensor) =>
      outcomeOf(new Identity(), inputs, () => [convolve(inputs.x, inputs.weight)]);
    const dft = new DftConvolution();
    expectSameOutcome(
      outcome((x, weight) => dft.forward(x, weight)),
      outcome((x, weight) => ops.conv3d(x, weight)),
    );
  });

  test("loses no more precision than float32 convolutions do", () => {
    using _scope = tensorScope();
    const { generator } = context();
    const [x, weight] = [randn([2, 8, 5, 43, 43], generator), randn([8, 8, 3, 7, 7], generator)];
    const exact = ops.conv3d(x.double(), weight.double());
    const error = (y: Tensor) => y.sub(exact).abs().amax().item() / exact.abs().amax().item();
    expect(error(new DftConvolution().forward(x, weight))).toBeLessThan(5e-6);
  });
});

describe("dftPays()", () => {
  test("holds for large kernels over many pixels on the CPU alone", () => {
    using _scope = tensorScope();
    const pays = (batch: number, taps: number) => {
      const x = randn([1, 1, 1, 1, 1], context().generator).expand([batch, 16, 20, 36 + taps, 36 + taps]);
      return dftPays(x, randn([1, 1, 1, 1, 1], context().generator).expand([64, 16, 3, taps, taps]));
    };
    expect(pays(8, 7)).toBe(true);
    expect(pays(1, 7)).toBe(false);
    expect(pays(64, 3)).toBe(false);
  });

  test("decides what a convolution layer does, also under autocast", () => {
    using _scope = tensorScope();
    const options = { inChannels: 16, outChannels: 64, kernelSize: [3, 7, 7] } as const;
    const [fast, reference] = (["fast", "reference"] as const).map((f) => new Conv(options, context(f)));
    const x = randn([4, 16, 20, 30, 30], context().generator);
    expect(dftPays(x, fast!.kernel.effectiveWeight())).toBe(true);
    const exact = reference!.forward(x);
    const error = (y: Tensor) => y.sub(exact).abs().amax().item() / exact.abs().amax().item();
    const full = error(fast!.forward(x));
    expect(full).toBeGreaterThan(0);
    expect(full).toBeLessThan(1e-5);
    const half = autocast("cpu", "bfloat16", () => fast!.forward(x));
    expect(half.dtype).toBe("bfloat16");
    expect(error(half)).toBeLessThan(0.01);
  });
});
