/**
 * @file Bits per spike: how many bits a model knows about each spike beyond the unit's own mean rate (training
 * specification, section 9; evaluation specification, section 6).
 *
 * With weights w, counts n and rates r over the samples of a unit: T = max(sum w, 1), S = max(sum w n, 1), mean rate S / T,
 * and `sum(w ((n ln r - r) - (n ln mean - mean))) / (S ln 2)`. Three sums per unit are enough, so samples are added batch by
 * batch, on their device, and sums of several processes may be added.
 */

import { noGrad, ones, ops, scope, stack, type Tensor, zeros } from "../torch/index.ts";

/** Added to rates inside the logarithm. */
const EPS = 1e-8;

export interface BitsPerSpikeOptions {
  /**
   * Multiply masked samples by 0 instead of leaving them out, as the reference does: a masked NaN then makes the whole unit
   * NaN.
   */
  poisonMasked?: boolean;
}

/** Sums over samples from which bits per spike follow, for the units of one session. */
export class BitsPerSpike {
  /** Sum of weights, of weighted counts and of weighted log-likelihoods, float64 [3, units]. */
  readonly sums: Tensor;
  /** Samples added. */
  samples = 0;
  private readonly poisonMasked: boolean;

  /** Owns its sums until `dispose()`. */
  constructor(units: number, { device = "cpu", poisonMasked = false }: BitsPerSpikeOptions & { device?: string } = {}) {
    this.sums = zeros([3, units], { dtype: "float64", device }).keep();
    this.poisonMasked = poisonMasked;
  }

  /**
   * Adds samples. Nothing waits for the device.
   *
   * @param rate predicted counts per bin, [samples, units] (or [samples] for one unit); not log rates
   * @param counts observed spikes, same shape
   * @param mask weights, [samples, units], [samples, 1] or [samples]; absent: all 1
   */
  add(rate: Tensor, counts: Tensor, mask?: Tensor | null): void {
    this.samples += rate.size(0);
    noGrad(() =>
      scope(() => {
        const shape = [rate.size(0), this.sums.size(1)];
        const r = rate.reshape(shape).double();
        const n = counts.reshape(shape).double();
        const w = (
          mask ? mask.reshape([shape[0]!, -1]).double() : ones([1, 1], { dtype: "float64", device: r.device })
        ).expand(shape);
        const spikes = this.weighted(w, n);
        const likelihood = this.weighted(w, n.mul(r.add(EPS).log()).sub(r));
        this.sums.add_(stack([w, spikes, likelihood]).sum(1));
      }),
    );
  }

  private weighted(weights: Tensor, values: Tensor): Tensor {
    const product = weights.mul(values);
    return this.poisonMasked ? product : ops.masked_fill.Scalar(product, weights.eq(0), 0);
  }

  /**
   * The scores, [units]. Waits for the device.
   *
   * @param silent what units score that have no spikes under the mask, for whom the formula says nothing about the model:
   *   `formula` gives (1 - sum w r) / ln 2, and 0 without samples, as the reference does; `nan` marks them
   */
  scores({ silent }: { silent: "formula" | "nan" }): Float64Array {
    const units = this.sums.size(1);
    const sums = this.sums.toTypedArray() as Float64Array;
    return Float64Array.from({ length: units }, (_, u) => {
      const [weight, spikes, likelihood] = [sums[u]!, sums[units + u]!, sums[2 * units + u]!];
      if (spikes === 0 && silent === "nan") return Number.NaN;
      const mean = atLeastOne(spikes) / atLeastOne(weight);
      const meanLikelihood = spikes * Math.log(mean + EPS) - weight * mean;
      return (likelihood - meanLikelihood) / (atLeastOne(spikes) * Math.LN2);
    });
  }

  dispose(): void {
    this.sums.dispose();
  }
}

function atLeastOne(value: number): number {
  return Math.max(value, 1);
}

/** Sum over units of their scores, negative ones as 0, and the number of units that have a score. */
export interface ScoreSum {
  sum: number;
  count: number;
}

/** A session's part in the summary that ranks checkpoints. */
export function sumScores(scores: Float64Array): ScoreSum {
  const kept = scores.filter((score) => !Number.isNaN(score));
  return { sum: kept.reduce((sum, score) => sum + Math.max(score, 0), 0), count: kept.length };
}
