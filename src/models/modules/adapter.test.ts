import { describe, expect, test } from "vitest";
import { autocast, randn, scope, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { Adapter, type AdapterOptions, blurKernel, resample } from "./adapter.ts";

const plain: AdapterOptions = {
  initSigma: 1,
  gridSize: 7,
  transform: "scale",
  blurKernel: "reference",
  differentiateSigma: false,
  initScale: null,
};

describe("Adapter", () => {
  test.each<[string, Partial<AdapterOptions>]>([
    ["the reference's blur", {}],
    ["a centred blur", { blurKernel: "centred" }],
    ["a trained blur", { differentiateSigma: true }],
    ["a wide blur", { initSigma: 3 }],
    ["no blur", { initSigma: 1e-5, initScale: 1.5 }],
    ["samples outside the frame", { initScale: 1.4 }],
  ])("gives the same by matrices and by sampling: %s", (_, change) => {
    using _scope = tensorScope();
    const x = doubles([2, 1, 3, 9, 11]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const adapter = shaken(new Adapter({ ...plain, ...change }, context(formulation)), 0.01);
      return outcomeOf(adapter, { x }, () => [adapter.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test.each<[string, Partial<AdapterOptions>]>([
    ["scale", { differentiateSigma: true }],
    ["affine", { transform: "affine", differentiateSigma: true }],
  ])("has true gradients, those of a trained blur included: %s", (_, change) => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 2, 9, 8]);
    const adapter = shaken(new Adapter({ ...plain, ...change }, context()), 0.05);
    const { gradients } = outcomeOf(adapter, { x }, () => [adapter.forward(x)]);
    expect(gradients.get("log_sigma")).not.toBeNull();
    expectTrueGradients(adapter, { x }, () => scope(() => [adapter.forward(x)]));
  });

  test("starts at the identity where it is asked to, with a finite gradient", () => {
    using _scope = tensorScope();
    const affine = new Adapter({ ...plain, transform: "affine", differentiateSigma: true }, context());
    affine.to({ dtype: "float64" });
    const x = doubles([1, 1, 1, 9, 9]);
    const { gradients } = outcomeOf(affine, { x }, () => [affine.forward(x)]);
    expect(gradients.get("affine")!.every(Number.isFinite)).toBe(true);
    const whole = new Adapter({ ...plain, initScale: 1 }, context());
    expect(whole.sampling().scale.select(0, 0).item()).toBeCloseTo(1, 6);
    expect(new Adapter(plain, context()).sampling().scale.select(0, 0).item()).toBeCloseTo(Math.LN2, 6);
  });

  test("leaves the width of the blur without a gradient by default", () => {
    using _scope = tensorScope();
    const adapter = shaken(new Adapter(plain, context()));
    const x = doubles([1, 1, 1, 9, 9]);
    expect(outcomeOf(adapter, { x }, () => [adapter.forward(x)]).gradients.get("log_sigma")).toBeNull();
  });

  test("stays in float32 under autocast", () => {
    using _scope = tensorScope();
    const x = randn([1, 1, 2, 9, 9], context().generator);
    for (const formulation of ["fast", "reference"] as const) {
      const adapter = new Adapter(plain, context(formulation));
      const half = autocast("cpu", "bfloat16", () => adapter.forward(x));
      expect(half.dtype).toBe("float32");
      expect(half.detach().toTypedArray()).toEqual(adapter.forward(x).detach().toTypedArray());
    }
  });
});

describe("resample()", () => {
  test("treats every session by its own adapter, whatever their sizes", () => {
    using _scope = tensorScope();
    const adapters = [1, 2, 3].map((seed) => shaken(new Adapter(plain, context()), 0.2, seed));
    const other = shaken(new Adapter({ ...plain, gridSize: 5 }, context()));
    const sessions = [
      { adapter: adapters[0]!, stimulus: doubles([2, 1, 3, 9, 9], 1) },
      { adapter: other, stimulus: doubles([1, 1, 3, 9, 9], 2) },
      { adapter: adapters[1]!, stimulus: doubles([1, 1, 3, 9, 9], 3) },
      { adapter: adapters[2]!, stimulus: doubles([1, 1, 3, 12, 9], 4) },
    ];
    const together = resample(sessions);
    for (const [i, { adapter, stimulus }] of sessions.entries()) {
      const alone = adapter.forward(stimulus);
      expect(together[i]!.shape).toEqual(alone.shape);
      expect(together[i]!.sub(alone).abs().amax().item()).toBeLessThan(1e-12);
    }
  });
});

describe("blurKernel()", () => {
  test("is off centre by one tap unless centred", () => {
    using _scope = tensorScope();
    const sigma = doubles([]).detach().fill_(1);
    const reference = blurKernel(sigma, "reference").toTypedArray();
    const centred = blurKernel(sigma, "centred").toTypedArray();
    expect([reference.length, centred.length]).toEqual([8, 7]);
    expect(reference.indexOf(Math.max(...(reference as Float64Array)) as never)).toBe(4);
    expect(centred.indexOf(Math.max(...(centred as Float64Array)) as never)).toBe(3);
  });
});
