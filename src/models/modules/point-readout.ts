/**
 * @file The Gaussian point readout of Lurz et al. (2021, "Generalization in data-driven models of primary visual cortex"):
 * every unit reads the features at one place, which is drawn from a Gaussian of its own while the twin trains.
 *
 * Coordinates run from -1 to 1 between the centres of the outermost pixels, x (columns) before y (rows). Beyond the map its
 * outermost pixels go on: a unit whose place was drawn outside still sees features, and they still get its gradient.
 */

import { full, ops, type Tensor, uniform, zeros } from "../../torch/index.ts";
import type { BuildContext } from "./layer.ts";
import { Features, lastFrame, Readout } from "./readout.ts";

/** What the covariance may be: a circle, an ellipse along the axes, any ellipse. */
export type Covariance = "isotropic" | "uncorrelated" | "full";

export interface PointReadoutOptions {
  channels: number;
  nUnits: number;
  bias: boolean;
  covariance: Covariance;
  /** Whether a unit's place is drawn once for a batch or for every sample. */
  sample: "batch" | "sample";
  /** Initial means are uniform in the square from minus to plus this. */
  initMuRange: number;
  /** Initial standard deviation along both axes. */
  initSigma: number;
}

/** Bilinear interpolation at one place per unit. */
export class PointReadout extends Readout {
  readonly bias: Tensor | null;
  /** Means `(x, y)`: `[nUnits, 2]`. */
  readonly mean: Tensor;
  /**
   * What standard normal draws are multiplied with: `[nUnits, 1]` or `[nUnits, 2]` standard deviations, or for a full
   * covariance S S^T the matrix S `[nUnits, 2, 2]`. Signs are free.
   */
  readonly sigma: Tensor;
  readonly features: Features;
  readonly #perSample: boolean;

  constructor(options: PointReadoutOptions, context: BuildContext) {
    super(options.nUnits);
    const { channels, nUnits, bias, covariance, sample, initMuRange, initSigma } = options;
    this.#perSample = sample === "sample";
    this.bias = bias ? this.parameter("bias", zeros([nUnits])) : null;
    this.mean = this.parameter("mean", uniform([nUnits, 2], -initMuRange, initMuRange, context.generator));
    this.sigma = this.parameter("sigma", initialSigma(covariance, nUnits, initSigma));
    this.features = this.child("features", new Features(channels, nUnits, context));
  }

  override forward(features: Tensor, shift: Tensor | null = null): Tensor {
    const frame = lastFrame(features).to({ dtype: this.mean.dtype });
    const seen = this.features.weigh(readPoints(frame, this.#places(frame.size(0), shift)));
    return this.bias ? seen.add(this.bias) : seen;
  }

  /** Where the units look: `[batch or 1, nUnits, 2]`. In training mode this draws from the default generator. */
  #places(batch: number, shift: Tensor | null): Tensor {
    const mean = this.mean.unsqueeze(0);
    const places = this.training ? mean.add(this.#deviations(this.#perSample ? batch : 1)) : mean;
    return shift ? places.add(shift.unsqueeze(1)) : places;
  }

  /** `[count, nUnits, 2]` */
  #deviations(count: number): Tensor {
    const { mean, sigma } = this;
    const draws = ops.randn([count, this.nUnits, 2], { dtype: mean.dtype, device: mean.device });
    if (sigma.ndim === 2) return draws.mul(sigma);
    return sigma.mul(draws.unsqueeze(2)).sum(3);
  }
}

function initialSigma(covariance: Covariance, nUnits: number, value: number): Tensor {
  switch (covariance) {
    case "isotropic":
      return full([nUnits, 1], value);
    case "uncorrelated":
      return full([nUnits, 2], value);
    case "full":
      return ops.eye(2, { dtype: "float32" }).mul(value).expand([nUnits, 2, 2]).clone();
  }
}

// Codes of the sampling operator.
const BILINEAR = 0;
const BORDER = 1;

/** Features `[batch, channels, H, W]` at places `[batch or 1, points, 2]`: `[batch, channels, points]`. */
function readPoints(frame: Tensor, places: Tensor): Tensor {
  const [, points] = places.shape as [number, number];
  const grid = places.expand([frame.size(0), points, 2]).unsqueeze(2);
  return ops.grid_sampler_2d(frame, grid, BILINEAR, BORDER, true).squeeze(3);
}
