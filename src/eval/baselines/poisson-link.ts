/**
 * @file How a linear drive becomes a rate.
 */

import { ops, type Tensor } from "../../torch/index.ts";

/**
 * `exponential`: rate = exp(η). `softplus`: rate = ln(1 + exp(η)), the same for low rates but growing linearly above
 * one spike a frame, so that stimuli stronger than those of the training do not explode. Both give a Poisson likelihood
 * with a single maximum (Paninski, Network 2004).
 */
export type Link = "exponential" | "softplus";

export const LINKS: readonly Link[] = ["exponential", "softplus"];

/** Beyond these float32 rates are no longer numbers; no fit comes near them. */
const [LOWEST, HIGHEST] = [-80, 69];

/** Rates and their logarithms, both in the shape of the drive. */
export interface Rates {
  rate: Tensor;
  logRate: Tensor;
}

export function ratesOf(link: Link, drive: Tensor): Rates {
  const bounded = drive.clamp(LOWEST, HIGHEST);
  if (link === "exponential") return { rate: bounded.exp(), logRate: bounded };
  const rate = bounded.softplus();
  return { rate, logRate: rate.log() };
}

/** d/dη of rate − y·ln(rate), the negative log-likelihood of one sample. */
export function lossSlope(link: Link, drive: Tensor, { rate }: Rates, counts: Tensor): Tensor {
  if (link === "exponential") return rate.sub(counts);
  const bounded = drive.clamp(LOWEST, HIGHEST);
  return ops.sigmoid(bounded).mul(rate.sub(counts).div(rate));
}

/** The drive that gives a rate above 0. */
export function driveOf(link: Link, rate: number): number {
  if (link === "exponential") return Math.log(rate);
  return rate > 30 ? rate : Math.log(Math.expm1(rate));
}
