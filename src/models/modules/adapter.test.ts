import { describe, expect, test } from "vitest";
import { arange, autocast, linspace, randn, scope, type Tensor, tensorScope } from "../../torch/index.ts";
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

const FORMULATIONS = ["fast", "reference"] as const;

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

  const transforms = FORMULATIONS.flatMap((formulation) =>
    (["scale", "affine"] as const).map((transform) => [formulation, transform] as const),
  );

  // Bilinear sampling has kinks where a sample falls on a pixel: shaken, no sample that moves lies near one.
  test.each(transforms)("has true gradients, those of a trained blur included: %s, %s", (formulation, transform) => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 2, 9, 8]);
    const options = { ...plain, transform, differentiateSigma: true };
    const adapter = shaken(new Adapter(options, context(formulation)), 0.05);
    const { gradients } = outcomeOf(adapter, { x }, () => [adapter.forward(x)]);
    expect(gradients.get("log_sigma")).not.toBeNull();
    expectTrueGradients(adapter, { x }, () => scope(() => [adapter.forward(x)]));
  });

  test.each(transforms)("has true gradients with a blur that is not trained: %s, %s", (formulation, transform) => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 2, 9, 8]);
    const options = { ...plain, transform, initScale: transform === "scale" ? 1.3 : null };
    const adapter = shaken(new Adapter(options, context(formulation)), 0.05);
    // Sampled at more than the pixels' density the frame needs no blur against aliasing. Then the blur, which finite
    // differences would see and the gradient leaves out, does not depend on the density.
    adapter.stateDict().get("affine")?.detach().mul_(1.3);
    const { gradients } = outcomeOf(adapter, { x }, () => [adapter.forward(x)]);
    expect(gradients.get("log_sigma")).toBeNull();
    expect(gradients.get(transform === "scale" ? "log_scale" : "affine")).not.toBeNull();
    expectTrueGradients(adapter, { x }, () => scope(() => [adapter.forward(x)]));
  });

  test.each(FORMULATIONS)("is off by half a pixel unless the blur is centred (M-03): %s", (formulation) => {
    using _scope = tensorScope();
    const ramp = arange(51, { dtype: "float32" }).view([1, 1, 1, 51]).expand([1, 1, 51, 51]);
    const centre = (blurKernel: AdapterOptions["blurKernel"], x: Tensor) => {
      const adapter = new Adapter({ ...plain, gridSize: 5, blurKernel }, context(formulation));
      return adapter.forward(x).select(2, 2).select(2, 2).item();
    };
    for (const x of [ramp, ramp.transpose(2, 3)]) {
      // Its eight taps reach four pixels to one side and three to the other, which takes a thousandth back.
      expect(centre("reference", x)).toBeCloseTo(25.5, 2);
      expect(centre("centred", x)).toBeCloseTo(25, 4);
    }
  });

  test.each(FORMULATIONS)("samples the central 69 % unless told to start at the whole (M-05): %s", (formulation) => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 2, 7, 7]).detach().float();
    const sampled = (initScale: number | null) =>
      new Adapter({ ...plain, initSigma: 1e-5, blurKernel: "centred", initScale }, context(formulation));
    expect(sampled(1).forward(x).sub(x).abs().amax().item()).toBeLessThan(1e-5);
    expect(sampled(null).sampling().scale.select(0, 0).item()).toBeCloseTo(Math.LN2, 6);
    const ramp = linspace(-1, 1, 51).view([1, 1, 1, 51]).expand([1, 1, 51, 51]);
    const edge = new Adapter({ ...plain, blurKernel: "centred" }, context(formulation)).forward(ramp);
    expect(edge.select(2, 3).select(2, 6).item()).toBeCloseTo(Math.LN2, 5);
  });

  test("starts at the identity where it is asked to, with a finite gradient", () => {
    using _scope = tensorScope();
    const affine = new Adapter({ ...plain, transform: "affine", differentiateSigma: true }, context());
    affine.to({ dtype: "float64" });
    const x = doubles([1, 1, 1, 9, 9]);
    const { gradients } = outcomeOf(affine, { x }, () => [affine.forward(x)]);
    expect(gradients.get("affine")!.every(Number.isFinite)).toBe(true);
  });

  test.each(FORMULATIONS)("trains the width of the blur only when told to (M-04): %s", (formulation) => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 1, 9, 9]);
    const gradients = [false, true].map((differentiateSigma) => {
      const adapter = shaken(new Adapter({ ...plain, differentiateSigma }, context(formulation)));
      return outcomeOf(adapter, { x }, () => [adapter.forward(x)]).gradients;
    });
    const [parity, trained] = gradients.map((of) => of.get("log_sigma"));
    expect(parity).toBeNull();
    expect(trained![0]).not.toBe(0);
    // The sampling density, too, acts through the blur only when that is differentiated.
    expect(gradients[0]!.get("log_scale")).not.toEqual(gradients[1]!.get("log_scale"));
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
