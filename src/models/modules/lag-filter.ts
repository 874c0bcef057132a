/**
 * @file Temporal kernels applied at every pixel: the arithmetic of all temporal frontends.
 */

import { ops, type Tensor } from "../../torch/index.ts";
import type { AxisPadding } from "./conv.ts";
import type { Formulation } from "./layer.ts";

/**
 * Cross-correlates every pixel's time course with every kernel.
 *
 * @param x `[batch, frames, ...pixels]`
 * @param kernels `[kernels, taps]`
 * @param padding Zeros before the first frame and after the last one.
 * @returns `[batch, kernels, frames + zeros - taps + 1, ...pixels]`
 */
export function filterLags(x: Tensor, kernels: Tensor, padding: AxisPadding, formulation: Formulation): Tensor {
  return formulation === "fast" ? byProduct(x, kernels, padding) : bySequence(x, kernels, padding);
}

/**
 * As a matrix product over lags: with so few channels a convolution kernel leaves the processor idle, nine times longer
 * than this on a CPU.
 */
function byProduct(x: Tensor, kernels: Tensor, [before, after]: AxisPadding): Tensor {
  const [batch, frames, ...pixels] = x.shape as [number, number, ...number[]];
  const whole = bandMatrix(kernels, before + frames + after);
  // Columns of the padding would only meet zeros.
  const matrix = before || after ? whole.slice(1, before, before + frames) : whole;
  const y = ops.bmm(matrix.unsqueeze(0).expand([batch, ...matrix.shape]), x.reshape([batch, frames, -1]));
  return y.view([batch, kernels.size(0), -1, ...pixels]);
}

/**
 * The matrix `[kernels * (frames - taps + 1), frames]` that applies kernels `[kernels, taps]` at every position of
 * `frames` samples: row (n, i) holds kernel n from column i on.
 */
function bandMatrix(kernels: Tensor, frames: number): Tensor {
  const [count, taps] = kernels.shape as [number, number];
  const positions = frames - taps + 1;
  // Rows that are one longer than a row of the matrix, read on without the gap: every row starts one further right.
  const row = ops.constant_pad_nd(kernels, [0, positions]).unsqueeze(1);
  const rows = row.expand([count, positions, frames + 1]).reshape([count, positions * (frames + 1)]);
  return rows.slice(1, 0, positions * frames).reshape([count * positions, frames]);
}

/** As a convolution over sequences, one per pixel. */
function bySequence(x: Tensor, kernels: Tensor, padding: AxisPadding): Tensor {
  const [batch, frames, ...pixels] = x.shape as [number, number, ...number[]];
  const sequences = x.reshape([batch, frames, -1]).transpose(1, 2).reshape([-1, 1, frames]);
  const y = ops.conv1d(ops.constant_pad_nd(sequences, padding), kernels.unsqueeze(1));
  const [, count, positions] = y.shape as [number, number, number];
  return y
    .view([batch, -1, count, positions])
    .permute([0, 2, 3, 1])
    .reshape([batch, count, positions, ...pixels]);
}
