import { describe, expect, test } from "vitest";
import { noGrad } from "./autograd.ts";
import type { NamedTensor } from "./module.ts";
import { AdamW } from "./optim.ts";
import { scope, tensorStats } from "./scope.ts";
import { full, type Tensor, tensor } from "./tensor.ts";

/** One parameter of three elements and an optimiser for it. */
function prepare(values: readonly number[] = [1, -2, 3]): { parameter: NamedTensor; adam: AdamW } {
  const parameter = { name: "w", tensor: tensor(Float32Array.from(values)).keep().setRequiresGrad() };
  const adam = new AdamW([{ name: "all", parameters: [parameter], lr: 0.1, weightDecay: 0.5 }]);
  return { parameter, adam };
}

function setGradient({ tensor: w }: NamedTensor, values: readonly number[]): void {
  scope(() => w.setGrad(tensor(Float32Array.from(values))));
}

const numbers = (t: Tensor): number[] => Array.from(t.toTypedArray(), Number);
const skip = (value: number): Tensor => full([], value);

describe("AdamW.step(skip)", () => {
  test("changes nothing when skip is 1, not even decay and counts, whatever the gradients", () => {
    const { parameter, adam } = prepare();
    setGradient(parameter, [1, 2, 3]);
    adam.step();
    const before = [parameter.tensor, ...adam.stateTensors().values()].map(numbers);
    setGradient(parameter, [Number.NaN, Number.POSITIVE_INFINITY, 1]);
    scope(() => adam.step(skip(1)));
    expect([parameter.tensor, ...adam.stateTensors().values()].map(numbers)).toEqual(before);
  });

  test("is a step like any other when skip is 0", () => {
    const [plain, told] = [prepare(), prepare()];
    for (const gradient of [
      [1, 2, 3],
      [0.5, -1, 1e-3],
    ]) {
      for (const { parameter } of [plain, told]) setGradient(parameter, gradient);
      plain.adam.step();
      scope(() => told.adam.step(skip(0)));
    }
    expect(numbers(told.parameter.tensor)).toEqual(numbers(plain.parameter.tensor));
    expect([...told.adam.stateTensors().values()].map(numbers)).toEqual(
      [...plain.adam.stateTensors().values()].map(numbers),
    );
  });
});

describe("AdamW.stepSize()", () => {
  test("is that of the last update, and the rate when all updates were skipped", () => {
    const { parameter, adam } = prepare();
    expect(adam.stepSize(parameter)).toBeUndefined();
    setGradient(parameter, [1, 2, 4]);
    scope(() => {
      adam.step(skip(1));
      expect(numbers(adam.stepSize(parameter)!)).toEqual([0.1, 0.1, 0.1].map((rate) => expect.closeTo(rate, 6)));
      adam.step();
      // lr / (1 - beta1) * sqrt(1 - beta2) / (sqrt(1 - beta2) |g|)
      expect(numbers(adam.stepSize(parameter)!)).toEqual([1, 0.5, 0.25].map((size) => expect.closeTo(size, 4)));
    });
  });
});

test("AdamW.loadStateTensors() takes over what stateTensors() gave, and needs all of it", () => {
  const { live } = tensorStats();
  const [from, to] = [prepare(), prepare()];
  setGradient(from.parameter, [1, 2, 3]);
  from.adam.step();
  const stored = from.adam.stateTensors();
  to.adam.loadStateTensors((name) => stored.get(name)!.clone().keep());
  noGrad(() => to.parameter.tensor.copy_(from.parameter.tensor));
  for (const { parameter, adam } of [from, to]) {
    setGradient(parameter, [1, -1, 0.1]);
    adam.step();
  }
  expect(numbers(to.parameter.tensor)).toEqual(numbers(from.parameter.tensor));

  stored.delete("exp_avg.w");
  const needed: string[] = [];
  to.adam.dispose();
  to.adam.loadStateTensors((name, { isNeeded }) => {
    if (isNeeded) needed.push(name);
    return stored.get(name)?.clone().keep() ?? full([3], 0).keep();
  });
  expect(needed).toEqual(["exp_avg.w", "exp_avg_sq.w"]);
  for (const { parameter, adam } of [from, to]) {
    adam.dispose();
    parameter.tensor.dispose();
  }
  expect(tensorStats().live).toBe(live);
});
