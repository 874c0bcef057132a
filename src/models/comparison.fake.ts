/**
 * @file Help for the tests of models: double precision, finite differences, and comparison of two formulations.
 */

import { expect } from "vitest";
import { Generator, type Module, randn, type Tensor } from "../torch/index.ts";
import type { BuildContext, Formulation } from "./modules/layer.ts";

/** A context with its own stream; equal seeds give equal initial values in both formulations. */
export function context(formulation: Formulation = "fast", seed = 1): BuildContext {
  return { generator: new Generator(seed), formulation };
}

/** Normal draws in double precision, wanting gradients. */
export function doubles(shape: readonly number[], seed = 7): Tensor {
  return randn(shape, new Generator(seed), { dtype: "float64" }).setRequiresGrad();
}

/** The module in double precision, every parameter moved away from its start so that no gradient vanishes by symmetry. */
export function shaken<M extends Module>(module: M, amount = 0.1, seed = 5): M {
  const generator = new Generator(seed);
  module.to({ dtype: "float64" });
  for (const { tensor } of module.namedParameters()) {
    tensor.detach().add_(randn(tensor.shape, generator, { dtype: "float64" }).mul(amount));
  }
  return module;
}

/** A scalar that weighs every element differently, as a loss to differentiate. */
export function weighted(outputs: readonly Tensor[]): Tensor {
  return outputs
    .map((output, i) => output.mul(randn(output.shape, new Generator(90 + i), { dtype: output.dtype })).sum())
    .reduce((sum, term) => sum.add(term));
}

/** Values and gradients of a computation, by name. */
export interface Outcome {
  outputs: Float64Array[];
  gradients: Map<string, Float64Array | null>;
}

/** Runs a computation and differentiates it with respect to its inputs and the module's parameters. */
export function outcomeOf(module: Module, inputs: Record<string, Tensor>, run: () => readonly Tensor[]): Outcome {
  const leaves = new Map(Object.entries(inputs));
  for (const { name, tensor } of module.namedParameters()) leaves.set(name, tensor);
  for (const leaf of leaves.values()) leaf.setGrad(null);
  const outputs = run();
  weighted(outputs).backward();
  const numbers = (tensor: Tensor) => Float64Array.from(tensor.toTypedArray() as Float64Array);
  return {
    outputs: outputs.map(numbers),
    gradients: new Map([...leaves].map(([name, { grad }]) => [name, grad && numbers(grad)])),
  };
}

/** Largest difference relative to the largest expected value. */
export function relativeDifference(actual: Float64Array, expected: Float64Array): number {
  expect(actual.length).toBe(expected.length);
  let difference = 0;
  let scale = 0;
  for (const [i, value] of expected.entries()) {
    difference = Math.max(difference, Math.abs(actual[i]! - value));
    scale = Math.max(scale, Math.abs(value));
  }
  return scale === 0 ? difference : difference / scale;
}

/** Expects equal outputs, and equal gradients (absent and zero are the same), up to rounding in double precision. */
export function expectSameOutcome(actual: Outcome, expected: Outcome, tolerance = 1e-10): void {
  for (const [i, output] of expected.outputs.entries()) {
    expect(relativeDifference(actual.outputs[i]!, output), `output ${i}`).toBeLessThan(tolerance);
  }
  expect([...actual.gradients.keys()]).toEqual([...expected.gradients.keys()]);
  for (const [name, gradient] of expected.gradients) {
    const other = actual.gradients.get(name) ?? null;
    const size = (gradient ?? other)?.length ?? 0;
    const filled = (values: Float64Array | null) => values ?? new Float64Array(size);
    expect(relativeDifference(filled(other), filled(gradient)), `gradient of ${name}`).toBeLessThan(tolerance);
  }
}

/**
 * Expects gradients to agree with central differences in a few elements of every input and parameter that has one.
 *
 * @param run the computation, in double precision; called many times
 */
export function expectTrueGradients(
  module: Module,
  inputs: Record<string, Tensor>,
  run: () => readonly Tensor[],
  { elements = 3, step = 1e-5, tolerance = 1e-6 } = {},
): void {
  const { gradients } = outcomeOf(module, inputs, run);
  const leaves = new Map(Object.entries(inputs));
  for (const { name, tensor } of module.namedParameters()) leaves.set(name, tensor);
  for (const [name, gradient] of gradients) {
    if (!gradient) continue;
    const values = leaves.get(name)!.detach().reshape([-1]);
    const scale = gradient.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-3);
    for (let k = 0; k < Math.min(elements, gradient.length); k++) {
      const i = Math.floor(((k + 0.5) * gradient.length) / Math.min(elements, gradient.length));
      const element = values.select(0, i);
      const shifted = (by: number) => {
        element.add_(by);
        const loss = weighted(run()).item();
        element.add_(-by);
        return loss;
      };
      const slope = (shifted(step) - shifted(-step)) / (2 * step);
      expect(Math.abs(slope - gradient[i]!) / scale, `gradient of ${name}[${i}]`).toBeLessThan(tolerance);
    }
  }
}
