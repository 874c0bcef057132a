import { describe, expect, test } from "vitest";
import { Generator } from "./generator.ts";
import { Module, ModuleList } from "./module.ts";
import { AdamW, clipGradNorm } from "./optim.ts";
import { Parametrizations, ParametrizedWeight, WeightNorm } from "./parametrize.ts";
import { scope, tensorStats } from "./scope.ts";
import { randn, type Tensor, tensor, zeros } from "./tensor.ts";

class Linear extends Module {
  readonly bias = this.parameter("bias", zeros([2]));
  readonly parametrizations: Parametrizations;
  readonly count = this.buffer("count", zeros([]));
  readonly grid = this.buffer("grid", zeros([4]), false);

  constructor(rng: Generator) {
    super();
    const original = randn([2, 3], rng);
    this.parametrizations = this.child(
      "parametrizations",
      new Parametrizations(new ParametrizedWeight(original, [new WeightNorm(original, { unitNorm: true })])),
    );
  }

  forward(x: Tensor): Tensor {
    return x.matmul(this.parametrizations.weight.value().transpose(0, 1)).add(this.bias);
  }
}

describe("Module", () => {
  test("names parameters and buffers like PyTorch", () => {
    const list = new ModuleList([new Linear(new Generator(0))]);
    expect([...list.namedParameters("net.")].map((p) => p.name)).toEqual([
      "net.0.bias",
      "net.0.parametrizations.weight.original",
      "net.0.parametrizations.weight.0.v",
      "net.0.parametrizations.weight.0.g",
    ]);
    expect([...list.stateDict().keys()]).toContain("0.count");
    expect([...list.stateDict().keys()]).not.toContain("0.grid");
  });

  test("loadStateDict() copies values, and lists every mismatch before it copies anything", () => {
    const a = new Linear(new Generator(0));
    const b = new Linear(new Generator(1));
    expect(b.loadStateDict(a.stateDict())).toEqual({ missing: [], unexpected: [], misshapen: [] });
    expect(b.parametrizations.weight.original.toTypedArray()).toEqual(
      a.parametrizations.weight.original.toTypedArray(),
    );

    const wrong = new Map(a.stateDict());
    wrong.delete("count");
    wrong.set("extra", zeros([1]));
    wrong.set("bias", tensor([1, 2, 3]));
    const before = b.bias.toTypedArray();
    expect(b.loadStateDict(wrong)).toEqual({
      missing: ["count"],
      unexpected: ["extra"],
      misshapen: [{ name: "bias", expected: [2], found: [3] }],
    });
    expect(b.bias.toTypedArray()).toEqual(before);
  });

  test("to() changes the element type in place", () => {
    const module = new Linear(new Generator(0)).to({ dtype: "float64" });
    expect(module.bias.dtype).toBe("float64");
    expect(module.forward(zeros([1, 3], { dtype: "float64" })).dtype).toBe("float64");
    expect(module.bias.requiresGrad).toBe(true);
  });

  test("train() and eval() reach every part", () => {
    const list = new ModuleList([new Linear(new Generator(0))]);
    list.eval();
    expect(list.at(0).training).toBe(false);
    expect(() => list.at(1)).toThrow("Cannot take module 1: the list has 1");
  });

  test("dispose() frees all tensors", () => {
    const before = tensorStats().live;
    scope(() => new Linear(new Generator(0)).dispose());
    expect(tensorStats().live).toBe(before);
  });
});

describe("WeightNorm", () => {
  test("gives rows of unit norm, whatever v is, and v a gradient orthogonal to itself", () => {
    const module = new Linear(new Generator(4));
    const { v } = module.parametrizations.weight.chain[0] as WeightNorm;
    const weight = module.parametrizations.weight.value();
    for (const norm of weight.norm(1).toTypedArray() as Float32Array) expect(norm).toBeCloseTo(1, 6);
    weight.select(1, 0).sum().backward();
    const along = v.grad!.mul(v).sum(1).toTypedArray() as Float32Array;
    for (const value of along) expect(value).toBeCloseTo(0, 6);
    expect(module.parametrizations.weight.original.grad).toBeNull();
  });
});

describe("AdamW", () => {
  test("follows the decoupled update and skips parameters without a gradient", () => {
    const p = tensor([1, -2]).setRequiresGrad();
    const idle = tensor([5]).setRequiresGrad();
    const adam = new AdamW([
      {
        name: "all",
        lr: 0.1,
        weightDecay: 0.5,
        parameters: [
          { name: "p", tensor: p },
          { name: "idle", tensor: idle },
        ],
      },
    ]);
    let [m, v, x] = [0, 0, 1];
    for (let t = 1; t <= 3; t++) {
      p.setGrad(null);
      p.square().sum().backward();
      const g = 2 * x;
      x *= 1 - 0.1 * 0.5;
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      x -= ((0.1 / (1 - 0.9 ** t)) * m) / (Math.sqrt(v) / Math.sqrt(1 - 0.999 ** t) + 1e-8);
      adam.step();
      expect(p.toTypedArray()[0]).toBeCloseTo(x, 6);
    }
    expect(idle.item()).toBe(5);
    expect(adam.state.has("idle")).toBe(false);
    expect(adam.state.get("p")!.step.item()).toBe(3);
  });
});

describe("clipGradNorm()", () => {
  test("scales all gradients by one factor and reports the norm before", () => {
    const a = tensor([0, 0]).setRequiresGrad();
    const b = tensor([0]).setRequiresGrad();
    a.mul(tensor([3, 0]))
      .sum()
      .add(b.mul(4).sum())
      .backward();
    expect(clipGradNorm([a, b], 1).item()).toBeCloseTo(5, 6);
    expect(a.grad!.toTypedArray()[0]).toBeCloseTo(0.6, 5);
    expect(b.grad!.item()).toBeCloseTo(0.8, 5);
    expect(clipGradNorm([a, b], 0).item()).toBeCloseTo(1, 5);
  });
});
