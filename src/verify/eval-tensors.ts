/**
 * @file Comparing flat results with the tensors of an evaluation case, within the tolerances of its sidecar (evaluation
 * specification, section 22).
 */

import type { NdArray } from "../formats/array.ts";
import type { Comparison, GoldenFile } from "./golden.ts";

/** The part of a sidecar that states tolerances. */
export interface StatedTolerances {
  tensors: Record<string, { rtol: number; atol: number }>;
}

/** Compares values, which take the tensor's shape, with the tensor of that name. */
export type CompareTensor = (name: string, values: ArrayLike<number>) => void;

/** A comparison of one case's results with its tensors. */
export function againstTensors(golden: GoldenFile<StatedTolerances>, compare: Comparison): CompareTensor {
  return (name, values) => {
    const reference = golden.tensor(name);
    if (values.length !== reference.data.length) {
      compare.same(`number of values of ${name}`, values.length, reference.data.length);
      return;
    }
    const actual: NdArray = { dtype: "float64", shape: reference.shape, data: Float64Array.from(values) };
    compare.close(name, actual, reference, golden.json.tensors[name]!);
  };
}
