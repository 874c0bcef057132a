import { describe, expect, test } from "vitest";
import { UserError } from "../../errors.ts";
import { autocast, Generator, noGrad, ops, randn, tensorScope, zeros } from "../../torch/index.ts";
import { context, doubles, expectSameOutcome, expectTrueGradients, outcomeOf, shaken } from "../comparison.fake.ts";
import { Rnn, type RnnOptions } from "./rnn.ts";

const TYPES = ["gru", "lstm"] as const;

function options(type: RnnOptions["type"], layers = 2, dropout = 0): RnnOptions {
  return { type, frame: [3, 2, 4], hiddenDim: 5, layers, dropout };
}

describe("Rnn", () => {
  test.each(TYPES)("%s gives the same in both formulations", (type) => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 4, 2, 4]);
    const [fast, reference] = (["fast", "reference"] as const).map((formulation) => {
      const rnn = shaken(new Rnn(options(type), context(formulation)));
      return outcomeOf(rnn, { x }, () => [rnn.forward(x)]);
    });
    expectSameOutcome(fast!, reference!);
  });

  test.each(TYPES)("%s is the library's, over frames flattened channel by channel", (type) => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 4, 2, 4]);
    const rnn = shaken(new Rnn(options(type), context()));
    const ours = outcomeOf(rnn, { x }, () => [rnn.forward(x)]);
    const weights = [...rnn.namedParameters()].map(({ tensor }) => tensor);
    const start = zeros([2, 2, 5], { dtype: "float64" });
    const library = outcomeOf(rnn, { x }, () => {
      const frames = x.transpose(1, 2).reshape([2, 4, 24]);
      const settings = [true, 2, 0, true, false, true] as const;
      const [y] =
        type === "gru"
          ? ops.gru.input(frames, start, weights, ...settings)
          : ops.lstm.input(frames, [start, start], weights, ...settings);
      return [y.transpose(1, 2).reshape([2, 5, 4, 1, 1])];
    });
    expectSameOutcome(ours, library);
  });

  test.each(TYPES.flatMap((type) => [1, 2].map((layers) => [type, layers] as const)))(
    "%s of %i layers has true gradients",
    (type, layers) => {
      using _scope = tensorScope();
      const x = doubles([2, 3, 3, 2, 4]);
      for (const formulation of ["fast", "reference"] as const) {
        for (const lastOnly of [false, true]) {
          const rnn = shaken(new Rnn(options(type, layers), context(formulation)));
          expectTrueGradients(rnn, { x }, () => [rnn.forward(x, { lastOnly })]);
        }
      }
    },
  );

  test.each(TYPES)("%s keeps only the last state when only that is read, with the same gradients", (type) => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 4, 2, 4]);
    const rnn = shaken(new Rnn(options(type), context()));
    const all = outcomeOf(rnn, { x }, () => [rnn.forward(x).slice(2, -1)]);
    const last = outcomeOf(rnn, { x }, () => [rnn.forward(x, { lastOnly: true })]);
    expectSameOutcome(last, all);
  });

  test.each(TYPES)("%s does not look ahead, nor at other samples", (type) => {
    using _scope = tensorScope();
    const x = doubles([3, 3, 4, 2, 4]).detach();
    const rnn = shaken(new Rnn(options(type), context()));
    const y = rnn.forward(x);
    const later = x.clone();
    later.slice(2, 2).add_(1);
    const difference = rnn.forward(later).sub(y).abs().amax([0, 1, 3, 4]).toTypedArray();
    expect([...difference].map((value) => Number(value) === 0)).toEqual([true, true, false, false]);
    expect(rnn.forward(x.flip(0)).flip(0).sub(y).abs().amax().item()).toBeLessThan(1e-12);
  });

  test.each(TYPES)("%s drops between layers, in training only", (type) => {
    using _scope = tensorScope();
    const x = doubles([2, 3, 4, 2, 4]).detach();
    const difference = (layers: number, training: boolean) => {
      const plain = new Rnn(options(type, layers), context()).to({ dtype: "float64" });
      const dropping = new Rnn(options(type, layers, 0.5), context()).to({ dtype: "float64" }).train(training);
      return dropping.forward(x).sub(plain.forward(x)).abs().amax().item();
    };
    expect(difference(2, true)).toBeGreaterThan(1e-3);
    expect(difference(2, false)).toBe(0);
    expect(difference(1, true)).toBe(0);
  });

  test.each(TYPES)("%s starts uniform within 1 / sqrt(hidden), whatever the size of a frame", (type) => {
    using _scope = tensorScope();
    const rnn = new Rnn({ type, frame: [8, 4, 4], hiddenDim: 16, layers: 2, dropout: 0 }, context());
    const gates = { gru: 3, lstm: 4 }[type];
    const shapes = [...rnn.stateDict()].map(([name, { shape }]) => [name, shape]);
    expect(shapes).toEqual(
      [0, 1].flatMap((k) => [
        [`rnn.weight_ih_l${k}`, [gates * 16, k === 0 ? 128 : 16]],
        [`rnn.weight_hh_l${k}`, [gates * 16, 16]],
        [`rnn.bias_ih_l${k}`, [gates * 16]],
        [`rnn.bias_hh_l${k}`, [gates * 16]],
      ]),
    );
    for (const { tensor } of rnn.namedParameters()) {
      const largest = tensor.abs().amax().item();
      expect(largest).toBeLessThanOrEqual(0.25);
      expect(largest).toBeGreaterThan(0.2);
    }
  });

  test.each(TYPES)("%s keeps its state in float32 under autocast, close to the full precision result", (type) => {
    using _scope = tensorScope();
    const x = randn([2, 3, 4, 2, 4], new Generator(2));
    for (const formulation of ["fast", "reference"] as const) {
      const rnn = new Rnn(options(type), context(formulation));
      const half = noGrad(() => autocast("cpu", "bfloat16", () => rnn.forward(x)));
      expect(half.dtype).toBe("float32");
      expect(half.sub(rnn.forward(x)).abs().amax().item()).toBeLessThan(0.02);
    }
  });

  test("refuses frames of another size, with the size it was built for", () => {
    using _scope = tensorScope();
    const rnn = new Rnn(options("gru"), context());
    // As many values per frame, but elsewhere.
    const run = () => rnn.forward(zeros([2, 3, 4, 4, 2]));
    expect(run).toThrow(UserError);
    expect(run).toThrow("it was built for features of 3 x 2 x 4 (channels, rows, columns), found 3 x 4 x 2");
  });
});
