/**
 * @file Features of the samples of a fit, centred and scaled, and their covariance.
 */

import type { SampleSet } from "../../data/samples.ts";
import { ops, scope, type Tensor, tensor } from "../../torch/index.ts";
import type { RunOptions } from "./baseline.ts";
import { type StimulusFeatures, streamFeatures } from "./stimulus-features.ts";

/** What a regression starts from. */
export interface CentredFeatures {
  /** (feature − mean) / scale, [samples, width]. */
  values: Float32Array;
  /** [width]. */
  means: Float64Array;
  /** Root mean square of the standard deviations in each feature's scale group, [width]. */
  scales: Float64Array;
  /** Of the values, [width, width]. */
  covariance: Float64Array;
}

/** Rows that are converted to float64 at a time. */
const PIECE = 4096;

/** Computes the features of some samples of a set, see {@link streamFeatures}. */
export async function centredFeatures(
  set: SampleSet,
  positions: Int32Array,
  features: StimulusFeatures,
  run: RunOptions,
): Promise<CentredFeatures> {
  const { width } = features;
  const values = new Float32Array(positions.length * width);
  const sums = new Float64Array(width);
  const products = new Float64Array(width * width);
  const receive = (block: Tensor, start: number) => {
    const count = block.size(0);
    tensor(values.subarray(start * width, (start + count) * width), [count, width]).copy_(block);
    for (let row = 0; row < count; row += PIECE) {
      scope(() => {
        const rows = block.slice(0, row, Math.min(count, row + PIECE)).double();
        tensor(sums).add_(rows.sum(0));
        tensor(products, [width, width]).add_(rows.transpose(0, 1).matmul(rows));
      });
    }
  };
  await streamFeatures(set, positions, features, receive, { ...run, stage: "features" });
  return scope(() => {
    const means = tensor(sums).div(positions.length);
    const raw = tensor(products, [width, width]).div(positions.length).sub(ops.outer(means, means));
    const deviations = raw
      .clone()
      .view([-1])
      .slice(0, 0, null, width + 1)
      .toTypedArray() as Float64Array;
    const scales = groupScales(deviations, features.groups);
    const shifts = means.float();
    const factors = ops.reciprocal(tensor(scales)).float();
    const all = tensor(values, [positions.length, width]);
    ops.mul_.Tensor(ops.sub_.Tensor(all, shifts), factors);
    const spread = tensor(scales);
    return {
      values,
      means: means.toTypedArray() as Float64Array,
      scales,
      covariance: raw.div(ops.outer(spread, spread)).toTypedArray() as Float64Array,
    };
  });
}

/** The scale of every feature; 1 for a group that does not vary, whose values are then 0. */
function groupScales(variances: Float64Array, groups: Int32Array): Float64Array {
  const count = Math.max(...groups, 0) + 1;
  const sums = new Float64Array(count);
  const members = new Float64Array(count);
  groups.forEach((group, i) => {
    sums[group]! += Math.max(0, variances[i]!);
    members[group]! += 1;
  });
  const largest = Math.max(...sums);
  return Float64Array.from(groups, (group) => {
    const variance = sums[group]! / members[group]!;
    return variance > 1e-12 * largest ? Math.sqrt(variance) : 1;
  });
}
