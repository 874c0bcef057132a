/**
 * @file The shifter: from gaze to a shift of the places that a session's units look at, one shift per sample. It makes up for
 * what eye tracking, or the way from gaze to pixels, gets wrong (Walker et al. 2019; Franke et al. 2022).
 */

import { type Tensor, tensor, withoutAutocast } from "../../torch/index.ts";
import type { BuildContext } from "./layer.ts";
import { Mlp, type MlpOptions } from "./mlp.ts";

/** The behaviour of a sample, and what a shifter reads of it. */
export interface ShifterInput {
  /** Columns that are read; null: all. */
  features: readonly number[] | null;
  /** Number of columns. */
  behaviorDim: number;
  /** Whether there may be more. */
  atLeast: boolean;
}

export interface ShifterOptions extends ShifterInput {
  /** Largest shift along each axis, in half widths and half heights of the map. */
  maxShift: number;
  network: Omit<MlpOptions, "outputDim" | "outputActivation" | "residual">;
}

/** The number of behaviour values that a shifter takes, in words. */
export function shifterNeeds({ behaviorDim, atLeast }: ShifterInput): string {
  return atLeast ? `at least ${behaviorDim}` : String(behaviorDim);
}

/** Whether that many behaviour values are what a shifter takes. */
export function fitsShifter({ behaviorDim, atLeast }: ShifterInput, width: number): boolean {
  return atLeast ? width >= behaviorDim : width === behaviorDim;
}

/** Behaviour `[batch, behaviour features]` to shifts `(x, y)` `[batch, 2]` within `maxShift`; none at the start. */
export class Shifter extends Mlp {
  readonly input: ShifterInput;
  readonly #maxShift: number;
  readonly #columns: Tensor | null;

  constructor({ maxShift, network, ...input }: ShifterOptions, context: BuildContext) {
    super({ ...network, outputDim: 2 }, context);
    this.input = input;
    this.#maxShift = maxShift;
    const { features } = input;
    this.#columns = features && this.buffer("columns", tensor(features, [features.length], { dtype: "int64" }), false);
    for (const { tensor } of this.lastLayer.namedParameters()) tensor.detach().zero_();
  }

  /** In full precision, also under autocast: places are finer than a bfloat16. */
  override forward(behavior: Tensor): Tensor {
    return withoutAutocast(() => {
      const gaze = this.#columns ? behavior.indexSelect(1, this.#columns) : behavior;
      return super.forward(gaze).tanh().mul(this.#maxShift);
    });
  }
}
