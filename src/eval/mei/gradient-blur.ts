/**
 * @file Smoothing gradients, so that an image grows from coarse to fine and not pixel by pixel (evaluation specification,
 * section 14).
 */

import { UserError } from "../../errors.ts";
import { ops, type Tensor, tensor } from "../../torch/index.ts";

/** Changes the gradient of images before a step. */
export type Preconditioner = (gradient: Tensor, iteration: number) => Tensor;

/** A normalised Gaussian over an odd number of pixels, about six widths; `[1]` for a width of 0. */
export function gaussianKernel(sigma: number): Float64Array {
  if (!(sigma >= 0 && sigma < Number.POSITIVE_INFINITY)) {
    throw new UserError(`Cannot blur gradients: expected widths of 0 pixels or more, found ${sigma}`);
  }
  const length = Math.ceil(6 * sigma) | 1;
  const middle = (length - 1) / 2;
  const values = Float64Array.from({ length }, (_, i) =>
    length === 1 ? 1 : Math.exp(-0.5 * ((i - middle) / sigma) ** 2),
  );
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}

/**
 * Blurs the last axes of a gradient, with zeros around it; axes before them are treated alike, whatever their number.
 *
 * @param sigma pixels (frames on an axis of lags), one for every blurred axis; 0 leaves an axis as it is
 */
export function gaussianBlur(values: Tensor, sigma: readonly number[]): Tensor {
  if (sigma.length > values.ndim) {
    throw new UserError(`Cannot blur ${sigma.length} axes: the gradient has ${values.ndim}`);
  }
  return sigma.reduce((blurred, width, i) => blurAxis(blurred, values.ndim - sigma.length + i, width), values);
}

function blurAxis(values: Tensor, axis: number, sigma: number): Tensor {
  const kernel = gaussianKernel(sigma);
  if (kernel.length === 1) return values;
  const weight = tensor(kernel, [1, 1, kernel.length]).to({ dtype: values.dtype, device: values.device });
  const last = values.transpose(axis, -1);
  const rows = last.reshape([-1, 1, values.size(axis)]);
  const blurred = ops.conv1d(rows, weight, null, [1], [(kernel.length - 1) / 2]);
  return blurred.reshape(last.shape).transpose(axis, -1);
}

/**
 * A preconditioner that blurs, with widths that may change evenly from the first to the last iteration.
 *
 * @param from pixels, one for every blurred axis
 * @param to those of the last iteration; absent: as at first
 */
export function gradientBlur(from: readonly number[], to: readonly number[] = from, iterations = 1): Preconditioner {
  return (gradient, iteration) => {
    const part = iterations > 1 ? Math.min(iteration / (iterations - 1), 1) : 0;
    return gaussianBlur(
      gradient,
      from.map((sigma, axis) => sigma + part * (to[axis]! - sigma)),
    );
  };
}
