/**
 * @file Showing images at slightly different places, so that what is found does not depend on single pixels (evaluation
 * specification, section 14).
 */

import { MersenneTwister, mixSeeds } from "../../data/random.ts";
import { UserError } from "../../errors.ts";
import { type Tensor, tensor } from "../../torch/index.ts";

/** How images are changed before a unit sees them. */
export type Transform = (images: Tensor, iteration: number) => Tensor;

/**
 * Moves images along their last axes and reflects them at the border they move away from: `out[i] = in[i - shift]`.
 *
 * @param shifts elements by axis, less than the axis is long; positive: towards higher indices
 */
export function shiftReflected(images: Tensor, shifts: readonly number[]): Tensor {
  return shifts.reduce((moved, shift, i) => {
    if (shift === 0) return moved;
    const axis = images.ndim - shifts.length + i;
    return moved.indexSelect(axis, reflected(images.size(axis), shift, images.device));
  }, images);
}

function reflected(length: number, shift: number, device: string): Tensor {
  if (Math.abs(shift) >= length) {
    throw new UserError(`Cannot shift an image by ${shift}: that axis has ${length} elements`);
  }
  const last = length - 1;
  const source = Array.from({ length }, (_, i) => last - Math.abs(last - Math.abs(i - shift)));
  return tensor(source, [length], { dtype: "int64", device });
}

/**
 * A random shift at every iteration, the same for all images of a batch.
 *
 * @param largest shift in either direction, for each of the last axes
 */
export function jitter(largest: readonly number[], seed = 0): Transform {
  return (images, iteration) => {
    const random = new MersenneTwister(mixSeeds(seed, iteration));
    return shiftReflected(
      images,
      largest.map((most) => Math.floor(random.uniform() * (2 * most + 1)) - most),
    );
  };
}
