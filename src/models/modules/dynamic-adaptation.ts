/**
 * @file Dynamical adaptation, a model of cones: at every pixel a fast response divided by a slow adaptation signal, after
 * Clark et al. 2013 (model specification, section 5.3).
 *
 *     y = Ky * x,  z = Kz * x,  r = alpha y / max(1 + max(beta, 0) z, 1e-6)
 *
 * with causal filters Ky and Kz, and nothing but zeros before the first frame.
 */

import { type ConeParams, coneFilters, SMALLEST } from "../../signal/cone-filters.ts";
import { arange, full, ops, stack, type Tensor, tensor, withoutAutocast } from "../../torch/index.ts";
import { filterLags } from "./lag-filter.ts";
import { type BuildContext, type Formulation, Layer } from "./layer.ts";

export interface DynamicAdaptationOptions {
  cone: ConeParams;
  /** Train the seven scalars: the filters follow them. Otherwise the filters are fixed, and part of the state dict. */
  learnable: boolean;
}

/** Parameters in the reference's order. */
const SCALARS = ["alpha", "beta", "gamma", "tau_y_ms", "n_y", "tau_z_ms", "n_z"] as const;

const SMALLEST_DIVISOR = 1e-6;

/** `[batch, 1, T, H, W]` or `[batch, T, H, W]` to `[batch, 1, T, H, W]`. */
export class DynamicAdaptation extends Layer {
  readonly #options: DynamicAdaptationOptions;
  readonly #formulation: Formulation;
  readonly #scalars: Record<(typeof SCALARS)[number], Tensor>;
  /** `[1, 1, taps]`, last weight for the newest frame. null: computed from the scalars. */
  readonly #fixed: { fast: Tensor; slow: Tensor } | null;

  constructor(options: DynamicAdaptationOptions, { formulation }: BuildContext) {
    super();
    this.#options = options;
    this.#formulation = formulation;
    const { cone, learnable } = options;
    const scalars = SCALARS.map((name) => [name, this.parameter(name, full([], cone[name]), learnable)]);
    this.#scalars = Object.fromEntries(scalars);
    if (learnable) {
      this.#fixed = null;
      return;
    }
    const { fast, slow } = coneFilters(cone);
    const filter = (name: string, weights: Float64Array) =>
      this.buffer(name, tensor(Float32Array.from(weights.toReversed()), [1, 1, weights.length]));
    this.#fixed = { fast: filter("Ky_filter", fast), slow: filter("Kz_filter", slow) };
  }

  /** In full precision under autocast too: the quotient would magnify what rounding does to the adaptation signal. */
  override forward(input: Tensor): Tensor {
    const { alpha, beta } = this.#scalars;
    const x = input.ndim === 5 ? input.squeeze(1) : input;
    return withoutAutocast(() => {
      // Later taps only meet the zeros before the first frame.
      const taps = Math.min(this.#options.cone.filter_length, x.size(1));
      const { fast, slow } = this.#filters(taps);
      if (this.#formulation === "reference") {
        const y = this.#filtered(x, fast.unsqueeze(0));
        const z = this.#filtered(x, slow.unsqueeze(0));
        return alpha.mul(y).div(beta.relu().mul(z).add(1).clamp(SMALLEST_DIVISOR));
      }
      // Gain and strength in the filters instead of in every pixel.
      const both = this.#filtered(x, stack([fast.mul(alpha), slow.mul(beta.relu())]));
      return both.slice(1, 0, 1).div(both.slice(1, 1, 2).add(1).clamp(SMALLEST_DIVISOR));
    });
  }

  #filtered(x: Tensor, kernels: Tensor): Tensor {
    return filterLags(x.to({ dtype: kernels.dtype }), kernels, [kernels.size(1) - 1, 0], this.#formulation);
  }

  /** Weights `[taps]` of the newest frames, the newest one's last. */
  #filters(taps: number): { fast: Tensor; slow: Tensor } {
    if (this.#fixed) {
      const newest = (filter: Tensor) => filter.view([-1]).slice(0, filter.numel - taps);
      return { fast: newest(this.#fixed.fast), slow: newest(this.#fixed.slow) };
    }
    const { gamma, tau_y_ms, n_y, tau_z_ms, n_z } = this.#scalars;
    const fast = gammaFilter(n_y.clamp(SMALLEST.fastStages), this.#inFrames(tau_y_ms), taps);
    const slowest = gammaFilter(n_z.clamp(SMALLEST.slowStages), this.#inFrames(tau_z_ms), taps);
    const share = gamma.clamp(0, 1);
    const slow = share.mul(fast).add(share.rsub(1).mul(slowest));
    return { fast: fast.flip(0), slow: slow.flip(0) };
  }

  #inFrames(tauMs: Tensor): Tensor {
    return tauMs
      .clamp(SMALLEST.tauMs)
      .mul(this.#options.cone.sampling_rate / 1000)
      .clamp(SMALLEST.tauFrames);
  }
}

/**
 * The filter `t^n e^(-t/tau) / (tau^(n+1) Gamma(n+1))` for t = 0 ... taps - 1, from scalars n > 0 and tau, in logarithms.
 * Its zero at t = 0 is put there: as a function of n it would have the gradient 0 times infinity.
 */
function gammaFilter(n: Tensor, tau: Tensor, taps: number): Tensor {
  const { dtype, device } = n;
  const t = arange(taps - 1, { dtype, device })
    .add(1)
    .div(tau);
  const weights = n
    .mul(t.log())
    .sub(t)
    .sub(ops.lgamma(n.add(1)))
    .exp()
    .div(tau);
  return ops.constant_pad_nd(weights, [1, 0]);
}
