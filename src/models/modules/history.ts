/**
 * @file Spike history: what a session's units did in the last frames, as an offset to its readout (model specification,
 * section 15).
 */

import type { Tensor } from "../../torch/index.ts";
import type { BuildContext } from "./layer.ts";
import { Mlp, type MlpOptions } from "./mlp.ts";

export interface SpikeHistoryOptions {
  /** Frames of history. */
  numLags: number;
  nUnits: number;
  network: Omit<MlpOptions, "inputDim" | "outputDim">;
}

/** Spike counts `[batch, numLags, nUnits]`, the most recent lag first or as the dataset serves them, to `[batch, nUnits]`. */
export class SpikeHistory extends Mlp {
  readonly numLags: number;
  readonly nUnits: number;

  constructor({ numLags, nUnits, network }: SpikeHistoryOptions, context: BuildContext) {
    super({ ...network, inputDim: numLags * nUnits, outputDim: nUnits }, context);
    this.numLags = numLags;
    this.nUnits = nUnits;
  }

  /** Also takes history that is flat already: `[batch, numLags * nUnits]`, lag by lag. */
  override forward(history: Tensor): Tensor {
    return super.forward(history.reshape([history.size(0), -1]));
  }

  /** Whether history of that shape is what the network was made for. */
  fits(shape: readonly number[]): boolean {
    const sizes = shape.slice(1);
    return sizes.join() === [this.numLags, this.nUnits].join() || sizes.join() === String(this.numLags * this.nUnits);
  }
}
