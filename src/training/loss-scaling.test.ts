import { afterEach, describe, expect, test } from "vitest";
import { full, type Tensor, tensor } from "../torch/index.ts";
import { LossScaler, type LossScalerOptions } from "./loss-scaling.ts";

let scaler: LossScaler;
const weight = tensor([1, 2, 3]).setRequiresGrad();

function prepare(options: LossScalerOptions = {}): void {
  scaler = new LossScaler(options);
}

afterEach(() => scaler.dispose());

const numbers = (t: Tensor): number[] => Array.from(t.toTypedArray(), Number);

/** An update with these gradients, as they come out of the backward pass. */
function update(...gradients: number[]): void {
  weight.setGrad(tensor(gradients));
  scaler.unscale([weight]);
  scaler.update();
}

const state = () => [scaler.scale.item(), scaler.growthTracker.item()];

describe("LossScaler", () => {
  test("starts at 65536 and divides gradients by what it multiplied the loss by", () => {
    prepare();
    expect(state()).toEqual([65536, 0]);
    weight.setGrad(null);
    scaler.scaled(weight.square().sum()).backward();
    expect(numbers(weight.grad!)).toEqual([2, 4, 6].map((g) => g * 65536));
    scaler.unscale([weight]);
    expect(numbers(weight.grad!)).toEqual([2, 4, 6]);
  });

  test.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])(
    "halves when a gradient is %d, and counts again from 0",
    (broken) => {
      prepare();
      update(1, 2, 3);
      update(1, 2, 3);
      expect(state()).toEqual([65536, 2]);
      update(1, broken, 3);
      expect(state()).toEqual([32768, 0]);
      update(1, 2, 3);
      expect(state()).toEqual([32768, 1]);
    },
  );

  test("doubles after 2000 updates in a row without overflow", () => {
    prepare();
    scaler.growthTracker.copy_(full([], 1998, { dtype: "int32" }));
    update(1, 2, 3);
    expect(state()).toEqual([65536, 1999]);
    update(1, 2, 3);
    expect(state()).toEqual([131072, 0]);
  });

  test("takes other factors and intervals", () => {
    prepare({ initialScale: 8, growthFactor: 4, backoffFactor: 0.25, growthInterval: 2 });
    update(1, 2, 3);
    update(1, 2, 3);
    expect(state()).toEqual([32, 0]);
    update(Number.NaN, 2, 3);
    expect(state()).toEqual([8, 0]);
  });

  test("stays as it is after an update without gradients", () => {
    prepare();
    weight.setGrad(null);
    scaler.unscale([weight]);
    scaler.update();
    expect(state()).toEqual([65536, 0]);
  });

  test("takes over its state", () => {
    prepare();
    update(Number.NaN, 0, 0);
    update(1, 2, 3);
    const stored = scaler.stateTensors();
    const other = new LossScaler();
    other.loadStateTensors((name) => stored.get(name)!.clone());
    expect([other.scale.item(), other.growthTracker.item()]).toEqual([32768, 1]);
    other.loadStateTensors(() => null);
    expect(other.scale.item()).toBe(32768);
    other.dispose();
  });
});
