/**
 * @file Parametrised weights with PyTorch's names: a layer's `weight` is computed from
 * `parametrizations.weight.original` and the parameters of a chain `parametrizations.weight.0`, `.1`, ...
 */

import { Module } from "./module.ts";
import { ops } from "./ops.ts";
import type { Tensor } from "./tensor.ts";

/** One link of the chain: a weight in, a weight of the same shape out. */
export abstract class Parametrization extends Module {
  abstract forward(weight: Tensor): Tensor;
}

/**
 * Weight normalisation: `g * v / ||v||`, the norm taken over every axis but `dim`, with floor 1e-12. The incoming weight is
 * not used (its values were copied into `v` at the start).
 */
export class WeightNorm extends Parametrization {
  readonly v: Tensor;
  readonly g: Tensor;
  readonly #axes: readonly number[];
  readonly #gShape: readonly number[];

  /** `unitNorm`: g starts at 1 and is never trained. */
  constructor(weight: Tensor, { dim = 0, unitNorm = false }: { dim?: number; unitNorm?: boolean } = {}) {
    super();
    this.#axes = weight.shape.map((_, axis) => axis).filter((axis) => axis !== dim);
    this.#gShape = weight.shape.map((n, axis) => (axis === dim ? n : 1));
    this.v = this.parameter("v", weight.detach().clone());
    const norms = weight.detach().norm(this.#axes);
    this.g = this.parameter("g", unitNorm ? ops.ones_like(norms) : norms, !unitNorm);
  }

  override forward(): Tensor {
    const norms = this.v.norm(this.#axes, true).clamp(1e-12);
    return this.v.mul(this.g.view(this.#gShape).div(norms));
  }
}

/** The weight before and after its parametrisations. */
export class ParametrizedWeight extends Module {
  readonly original: Tensor;
  readonly chain: readonly Parametrization[];

  constructor(original: Tensor, chain: readonly Parametrization[]) {
    super();
    this.original = this.parameter("original", original);
    this.chain = chain;
    for (const [i, link] of chain.entries()) this.child(String(i), link);
  }

  /** The effective weight. */
  value(): Tensor {
    return this.chain.reduce((weight, link) => link.forward(weight), this.original);
  }
}

/** The container PyTorch puts between a layer and its parametrised weights, so that names agree. */
export class Parametrizations extends Module {
  readonly weight: ParametrizedWeight;

  constructor(weight: ParametrizedWeight) {
    super();
    this.weight = this.child("weight", weight);
  }
}
