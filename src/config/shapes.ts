/**
 * @file Small schemas that the model and the dataset configuration share.
 */

import { z } from "zod";

/** A whole number of any sign. */
export const whole = z.int();
/** A whole number from 0. */
export const count = z.int().min(0);
/** A whole number from 1. */
export const positiveCount = z.int().min(1);
/** A number above 0. */
export const positive = z.number().positive();
/** A number in [0, 1]. */
export const fraction = z.number().min(0).max(1);

/** One whole number for time, rows and columns alike, or a list `[T, H, W]`. */
export function perAxis<Item extends z.ZodType<number>>(item: Item) {
  return z.union([item, z.tuple([item, item, item])]);
}

/**
 * Parameters of the raised-cosine basis (model specification 5.4 and 23.1, data specification 8.2), shared by the
 * `temporal_basis` frontend and the `temporal_basis` transform.
 */
export const temporalBasisShape = {
  num_delta_funcs: count.default(0).describe("Number of one-bin functions at the shortest lags."),
  num_cosine_funcs: count.default(10).describe("Number of raised cosines."),
  history_bins: positiveCount.default(32).describe("Length of the basis in bins."),
  log_spacing: z.boolean().default(true).describe("Space the peaks evenly in log lag instead of lag."),
  peak_range_ms: z
    .tuple([z.number(), z.number()])
    .default([5, 100])
    .describe("Lags of the first and the last peak, in milliseconds."),
  bin_size_ms: positive.default(5).describe("Width of a bin in milliseconds, whatever the data rate is."),
  normalize: z.boolean().default(true).describe("Scale every basis function to unit length."),
  orthogonalize: z.boolean().default(false).describe("Gram-Schmidt in order of the basis functions."),
  causal: z.boolean().default(true).describe("Past only; false centres the basis on the current frame."),
  batch_norm: z.boolean().default(false).describe("Standardise every basis channel over the batch."),
};

/**
 * Parameters of dynamical adaptation in cones (model specification 5.3, data specification 8.3), shared by the `da`
 * frontend and the `dacones` transform.
 */
export const dynamicAdaptationShape = {
  alpha: z.number().default(1).describe("Gain of the response."),
  beta: z.number().default(8e-5).describe("Strength of the adaptation; negative values act as 0."),
  gamma: z.number().default(0.5).describe("Share of the fast kernel in the adaptation kernel, clamped to [0, 1]."),
  tau_y_ms: z.number().default(5).describe("Time constant of the response kernel, in milliseconds."),
  tau_z_ms: z.number().default(60).describe("Time constant of the adaptation kernel, in milliseconds."),
  n_y: z.number().default(5).describe("Order of the response kernel."),
  n_z: z.number().default(2).describe("Order of the adaptation kernel."),
  filter_length: positiveCount.default(200).describe("Length of both kernels in frames."),
};
