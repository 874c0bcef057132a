import { describe, expect, test } from "vitest";
import { autocast, randn, scope, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { orthogonal } from "./orthogonal.ts";
import { ConvGru } from "./recurrent.ts";

const twoLayers = { inChannels: 3, hiddenDims: [4, 2], kernelSizes: [3, 5] };

describe("ConvGru", () => {
  test.each([1, 4])("gives the same in both formulations, for %i frames", (frames) => {
    using _scope = tensorScope();
    const x = doubles([2, 3, frames, 4, 5]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const gru = shaken(new ConvGru(twoLayers, context(formulation)));
      return outcomeOf(gru, { x }, () => [gru.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test("keeps only the last state when only that is read, with the same gradients", () => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 4, 4, 5]);
    const gru = shaken(new ConvGru(twoLayers, context()));
    const all = outcomeOf(gru, { x }, () => [gru.forward(x).slice(2, -1)]);
    const last = outcomeOf(gru, { x }, () => [gru.forward(x, { lastOnly: true })]);
    expectSameOutcome(last, all);
  });

  test.each([
    ["one layer", { inChannels: 3, hiddenDims: [4], kernelSizes: [3] }],
    ["two layers", twoLayers],
  ])("has true gradients: %s", (_, options) => {
    using _scope = tensorScope();
    const x = doubles([1, 3, 3, 3, 4]);
    for (const formulation of ["fast", "reference"] as const) {
      for (const lastOnly of [false, true]) {
        const gru = shaken(new ConvGru(options, context(formulation)));
        expectTrueGradients(gru, { x }, () => scope(() => [gru.forward(x, { lastOnly })]));
      }
    }
  });

  test("does not look ahead, nor at other samples", () => {
    using _scope = tensorScope();
    const x = doubles([3, 3, 4, 4, 5]).detach();
    const gru = shaken(new ConvGru(twoLayers, context()));
    const y = gru.forward(x);
    const later = x.clone();
    later.slice(2, 2).add_(1);
    const difference = gru.forward(later).sub(y).abs().amax([0, 1, 3, 4]).toTypedArray();
    expect([...difference].map((value) => Number(value) === 0)).toEqual([true, true, false, false]);
    expect(gru.forward(x.flip(0)).flip(0).sub(y).abs().amax().item()).toBeLessThan(1e-12);
  });

  test("replaces 73 % of the state per frame at the start", () => {
    using _scope = tensorScope();
    const gru = new ConvGru(twoLayers, context());
    expect(gru.stateDict().get("cells.0.update_gate.bias")!.sigmoid().amin().item()).toBeCloseTo(0.731, 3);
  });

  test("keeps its state in float32 under autocast, close to the full precision result", () => {
    using _scope = tensorScope();
    const x = randn([2, 3, 4, 4, 5], context().generator);
    for (const formulation of ["fast", "reference"] as const) {
      const gru = new ConvGru(twoLayers, context(formulation));
      const half = autocast("cpu", "bfloat16", () => gru.forward(x));
      expect(half.dtype).toBe("float32");
      expect(half.sub(gru.forward(x)).abs().amax().item()).toBeLessThan(0.05);
    }
  });
});

describe("orthogonal()", () => {
  test.each([[4, 3, 3, 3] as const, [8, 3, 1, 1] as const])(
    "has orthonormal rows or columns: %i, %i, %i, %i",
    (...shape) => {
      using _scope = tensorScope();
      const weight = orthogonal(shape, context().generator);
      const matrix = weight.reshape([shape[0], -1]);
      const gram =
        matrix.size(0) <= matrix.size(1)
          ? matrix.matmul(matrix.transpose(0, 1))
          : matrix.transpose(0, 1).matmul(matrix);
      const size = gram.size(0);
      const error = Array.from({ length: size * size }, (_, i) => {
        const value = (gram.toTypedArray() as Float32Array)[i]!;
        return Math.abs(value - (i % (size + 1) === 0 ? 1 : 0));
      });
      expect(Math.max(...error)).toBeLessThan(1e-5);
    },
  );
});
