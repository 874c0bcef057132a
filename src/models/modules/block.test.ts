import { describe, expect, test } from "vitest";
import { cat, scope, tensorScope, zeros } from "../../torch/index.ts";
import {
  context,
  doubles,
  expectSameOutcome,
  expectTrueGradients,
  outcomeOf,
  relativeDifference,
  shaken,
} from "../comparison.fake.ts";
import { Block, type BlockOptions, blockPadding } from "./block.ts";

const plain: BlockOptions = {
  inChannels: 2,
  outChannels: 3,
  conv: { kernelSize: [3, 3, 3] },
  padding: [0, 1, 1],
  norm: { type: "rms" },
  activation: { type: "silu" },
  pool: null,
  dropout: 0,
  causal: true,
  order: ["pad", "conv", "norm", "act", "dropout", "pool"],
};
const flagship: BlockOptions = {
  ...plain,
  conv: { kernelSize: [3, 5, 5], window: { type: "hann" }, weightNorm: "unit" },
  norm: { type: "grn" },
  activation: { type: "splitrelu" },
  pool: { type: "max", kernelSize: [2, 2, 2], stride: [2, 2, 2], padding: [0, 0, 0] },
};

/** Values and gradients in both formulations. */
function bothOutcomes(options: BlockOptions) {
  const x = doubles([2, options.inChannels, 5, 9, 8]);
  return (["fast", "reference"] as const).map((formulation) => {
    const block = shaken(new Block(options, context(formulation)), 0.3);
    return outcomeOf(block, { x }, () => [block.forward(x)]);
  });
}

describe("Block", () => {
  test.each<[string, Partial<BlockOptions>]>([
    ["the flagship's block", {}],
    ["a trained gain", { activation: { type: "splitrelu", trainableGain: true } }],
    [
      "pooling with overlap and padding",
      { pool: { type: "max", kernelSize: [1, 3, 3], stride: [1, 2, 2], padding: [0, 1, 1] } },
    ],
    ["average pooling", { pool: { type: "avg", kernelSize: [2, 2, 2], stride: [2, 2, 2], padding: [0, 0, 0] } }],
    ["a split along rows", { activation: { type: "splitrelu", splitDim: 3 } }],
    ["pooling before the activation", { order: ["pad", "conv", "norm", "pool", "act"] }],
    ["norm in front of padding", { order: ["norm", "pad", "conv", "act"], norm: { type: "none" } }],
    ["no padding", { order: ["conv", "norm", "act", "pool"] }],
    ["non-causal padding by the convolution", { order: ["conv", "norm", "act"], causal: false, padding: [1, 2, 1] }],
    ["dilation", { conv: { ...flagship.conv, dilation: [2, 1, 1] } }],
  ])("gives the same in both formulations: %s", (_, change) => {
    using _scope = tensorScope();
    const [fast, reference] = bothOutcomes({ ...flagship, ...change });
    expectSameOutcome(fast!, reference!);
  });

  test("gives the same in both formulations when a trained gain turns the norm's sign", () => {
    using _scope = tensorScope();
    const x = doubles([2, 2, 5, 9, 8]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const block = shaken(new Block(flagship, context(formulation)), 0.3);
      for (const { name, tensor } of block.namedParameters()) if (name.endsWith("gamma")) tensor.detach().fill_(-1.2);
      return outcomeOf(block, { x }, () => [block.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test("a blank stimulus gives finite gradients", () => {
    using _scope = tensorScope();
    const block = new Block(flagship, context());
    block
      .forward(zeros([1, 2, 5, 9, 8]))
      .sum()
      .backward();
    for (const { tensor } of block.namedParameters()) {
      for (const value of tensor.grad?.toTypedArray() ?? []) expect(Number.isFinite(Number(value))).toBe(true);
    }
  });

  test("has true gradients", () => {
    using _scope = tensorScope();
    const x = doubles([1, 2, 4, 6, 6]);
    const block = shaken(new Block(flagship, context()), 0.3);
    expectTrueGradients(block, { x }, () => scope(() => [block.forward(x)]), { tolerance: 1e-5 });
  });

  test("is causal: later frames do not change earlier results", () => {
    using _scope = tensorScope();
    const block = shaken(new Block(plain, context()));
    const x = doubles([1, 2, 6, 5, 5]);
    const changed = cat([x.slice(2, 0, 4), doubles([1, 2, 2, 5, 5], 8)], 2);
    const numbers = (input: typeof x) => {
      const y = block.forward(input).detach();
      const values = (part: typeof y) => part.contiguous().toTypedArray() as Float64Array;
      return { early: values(y.slice(2, 0, 4)), late: values(y.slice(2, 4)) };
    };
    const [before, after] = [numbers(x), numbers(changed)];
    expect(after.early).toEqual(before.early);
    expect(relativeDifference(after.late, before.late)).toBeGreaterThan(0.01);
  });

  test("drops elements in training only", () => {
    using _scope = tensorScope();
    const block = shaken(new Block({ ...plain, dropout: 0.5 }, context()));
    const x = doubles([1, 2, 4, 6, 6]);
    const dropped = () => block.forward(x).eq(0).to({ dtype: "float64" }).mean().item();
    expect(dropped()).toBeGreaterThan(0.3);
    block.eval();
    expect(dropped()).toBe(0);
  });

  test("counts the doubling of a split relu only where it runs", () => {
    using _scope = tensorScope();
    expect(new Block(flagship, context()).outChannels).toBe(6);
    expect(new Block({ ...flagship, order: ["pad", "conv", "norm"] }, context()).outChannels).toBe(3);
  });
});

describe("blockPadding()", () => {
  test("pads causal blocks in front, replicating", () => {
    const { external, native, discarded } = blockPadding({
      ...plain,
      conv: { kernelSize: [3, 1, 3], dilation: [2, 1, 1] },
    });
    expect(external).toEqual([
      [4, 0],
      [0, 0],
      [1, 1],
    ]);
    expect(native.flat()).toEqual([0, 0, 0, 0, 0, 0]);
    expect(discarded).toBe(false);
  });

  test("says when configured padding has no effect", () => {
    const stem = { ...plain, conv: { kernelSize: [1, 3, 3] } } as const;
    expect(blockPadding(stem)).toMatchObject({ discarded: true });
    expect(blockPadding({ ...stem, padding: [0, 0, 0] })).toMatchObject({ discarded: false });
    expect(blockPadding({ ...stem, order: ["conv"] })).toMatchObject({ discarded: false });
  });
});
