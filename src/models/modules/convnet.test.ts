import { describe, expect, test } from "vitest";
import { arange, scope, type Tensor, tensorScope, zeros } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { Convnet, type ConvnetOptions, crop, type NetBlockOptions } from "./convnet.ts";

const block: NetBlockOptions = {
  outChannels: 3,
  conv: { kernelSize: [3, 5, 5], window: { type: "hann" }, weightNorm: "unit" },
  padding: [0, 0, 0],
  norm: { type: "grn" },
  activation: { type: "splitrelu" },
  pool: { type: "max", kernelSize: [2, 2, 2], stride: [2, 2, 2], padding: [0, 0, 0] },
  dropout: 0,
  causal: true,
  order: ["pad", "conv", "norm", "act", "dropout", "pool"],
};
const net: ConvnetOptions = {
  type: "resnet",
  inChannels: 2,
  stem: { ...block, outChannels: 2, conv: { ...block.conv, kernelSize: [1, 5, 5] }, norm: { type: "rms" }, pool: null },
  blocks: [block, { ...block, conv: { kernelSize: [3, 3, 3] }, pool: null }],
  postAddActivation: { type: "none" },
  finalActivation: { type: "none" },
};

describe("Convnet", () => {
  test.each<[string, Partial<ConvnetOptions>]>([
    ["resnet", {}],
    [
      "resnet with a stride per axis",
      { blocks: [{ ...block, conv: { ...block.conv, stride: [1, 1, 2] }, pool: null }] },
    ],
    ["densenet", { type: "densenet" }],
    ["vanilla", { type: "vanilla", finalActivation: { type: "tanh" } }],
    ["no blocks", { blocks: [] }],
  ])("gives the same in both formulations: %s", (_, change) => {
    using _scope = tensorScope();
    const x = doubles([2, 2, 5, 16, 15]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const convnet = shaken(new Convnet({ ...net, ...change }, context(formulation)), 0.3);
      expect(convnet.forward(x).size(1)).toBe(convnet.outChannels);
      return outcomeOf(convnet, { x }, () => [convnet.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test.each(["resnet", "densenet"] as const)("%s has true gradients", (type) => {
    using _scope = tensorScope();
    const x = doubles([1, 2, 4, 16, 15]);
    const smooth = { type: "silu" } as const;
    const blocks = net.blocks.map((b) => ({ ...b, activation: smooth }));
    const convnet = shaken(new Convnet({ ...net, type, blocks }, context()), 0.2);
    expectTrueGradients(convnet, { x }, () => scope(() => [convnet.forward(x)]), { elements: 2, tolerance: 1e-5 });
  });
});

describe("crop()", () => {
  const axis = (dim: number, length: number, kept: number) =>
    scope(() => {
      const shape = [1, 1, 1, 1, 1];
      const like = zeros(shape.map((n, i) => (i === dim ? kept : n)));
      const values = arange(length).reshape(shape.map((n, i) => (i === dim ? length : n)));
      return [...((crop(values, like) as Tensor).contiguous().toTypedArray() as BigInt64Array)].map(Number);
    });

  test("keeps the last frames", () => {
    expect(axis(2, 5, 2)).toEqual([3, 4]);
  });
  test("keeps the central pixels, the earlier ones where they cannot be halved", () => {
    expect(axis(3, 6, 2)).toEqual([2, 3]);
    expect(axis(4, 7, 2)).toEqual([2, 3]);
  });
});
