import { describe, expect, test } from "vitest";
import { Generator, ops, randn, scope, type Tensor, tensor, tensorStats, zeros } from "../../torch/index.ts";
import { clipRange, fixedContrast } from "./constraints.ts";
import { lpNorm } from "./penalties.ts";
import { type Activation, Synthesis, synthesise } from "./synthesis.ts";
import { Adam, GradientDescent, NormalizedDescent } from "./updates.ts";

const numbers = (values: Tensor) => Array.from(values.toTypedArray(), Number);

/** Two units, each with a filter of its own. */
const FILTERS = [1, -2, 3, 0, 0, 1, 2, 5];
const linear: Activation = (images) =>
  images
    .flatten(1)
    .mul(tensor(FILTERS, [2, 4]))
    .sum(1);
const start = () => randn([2, 1, 2, 2], new Generator(1)).mul(0.1);

function correlation(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe("Synthesis", () => {
  test("under a fixed contrast finds the filters of linear units", () => {
    scope(() => {
      using synthesis = synthesise(linear, start(), {
        iterations: 200,
        update: new NormalizedDescent(0.02, 200),
        maxGradNorm: null,
        constraint: fixedContrast({ rms: 0.1 }),
      });
      const found = numbers(synthesis.images);
      for (const i of [0, 1]) {
        const [mei, filter] = [found, FILTERS].map((values) => values.slice(4 * i, 4 * i + 4)) as [number[], number[]];
        expect(correlation(mei, filter)).toBeGreaterThan(0.9999);
      }
    });
  });

  test("improves images as if each were alone", () => {
    scope(() => {
      const options = () => ({ iterations: 7, update: new Adam(0.05), penalty: lpNorm(), maxGradNorm: 1 });
      using together = synthesise(linear, start(), options());
      const second: Activation = (images) =>
        images
          .flatten(1)
          .mul(tensor(FILTERS.slice(4), [1, 4]))
          .sum(1);
      using alone = synthesise(second, start().slice(0, 1), options());
      expect(numbers(alone.images)).toEqual(
        numbers(together.images.slice(0, 1)).map((value) => expect.closeTo(value, 6)),
      );
    });
  });

  test("shortens long gradients of single images only", () => {
    scope(() => {
      const options = { iterations: 1, update: new GradientDescent(1), maxGradNorm: 4 };
      using synthesis = synthesise(linear, zeros([2, 1, 2, 2]), options);
      const [first, second] = [numbers(synthesis.images.select(0, 0)), numbers(synthesis.images.select(0, 1))];
      expect(first).toEqual([1, -2, 3, 0].map((value) => expect.closeTo(value, 5)));
      expect(Math.hypot(...second)).toBeCloseTo(4, 5);
    });
  });

  test("keeps the trace of activations, before every step", () => {
    scope(() => {
      using synthesis = new Synthesis(linear, start(), { update: new GradientDescent(0.1) });
      const before = Array.from(synthesis.activations());
      synthesis.step();
      const after = Array.from(synthesis.activations());
      synthesis.step();
      expect(synthesis.traces).toEqual(before.map((value, i) => [value, after[i]].map((v) => expect.closeTo(v!, 5))));
      expect(after[0]).toBeGreaterThan(before[0]!);
    });
  });

  test("stops an image whose loss is not finite, and improves the others", () => {
    scope(() => {
      // The first unit's answer is the logarithm of something that falls below 0.
      const activation: Activation = (images) => {
        const [a, b] = [images.select(0, 0).sum(), images.select(0, 1).sum()];
        return ops.stack([a.rsub(1).log().neg(), b]);
      };
      using synthesis = synthesise(activation, zeros([2, 1, 2, 2]), {
        iterations: 40,
        update: new GradientDescent(0.1),
      });
      expect(synthesis.stops).toEqual([{ iteration: expect.any(Number), reason: "the loss is NaN" }, null]);
      expect(synthesis.traces[1]).toHaveLength(40);
      expect(synthesis.traces[0]).toHaveLength(synthesis.stops[0]!.iteration + 1);
      expect(numbers(synthesis.images).every(Number.isFinite)).toBe(true);
      expect(synthesis.stopped).toBe(false);
    });
  });

  test("stops an image that makes no difference", () => {
    scope(() => {
      using synthesis = synthesise((images) => images.sub(5).relu().sum([1, 2, 3]), start(), { iterations: 3 });
      const reason = "the gradient is 0: the image makes no difference";
      expect(synthesis.stops).toEqual(Array(2).fill({ iteration: 0, reason }));
      expect(synthesis.traces.map(({ length }) => length)).toEqual([1, 1]);
      expect(numbers(synthesis.images)).toEqual(numbers(start()));
    });
  });

  test("does not change what it starts from, and leaves no tensors", () => {
    const first = start().keep();
    const values = numbers(first);
    const { live } = tensorStats();
    synthesise(linear, first, { iterations: 3, constraint: clipRange() })[Symbol.dispose]();
    expect(tensorStats().live).toBe(live);
    expect(numbers(first)).toEqual(values);
    first.dispose();
  });
});
