import { expect, test } from "vitest";
import { tensor, tensorScope } from "../../torch/index.ts";
import { context, doubles, expectTrueGradients, shaken } from "../comparison.fake.ts";
import { SpikeHistory } from "./history.ts";

const options = {
  numLags: 2,
  nUnits: 3,
  network: { hiddenDims: [4], activation: { type: "relu" as const } },
};

test("SpikeHistory reads lag by lag: flat history is the same as [batch, lags, units]", () => {
  using _scope = tensorScope();
  const past = new SpikeHistory(options, context());
  const counts = tensor(Float32Array.of(1, 0, 2, 3, 0, 1), [1, 2, 3]);
  expect(past.forward(counts).toTypedArray()).toEqual(past.forward(counts.view([1, 6])).toTypedArray());
});

test("SpikeHistory has true gradients", () => {
  using _scope = tensorScope();
  const past = shaken(new SpikeHistory(options, context()));
  const history = doubles([2, 2, 3]);
  expectTrueGradients(past, { history }, () => [past.forward(history)]);
});

test("SpikeHistory.fits() compares lags and units", () => {
  using _scope = tensorScope();
  const past = new SpikeHistory(options, context());
  expect([[5, 2, 3], [5, 6], [5, 3, 2], [5, 3], [5]].map((shape) => past.fits(shape))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
