import { describe, expect, test } from "vitest";
import { setNumThreads, type Tensor, tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import type { Formulation } from "./layer.ts";
import { makePool, type PoolOptions } from "./pool.ts";
import { SQUEEZE_POOL_KERNEL } from "./squeeze-pool.ts";

setNumThreads(1);

const squeeze = (type: "aablur" | "se_pool", soft: boolean, step: number): PoolOptions => ({
  type,
  channels: 4,
  squeezed: 2,
  soft,
  kernelSize: SQUEEZE_POOL_KERNEL,
  stride: [1, step, step],
  padding: [0, 0, 0],
});
const attention = (layout: "reference" | "per_frame", channelWindow = 1): PoolOptions => ({
  type: "locatt",
  channels: 4,
  channelWindow,
  spatialKernel: 3,
  layout,
});

const POOLS: [string, PoolOptions][] = [
  ["max", { type: "max", kernelSize: [2, 2, 2], stride: [1, 2, 2], padding: [0, 0, 0] }],
  ["avg, padded", { type: "avg", kernelSize: [2, 2, 2], stride: [2, 2, 2], padding: [1, 1, 1] }],
  ["adaptivemax", { type: "adaptivemax", kernelSize: [2, 3, 3] }],
  ["adaptiveavg", { type: "adaptiveavg", kernelSize: [2, 3, 3] }],
  ["aablur", squeeze("aablur", false, 2)],
  ["aablur, soft, stride 1", squeeze("aablur", true, 1)],
  ["se_pool", squeeze("se_pool", false, 1)],
  ["se_pool, soft", squeeze("se_pool", true, 2)],
  ["locatt", attention("reference")],
  ["locatt per frame", attention("per_frame")],
];

describe("makePool()", () => {
  test.each(POOLS)("has true gradients, the same in both formulations: %s", (_, options) => {
    using _scope = tensorScope();
    const [fast, reference] = (["fast", "reference"] as Formulation[]).map((formulation) => {
      const pool = shaken(makePool(options, context(formulation)));
      const x = doubles([2, 4, 3, 6, 7]);
      expectTrueGradients(pool, { x }, () => [pool.forward(x)]);
      return outcomeOf(pool, { x }, () => [pool.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });
});

describe("SqueezePool", () => {
  test("treats every frame by itself", () => {
    using _scope = tensorScope();
    const pool = makePool(squeeze("aablur", true, 2), context());
    const x = doubles([1, 4, 3, 6, 6]).detach().float();
    const alone = pool.forward(x.slice(2, 1, 2));
    expect(worst(pool.forward(x).slice(2, 1, 2), alone)).toBeLessThan(1e-6);
  });

  test("keeps the blur with the weights, under the reference's name", () => {
    using _scope = tensorScope();
    const names = [
      ...makePool(squeeze("aablur", true, 2), context())
        .stateDict()
        .keys(),
    ];
    expect(names).toEqual(["blur", "se.1.weight", "se.1.bias", "se.3.weight", "se.3.bias"]);
    expect([
      ...makePool(squeeze("se_pool", true, 2), context())
        .stateDict()
        .keys(),
    ]).toEqual(names.slice(1));
  });
});

describe("LocalAttention", () => {
  const frames = () => doubles([1, 4, 3, 5, 5]).detach().float();

  test("per frame: a frame's output does not depend on other frames", () => {
    using _scope = tensorScope();
    const pool = makePool(attention("per_frame"), context());
    const alone = pool.forward(frames().slice(2, 1, 2));
    expect(worst(pool.forward(frames()).slice(2, 1, 2), alone)).toBeLessThan(1e-6);
  });

  test("reference: frames and channels are mixed, unless there is a single frame (M-22)", () => {
    using _scope = tensorScope();
    const [reference, perFrame] = (["reference", "per_frame"] as const).map((layout) =>
      makePool(attention(layout), context()),
    );
    expect(worst(reference!.forward(frames()), perFrame!.forward(frames()))).toBeGreaterThan(1e-3);
    const one = frames().slice(2, 0, 1);
    expect(worst(reference!.forward(one), perFrame!.forward(one))).toBe(0);
  });

  test("gates a channel by its group alone", () => {
    using _scope = tensorScope();
    const pool = makePool({ ...attention("per_frame", 3), channels: 6 } as PoolOptions, context());
    const x = doubles([1, 6, 1, 4, 4]).detach().float();
    const mask = tensor(Float32Array.of(1, 1, 1, 0, 0, 0), [1, 6, 1, 1, 1]);
    const [whole, half] = [pool.forward(x), pool.forward(x.mul(mask))];
    expect(worst(whole.slice(1, 0, 3), half.slice(1, 0, 3))).toBe(0);
  });
});

function worst(a: Tensor, b: Tensor): number {
  return a.sub(b).abs().amax().item();
}
