import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NamedTensor } from "./module.ts";
import { ScheduleFreeAdamW } from "./optim-schedule-free.ts";
import { scope } from "./scope.ts";
import { type Tensor, tensor } from "./tensor.ts";

const numbers = (t: Tensor): number[] => Array.from(t.toTypedArray(), Number);
const close = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 5));

let parameter: NamedTensor;
let still: NamedTensor;
let optimizer: ScheduleFreeAdamW;

function prepare(warmupSteps = 0): void {
  const make = (name: string, values: number[]) => ({
    name,
    tensor: tensor(Float32Array.from(values)).keep().setRequiresGrad(),
  });
  parameter = make("w", [1, -2]);
  still = make("unused", [5]);
  optimizer = new ScheduleFreeAdamW([{ name: "all", parameters: [parameter, still], lr: 0.1, weightDecay: 0.01 }], {
    warmupSteps,
  });
}

function step(...gradients: number[]): void {
  scope(() => parameter.tensor.setGrad(tensor(Float32Array.from(gradients))));
  optimizer.step();
}

beforeEach(() => prepare());
afterEach(() => {
  optimizer.dispose();
  for (const { tensor: t } of [parameter, still]) t.dispose();
});

describe("ScheduleFreeAdamW", () => {
  test("predicts with the mean of its iterates, weighed by the squares of the largest rates", () => {
    prepare(2);
    const iterates: number[][] = [];
    for (const gradient of [1, -0.3, 0.7, 2]) {
      step(gradient, gradient);
      iterates.push(numbers(optimizer.state.get("w")!.iterate));
    }
    optimizer.setMode("eval");
    const weights = [0.05, 0.1, 0.1, 0.1].map((rate) => rate ** 2);
    const total = weights.reduce((sum, weight) => sum + weight);
    const mean = [0, 1].map((i) => iterates.reduce((sum, z, k) => sum + weights[k]! * z[i]!, 0) / total);
    expect(numbers(parameter.tensor)).toEqual(close(mean));
  });

  test("changes back and forth between its two versions without changing a bit", () => {
    step(0.3, -0.7);
    step(0.1, 0.2);
    const before = numbers(parameter.tensor);
    optimizer.setMode("eval");
    expect(numbers(parameter.tensor)).not.toEqual(before);
    optimizer.setMode("eval");
    optimizer.setMode("train");
    expect(numbers(parameter.tensor)).toEqual(before);
  });

  test("takes no steps with its means, and lists its state with them only", () => {
    step(1, 1);
    expect(() => optimizer.stateTensors()).toThrow(RangeError);
    optimizer.setMode("eval");
    expect(() => optimizer.step()).toThrow("the parameters hold their means");
  });

  test("leaves parameters without a gradient alone", () => {
    step(1, 1);
    optimizer.setMode("eval");
    expect(numbers(still.tensor)).toEqual([5]);
    expect([...optimizer.state.keys()]).toEqual(["w"]);
  });

  test("goes on exactly from its state and the means", () => {
    step(0.3, -0.7);
    step(0.1, 0.2);
    optimizer.setMode("eval");
    const state = new Map(
      scope(() => [...optimizer.stateTensors()].map(([name, t]) => [name, t.clone().keep()] as const)),
    );
    const means = numbers(parameter.tensor);
    optimizer.setMode("train");
    step(-1, 1);
    optimizer.setMode("eval");
    const expected = [parameter.tensor, optimizer.state.get("w")!.y!].map(numbers);

    optimizer.dispose();
    prepare();
    scope(() => parameter.tensor.detach().copy_(tensor(Float32Array.from(means))));
    optimizer.loadStateTensors((name) => state.get(name) ?? null);
    step(-1, 1);
    optimizer.setMode("eval");
    expect([parameter.tensor, optimizer.state.get("w")!.y!].map(numbers)).toEqual(expected);
  });

  test("bounds iterates and means, so that neither version leaves the bounds", () => {
    const bound = (values: Tensor) => void values.clamp_(-1.9, 1.9);
    optimizer.project(parameter, bound);
    expect(numbers(parameter.tensor)).toEqual(close([1, -1.9]));
    for (const gradient of [3, 1, 2, 5]) {
      step(-gradient, gradient);
      scope(() => optimizer.project(parameter, bound));
      expect(Math.max(...numbers(optimizer.state.get("w")!.iterate).map(Math.abs))).toBeLessThanOrEqual(
        Math.fround(1.9),
      );
    }
    optimizer.setMode("eval");
    expect(numbers(parameter.tensor)[1]).toBeCloseTo(-1.9, 5);
  });

  test("stays where it is while the rate is 0", () => {
    optimizer.groups[0]!.lr = 0;
    step(1, 1);
    optimizer.setMode("eval");
    expect(numbers(parameter.tensor)).toEqual([1, -2]);
  });
});
