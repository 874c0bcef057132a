/**
 * @file What makes an image worse whatever a unit thinks of it (evaluation specification, section 14).
 */

import { ops, type Tensor } from "../../torch/index.ts";

/** Penalties of images `[batch, channels, ...]`, one per image: `[batch]`. */
export type Penalty = (images: Tensor) => Tensor;

/** The axes of one image. */
function ownAxes(images: Tensor): number[] {
  return Array.from({ length: images.ndim - 1 }, (_, axis) => axis + 1);
}

/**
 * `weight * mean(|x|^p)^(1/p)`. For an image of zeros, where there is no gradient, zero is taken.
 *
 * @param p at least 1
 */
export function lpNorm({ p = 2, weight = 1 }: { p?: number; weight?: number } = {}): Penalty {
  return (images) => {
    const mean = images.abs().pow(p).mean(ownAxes(images));
    const isZero = mean.eq(0);
    // Before the root, not after: its gradient at 0 is infinite, and infinity times 0 is NaN.
    const root = ops.masked_fill.Scalar(mean, isZero, 1).pow(1 / p);
    return ops.masked_fill.Scalar(root, isZero, 0).mul(weight);
  };
}

/**
 * Total variation: mean absolute difference of neighbours, added over the axes behind the channels. An axis of one element
 * has no neighbours.
 */
export function totalVariation({ weight = 1 }: { weight?: number } = {}): Penalty {
  return (images) => {
    let sum = images.mul(0).sum(ownAxes(images));
    for (let axis = 2; axis < images.ndim; axis++) {
      if (images.size(axis) === 1) continue;
      const steps = images.slice(axis, 1).sub(images.slice(axis, 0, -1));
      sum = sum.add(steps.abs().mean(ownAxes(images)));
    }
    return sum.mul(weight);
  };
}

/** The sum of penalties. */
export function combinePenalties(first: Penalty, ...others: readonly Penalty[]): Penalty {
  return (images) => others.reduce((sum, penalty) => sum.add(penalty(images)), first(images));
}
