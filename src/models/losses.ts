/**
 * @file The Poisson loss (model specification, section 16; training specification, section 8), and losses that parts of a
 * model contribute (section 15).
 */

import { type Module, ops, type Tensor, zeros } from "../torch/index.ts";

/** Keeps the logarithm of a rate of zero finite. */
const EPS = 1e-8;

export interface PoissonLossOptions {
  /** Predictions are log rates. */
  logInput?: boolean;
  /** The reference's behaviour: a `(batch, 1)` mask divides by its own sum, and masked-out NaN counts give NaN. */
  legacyMask?: boolean;
}

/**
 * Mean Poisson negative log-likelihood over valid entries, without the term that depends on the counts alone:
 * `r - y log(r + 1e-8)` for rates, `exp(s) - y s` for log rates.
 *
 * @param prediction Rates (expected spikes per frame) or log rates, `[batch, units]`.
 * @param counts Spikes per frame, `[batch, units]`. Counts under a mask of 0 may be anything, NaN included.
 * @param mask Weights `[batch, units]`, `[batch, 1]` or `[batch]`; null for all ones. All zeros give NaN.
 * @returns a scalar, float32 or better
 */
export function poissonLoss(
  prediction: Tensor,
  counts: Tensor,
  mask: Tensor | null = null,
  { logInput = false, legacyMask = false }: PoissonLossOptions = {},
): Tensor {
  const dtype = prediction.dtype === "float64" ? "float64" : "float32";
  const [rate, y] = [prediction.to({ dtype }), counts.to({ dtype })];
  if (!mask) return negativeLogLikelihood(rate, y, logInput).mean();
  const column = mask.ndim === 1 ? mask.unsqueeze(1) : mask;
  const weights = (legacyMask && mask.ndim > 1 ? column : column.expand(rate.shape)).to({ dtype });
  if (legacyMask) return negativeLogLikelihood(rate, y, logInput).mul(weights).sum().div(weights.sum());
  // Before the formula, not after: 0 * NaN is NaN, in the value and in the gradient.
  const invalid = weights.eq(0);
  const anything = zeros([], { dtype, device: rate.device });
  const [validRate, validCounts] = [rate, y].map((values) => ops.where.self(invalid, anything, values)) as [
    Tensor,
    Tensor,
  ];
  return negativeLogLikelihood(validRate, validCounts, logInput).mul(weights).sum().div(weights.sum());
}

function negativeLogLikelihood(prediction: Tensor, counts: Tensor, logInput: boolean): Tensor {
  return logInput
    ? prediction.exp().sub(counts.mul(prediction))
    : prediction.sub(counts.mul(prediction.add(EPS).log()));
}

/** A scalar that a part adds to the loss. */
export interface AuxiliaryLoss {
  /** Losses of one name are averaged over the passes of a batch. */
  name: string;
  /** With gradients, kept. */
  value: Tensor;
}

/** A part of a model that can do something wrong beside the rates, such as predict its own input. */
export interface HasAuxiliaryLosses {
  /** What the forward passes since the last call cost, one loss per pass. The caller frees the tensors. */
  takeAuxiliaryLosses(): AuxiliaryLoss[];
}

export function hasAuxiliaryLosses(module: Module): module is Module & HasAuxiliaryLosses {
  return "takeAuxiliaryLosses" in module;
}

/** How costly errors of a prediction are: the mean of their squares, over samples and everything else. */
export function squaredErrorLoss(errors: Tensor): Tensor {
  return errors.square().mean();
}
