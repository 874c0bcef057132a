/**
 * @file The tensors of a model file as other programs are to get them: under the reference's names (model specification,
 * section 18), perhaps with a prefix and in another element type.
 */
import { castArray } from "../data/cast.ts";
import { type NdArray, toFloat64 } from "../formats/array.ts";
import type { SavedTensor } from "../formats/torchfile-writer.ts";
import type { ModelFile } from "../training/model-file.ts";

/** Element types of exported parameters. */
export const EXPORT_DTYPES = ["float32", "bfloat16", "float16"] as const;

/** One of {@link EXPORT_DTYPES}. */
export type ExportDType = (typeof EXPORT_DTYPES)[number];

/** Tensors ready to be written, and what is found out while they are. */
export interface ExportedTensors {
  /** A tensor with two names is one object under both. */
  tensors: Map<string, SavedTensor>;
  /** Names of tensors with values that the element type cannot hold; complete when all were read. */
  overflowing: Set<string>;
}

/**
 * All tensors of a model file, still in the file. Model files keep the reference's names, its unused weights included.
 *
 * @param prefix put in front of every name
 * @param dtype of floating tensors; counts stay integers
 */
export function exportedTensors({ tensors: stored }: ModelFile, prefix: string, dtype: ExportDType): ExportedTensors {
  const tensors = new Map<string, SavedTensor>();
  const overflowing = new Set<string>();
  for (const [name, tensor] of stored) {
    if (!/^b?float/.test(tensor.dtype) || tensor.dtype === dtype) {
      tensors.set(name, tensor);
      continue;
    }
    const read = (): NdArray => {
      const array = tensor.read();
      const cast = castArray(array, dtype);
      if (hasNewInfinity(array, cast)) overflowing.add(prefix + name);
      return cast;
    };
    tensors.set(name, { dtype, shape: tensor.shape, read });
  }
  for (const name of tensors.keys()) {
    // The bias of a linear readout is one tensor under two names.
    const other = tensors.get(name.replace(/\.fc\.bias$/, ".bias"));
    if (other !== undefined) tensors.set(name, other);
  }
  return { tensors: new Map([...tensors].map(([name, tensor]) => [prefix + name, tensor])), overflowing };
}

function hasNewInfinity(before: NdArray, after: NdArray): boolean {
  const values = toFloat64(before);
  return toFloat64(after).some((value, i) => !Number.isFinite(value) && Number.isFinite(values[i]!));
}
