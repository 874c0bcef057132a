import { describe, expect, test } from "vitest";
import { coneFilters } from "../../signal/cone-filters.ts";
import { autocast, scope, tensor, tensorScope, zeros } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { DynamicAdaptation, type DynamicAdaptationOptions } from "./dynamic-adaptation.ts";

const cone = {
  alpha: 0.7,
  beta: 0.2,
  gamma: 0.3,
  tau_y_ms: 9,
  tau_z_ms: 40,
  n_y: 3,
  n_z: 1.5,
  filter_length: 6,
  sampling_rate: 240,
};
const fixed: DynamicAdaptationOptions = { cone, learnable: false };
const learnable: DynamicAdaptationOptions = { cone, learnable: true };
const FORMULATIONS = ["fast", "reference"] as const;

describe("DynamicAdaptation", () => {
  test.each<[string, DynamicAdaptationOptions]>([
    ["fixed", fixed],
    ["learnable", learnable],
    ["filters longer than the stimulus", { ...learnable, cone: { ...cone, filter_length: 50 } }],
    ["a single tap", { ...learnable, cone: { ...cone, filter_length: 1 } }],
  ])("gives the same in both formulations: %s", (_, options) => {
    using _scope = tensorScope();
    const x = doubles([2, 1, 9, 3, 2]);
    const [fast, reference] = FORMULATIONS.map((formulation) => {
      const adaptation = new DynamicAdaptation(options, context(formulation)).to({ dtype: "float64" });
      return outcomeOf(adaptation, { x }, () => [adaptation.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test.each(
    FORMULATIONS.flatMap((formulation) => [
      [formulation, "fixed", fixed] as const,
      [formulation, "learnable", learnable] as const,
      [formulation, "learnable and long", { ...learnable, cone: { ...cone, filter_length: 30 } }] as const,
    ]),
  )("has true gradients: %s, %s", (formulation, _, options) => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 8, 2, 2]);
    const adaptation = shaken(new DynamicAdaptation(options, context(formulation)), 0.02);
    const { gradients } = outcomeOf(adaptation, { x }, () => [adaptation.forward(x)]);
    const trained = [...gradients.keys()].filter((name) => name !== "x" && gradients.get(name) !== null);
    expect(trained).toHaveLength(options.learnable ? 7 : 0);
    expectTrueGradients(adaptation, { x }, () => scope(() => [adaptation.forward(x)]));
  });

  test("computes learnable filters as the fixed ones are", () => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 12, 2, 2]);
    const [ours, theirs] = [fixed, learnable].map((options) =>
      new DynamicAdaptation({ ...options, cone: { ...cone, filter_length: 12 } }, context())
        .to({ dtype: "float64" })
        .forward(x),
    );
    // The fixed ones were rounded to single precision.
    expect(ours!.sub(theirs!).abs().amax().item()).toBeLessThan(1e-6);
  });

  test("responds to a flash with the fast filter, delayed by nothing", () => {
    using _scope = tensorScope();
    const x = zeros([1, 1, 8, 1, 1]);
    x.select(2, 2).fill_(1);
    const y = new DynamicAdaptation({ learnable: false, cone: { ...cone, alpha: 2, beta: -3 } }, context()).forward(x);
    // A negative strength acts as 0.
    const { fast } = coneFilters(cone);
    const expected = [0, 0, ...fast].slice(0, 8).map((weight) => 2 * weight);
    const actual = [...y.detach().toTypedArray()].map(Number);
    for (const [t, value] of expected.entries()) expect(actual[t]).toBeCloseTo(value, 6);
  });

  test("divides by no less than a millionth", () => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 6, 1, 1]).detach().fill_(-1000);
    for (const formulation of FORMULATIONS) {
      const y = new DynamicAdaptation(fixed, context(formulation)).to({ dtype: "float64" }).forward(x);
      expect(y.amin().item()).toBeLessThan(-1e6);
      expect(Number.isFinite(y.amin().item())).toBe(true);
    }
  });

  test("keeps finite gradients where scalars leave their range", () => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 6, 1, 1]);
    const outside = { ...cone, gamma: 2, tau_y_ms: -1, tau_z_ms: 0, n_y: -1, n_z: 0 };
    const adaptation = new DynamicAdaptation({ cone: outside, learnable: true }, context()).to({ dtype: "float64" });
    const { gradients } = outcomeOf(adaptation, { x }, () => [adaptation.forward(x)]);
    for (const [name, gradient] of gradients) expect(gradient!.every(Number.isFinite), name).toBe(true);
    for (const name of ["gamma", "tau_y_ms", "tau_z_ms", "n_y", "n_z"])
      expect(gradients.get(name)).toEqual(new Float64Array(1));
  });

  test("uses the filters it was given, not the scalars beside them", () => {
    using _scope = tensorScope();
    const adaptation = new DynamicAdaptation(fixed, context());
    const state = new Map([...adaptation.stateDict()].map(([name, value]) => [name, value.detach().clone()]));
    // All weight on the newest frame: a filter that lets everything through.
    state.set("Ky_filter", tensor([0, 0, 0, 0, 0, 1], [1, 1, 6]));
    state.set("Kz_filter", zeros([1, 1, 6]));
    adaptation.loadStateDict(state);
    const x = doubles([1, 1, 4, 1, 2]).detach().float();
    expect(adaptation.forward(x).sub(x.mul(0.7)).abs().amax().item()).toBeLessThan(1e-6);
  });

  test("stays in float32 under autocast", () => {
    using _scope = tensorScope();
    const x = doubles([1, 1, 6, 3, 3]).detach().float();
    for (const formulation of FORMULATIONS) {
      const adaptation = new DynamicAdaptation(fixed, context(formulation));
      const half = autocast("cpu", "bfloat16", () => adaptation.forward(x));
      expect(half.dtype).toBe("float32");
      expect(half.detach().toTypedArray()).toEqual(adaptation.forward(x).detach().toTypedArray());
    }
  });
});
