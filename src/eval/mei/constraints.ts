/**
 * @file What images must be: within a range, or of one contrast (evaluation specification, section 14). Applied after every
 * step, to every image `[channels, ...]` of a batch by itself.
 */

import { UserError } from "../../errors.ts";
import { ops, type Tensor } from "../../torch/index.ts";

/** Makes images fulfil a condition. */
export type Constraint = (images: Tensor) => Tensor;

/** Values between two limits. */
export function clipRange({ min = -1, max = 1 }: { min?: number; max?: number } = {}): Constraint {
  if (!(min < max)) throw new UserError(`Cannot clip images: the range goes from ${min} to ${max}`);
  return (images) => images.clamp(min, max);
}

/**
 * Images of one root-mean-square contrast, so that a unit's response cannot be raised by contrast alone (Walker et al. 2019,
 * Nature Neuroscience). An image that does not vary stays as it is.
 *
 * @param rms root mean square of the values, around the mean if there is one and around 0 otherwise
 * @param mean of every image; absent: not constrained
 */
export function fixedContrast({ rms, mean }: { rms: number; mean?: number | undefined }): Constraint {
  if (!(rms > 0)) throw new UserError(`Cannot fix the contrast of images: expected an RMS above 0, found ${rms}`);
  return (images) => {
    const axes = Array.from({ length: images.ndim - 1 }, (_, axis) => axis + 1);
    const centred = mean === undefined ? images : images.sub(images.mean(axes, true));
    const found = centred.square().mean(axes, true).sqrt();
    const scaled = centred.mul(ops.masked_fill.Scalar(found, found.eq(0), 1).pow(-1).mul(rms));
    return mean === undefined ? scaled : scaled.add(mean);
  };
}

/** Constraints one after the other; the last one holds in the end. */
export function inOrder(constraints: readonly Constraint[]): Constraint {
  return (images) => constraints.reduce((constrained, apply) => apply(constrained), images);
}
