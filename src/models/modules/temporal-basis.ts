/**
 * @file Fixed raised-cosine kernels as a frontend: every channel is described by what its recent past looks like through
 * the functions of a basis (model specification, sections 5.4 and 23.1).
 */

import { type RaisedCosineParams, raisedCosineBasis } from "../../signal/raised-cosine.ts";
import { type Tensor, tensor } from "../../torch/index.ts";
import type { AxisPadding } from "./conv.ts";
import { filterLags } from "./lag-filter.ts";
import { type BuildContext, type Formulation, Layer } from "./layer.ts";
import { BatchNorm } from "./norm.ts";

export interface TemporalBasisOptions {
  basis: RaisedCosineParams;
  /** Look at earlier frames only; otherwise the functions are centred on the frame. */
  causal: boolean;
  /** Standardise every function over batch, channels, frames and pixels. */
  batchNorm: boolean;
  /** Frames to drop at the start of the result. */
  chomp: number;
}

/** Functions in a basis. */
export function basisSize({ num_delta_funcs, num_cosine_funcs }: RaisedCosineParams): number {
  return num_delta_funcs + num_cosine_funcs;
}

/**
 * `[batch, channels, T, H, W]` or `[batch, channels, T]` to the same with `channels * functions` channels, functions
 * innermost, and `chomp` frames fewer.
 */
export class TemporalBasis extends Layer {
  readonly #options: TemporalBasisOptions;
  readonly #formulation: Formulation;
  /** `[functions, 1, taps]`, last weight for the newest frame. */
  readonly #basis: Tensor;
  readonly #norm: BatchNorm | null;

  constructor(options: TemporalBasisOptions, { formulation }: BuildContext) {
    super();
    this.#options = options;
    this.#formulation = formulation;
    const rows = raisedCosineBasis(options.basis).map((row) => row.toReversed());
    const weights = Float32Array.from(rows.flatMap((row) => [...row]));
    this.#basis = this.buffer("basis", tensor(weights, [rows.length, 1, rows[0]!.length]));
    this.#norm = options.batchNorm ? this.child("bn", new BatchNorm(rows.length, {})) : null;
  }

  override forward(x: Tensor): Tensor {
    const { causal, chomp } = this.#options;
    const [batch, channels, frames, ...pixels] = x.shape as [number, number, number, ...number[]];
    const reversed = this.#basis.squeeze(1);
    const taps = reversed.size(1);
    const half = Math.floor(taps / 2);
    const padding: AxisPadding = causal ? [taps - 1, 0] : [half, taps - 1 - half];
    // The acausal functions are not mirrored: weight j belongs to the frame j - half later.
    const kernels = causal ? reversed : reversed.flip(1);
    const y = filterLags(x.reshape([-1, frames, ...pixels]), kernels, padding, this.#formulation);
    const normed = this.#norm ? this.#norm.forward(y) : y;
    const joined = normed.reshape([batch, channels * kernels.size(0), frames, ...pixels]);
    return chomp > 0 ? joined.slice(2, chomp) : joined;
  }
}
