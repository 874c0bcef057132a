/**
 * @file Gradients against finite differences, for tests.
 */

import { expect } from "vitest";
import { Generator, type Module, noGrad, randn, scope, type Tensor } from "../torch/index.ts";

export interface GradientCheck {
  /** Set to float64 here; its parameters and buffers keep their values. */
  module: Module;
  /** The computation, from float64 inputs made with {@link doubles}. Must give the same result every time. */
  run: () => Tensor;
  /** Inputs whose gradients are checked too, by name. */
  inputs?: Readonly<Record<string, Tensor>>;
  /** Names of parameters that have no gradient on purpose. */
  without?: readonly string[];
  /** Step of the differences. */
  step?: number;
  /** Largest deviation, relative to the largest gradient of a tensor. */
  tolerance?: number;
}

/** Elements tried per tensor, spread evenly over it. */
const TRIED = 7;

/** Random float64 values that take part in differentiation, from N(0, 1). */
export function doubles(shape: readonly number[], seed = 1): Tensor {
  return randn(shape, new Generator(seed)).to({ dtype: "float64" }).setRequiresGrad();
}

/**
 * Compares the gradients of a random projection of `run()` with central differences, for every trainable parameter and
 * input. A parameter without a gradient, or with one nobody announced to be missing, fails.
 */
export function checkGradients({
  module,
  run,
  inputs = {},
  without = [],
  step = 1e-5,
  tolerance = 1e-6,
}: GradientCheck): void {
  scope(() => {
    module.to({ dtype: "float64" });
    const subjects = new Map([
      ...[...module.namedParameters()]
        .filter(({ tensor, name }) => tensor.requiresGrad && !without.includes(name))
        .map(({ name, tensor }) => [name, tensor] as const),
      ...Object.entries(inputs),
    ]);
    for (const tensor of subjects.values()) tensor.setGrad(null);
    const weights = randn(run().shape, new Generator(2)).to({ dtype: "float64" });
    const value = () => run().mul(weights).sum();
    value().backward();
    for (const [name, tensor] of subjects) {
      expect(tensor.dtype, name).toBe("float64");
      expect(tensor.grad, `gradient of ${name}`).not.toBeNull();
      const analytic = tensor.grad!.reshape([-1]).toTypedArray() as Float64Array;
      const flat = tensor.detach().view([-1]);
      // Below that, differences are rounding noise.
      const scale = Math.max(1e-3, ...Array.from(analytic, Math.abs));
      const stride = Math.max(1, Math.floor(flat.numel / TRIED));
      for (let i = 0; i < flat.numel; i += stride) {
        const numeric = noGrad(() =>
          scope(() => {
            const element = flat.slice(0, i, i + 1);
            const original = element.clone();
            const at = (delta: number) => {
              element.copy_(original.add(delta));
              return value().item();
            };
            const difference = (at(step) - at(-step)) / (2 * step);
            element.copy_(original);
            return difference;
          }),
        );
        expect(Math.abs(analytic[i]! - numeric) / scale, `gradient of ${name}[${i}]`).toBeLessThan(tolerance);
      }
    }
  });
}
