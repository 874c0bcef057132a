/**
 * @file The linear part of a regression for all units of a session at once: features that they share, spikes of their
 * own past, and a constant.
 *
 * Parameters are [features + history lags + 1, units], in this order. Values lie in host arrays, which tensors look at
 * without copying, so that nothing outlives a step.
 */

import { cat, ops, scope, type Tensor, tensor } from "../../torch/index.ts";

/** Earlier spikes of every unit, by sample. */
export interface SpikeHistory {
  /** Spike counts of all recordings one after the other, each after `lags` blank rows, [rows, units]. */
  readonly counts: Uint8Array | Float32Array;
  /** Row of each sample's own response, [samples]. */
  readonly rows: Int32Array;
  /** History lags are 1, 2, …, `lags` frames. */
  readonly lags: number;
  /** Mean count of every unit, which is taken off, [units]. */
  readonly means: Float64Array;
  /** Variance of the counts, [units]. */
  readonly variances: Float64Array;
}

/** What a drive is linear in. */
export class PoissonDesign {
  readonly samples: number;
  readonly units: number;
  /** Shared features. */
  readonly width: number;
  readonly history: SpikeHistory | null;
  private readonly features: Float32Array;

  /** @param features [samples, width]; centred if the constant is to be independent of the weights */
  constructor(features: Float32Array, width: number, units: number, samples: number, history: SpikeHistory | null) {
    this.features = features;
    this.width = width;
    this.units = units;
    this.samples = samples;
    this.history = history;
  }

  /** Rows of parameters. */
  get parameters(): number {
    return this.width + (this.history?.lags ?? 0) + 1;
  }

  /**
   * Drive of every unit in every sample.
   *
   * @param parameters [parameters, units], float64
   * @returns [samples, units], float32
   */
  apply(parameters: Tensor): Tensor {
    const { width, history } = this;
    const constant = parameters.select(0, this.parameters - 1);
    if (history === null) return this.project(parameters.slice(0, 0, width), constant);
    const weights = parameters.slice(0, width, width + history.lags);
    const centred = constant.sub(weights.sum(0).mul(tensor(history.means)));
    const drive = this.project(parameters.slice(0, 0, width), centred);
    const counts = this.countTable(history);
    for (let lag = 1; lag <= history.lags; lag++) {
      scope(() => {
        ops.addcmul_(drive, this.lagged(counts, history, lag), weights.slice(0, lag - 1, lag).float());
      });
    }
    return drive;
  }

  /**
   * The transpose of {@link apply}: sums over samples of `residuals` times what each parameter multiplies.
   *
   * @param residuals [samples, units], float32
   * @returns [parameters, units], float64
   */
  adjoint(residuals: Tensor): Tensor {
    const { width, history } = this;
    const total = ops.sum.dim_IntList(residuals, [0], true, { dtype: "float64" });
    const parts: Tensor[] = [];
    if (width > 0) parts.push(this.featureTensor().transpose(0, 1).matmul(residuals).double());
    if (history !== null) {
      const counts = this.countTable(history);
      const offset = total.mul(tensor(history.means));
      for (let lag = 1; lag <= history.lags; lag++) {
        const products = scope(() => {
          const cells = this.lagged(counts, history, lag).mul(residuals);
          return ops.sum.dim_IntList(cells, [0], true, { dtype: "float64" });
        });
        parts.push(products.sub(offset));
      }
    }
    return cat([...parts, total]);
  }

  private project(weights: Tensor, constant: Tensor): Tensor {
    if (this.width === 0) return constant.float().expand([this.samples, this.units]).clone();
    return this.featureTensor().matmul(weights.float()).add_(constant.float());
  }

  private featureTensor(): Tensor {
    return tensor(this.features, [this.samples, this.width]);
  }

  private countTable({ counts }: SpikeHistory): Tensor {
    return tensor(counts, [counts.length / this.units, this.units]);
  }

  /** Spikes so many frames before each sample, [samples, units]. */
  private lagged(counts: Tensor, { rows }: SpikeHistory, lag: number): Tensor {
    return counts.indexSelect(0, tensor(rows).sub(lag)).float();
  }
}
