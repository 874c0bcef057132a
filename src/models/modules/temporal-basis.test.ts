import { describe, expect, test } from "vitest";
import { raisedCosineBasis } from "../../signal/raised-cosine.ts";
import { scope, tensorScope, zeros } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { TemporalBasis, type TemporalBasisOptions } from "./temporal-basis.ts";

const basis = {
  num_delta_funcs: 1,
  num_cosine_funcs: 2,
  history_bins: 5,
  log_spacing: true,
  peak_range_ms: [5, 20],
  bin_size_ms: 5,
  normalize: true,
  orthogonalize: false,
} as const;
const plain: TemporalBasisOptions = { basis, causal: true, batchNorm: false, chomp: 0 };
const FORMULATIONS = ["fast", "reference"] as const;
const VARIANTS: [string, Partial<TemporalBasisOptions>][] = [
  ["causal", {}],
  ["acausal", { causal: false }],
  ["acausal with an even number of taps", { causal: false, basis: { ...basis, history_bins: 6 } }],
  ["longer than the stimulus", { basis: { ...basis, history_bins: 20 } }],
  ["batch norm and chomp", { batchNorm: true, chomp: 2 }],
];

describe("TemporalBasis", () => {
  test.each(VARIANTS)("gives the same in both formulations: %s", (_, change) => {
    using _scope = tensorScope();
    const x = doubles([2, 2, 8, 3, 2]);
    const [fast, reference] = FORMULATIONS.map((formulation) => {
      const layer = shaken(new TemporalBasis({ ...plain, ...change }, context(formulation)));
      return outcomeOf(layer, { x }, () => [layer.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test.each(
    FORMULATIONS.flatMap((formulation) => VARIANTS.map(([name, change]) => [formulation, name, change] as const)),
  )("has true gradients: %s, %s", (formulation, _, change) => {
    using _scope = tensorScope();
    const layer = shaken(new TemporalBasis({ ...plain, ...change }, context(formulation)));
    const x = doubles([1, 2, 7, 2, 2]);
    expectTrueGradients(layer, { x }, () => scope(() => [layer.forward(x)]));
  });

  test.each(FORMULATIONS)("answers a flash with its functions, innermost in every channel: %s", (formulation) => {
    using _scope = tensorScope();
    const x = zeros([1, 2, 12, 1, 1]);
    x.select(1, 1).select(1, 4).fill_(1);
    const answers = (causal: boolean) => {
      const y = new TemporalBasis({ ...plain, causal }, context(formulation)).forward(x);
      expect(y.shape).toEqual([1, 6, 12, 1, 1]);
      const values = [...y.contiguous().toTypedArray()].map(Number);
      expect(values.slice(0, 36).every((value) => value === 0)).toBe(true);
      return [3, 4, 5].map((channel) => values.slice(12 * channel, 12 * (channel + 1)));
    };
    const rows = raisedCosineBasis(basis);
    const after = answers(true);
    const around = answers(false);
    for (const [k, row] of rows.entries()) {
      for (const [j, weight] of row.entries()) {
        expect(after[k]![4 + j]).toBeCloseTo(weight, 6);
        // Centred on half of the six taps, and not turned round: later weights answer earlier.
        expect(around[k]![4 + 3 - j]).toBeCloseTo(weight, 6);
      }
    }
  });

  test("takes sequences without pixels, and drops frames at the start last", () => {
    using _scope = tensorScope();
    const x = doubles([2, 2, 9]).detach().float();
    const whole = new TemporalBasis(plain, context()).forward(x);
    const cut = new TemporalBasis({ ...plain, chomp: 4 }, context()).forward(x);
    expect(whole.shape).toEqual([2, 6, 9]);
    expect(cut.sub(whole.slice(2, 4)).abs().amax().item()).toBe(0);
  });

  test("keeps its functions in the state dict, and names the norm bn", () => {
    using _scope = tensorScope();
    const layer = new TemporalBasis({ ...plain, batchNorm: true }, context());
    expect([...layer.stateDict().keys()].slice(0, 3)).toEqual(["basis", "bn.weight", "bn.bias"]);
    expect(layer.stateDict().get("basis")!.shape).toEqual([3, 1, 6]);
    const standardised = layer.forward(doubles([4, 1, 10, 3, 3]).detach().float());
    expect(standardised.mean([0, 2, 3, 4]).abs().amax().item()).toBeLessThan(1e-5);
    const variance = standardised.square().mean([0, 2, 3, 4]);
    expect(variance.sub(1).abs().amax().item()).toBeLessThan(1e-3);
  });
});
