/**
 * @file Auxiliary losses: what a part of the model adds to the loss beside how well rates fit (training specification,
 * section 15).
 */

import { type AuxiliaryLoss, type HasAuxiliaryLosses, hasAuxiliaryLosses } from "../models/losses.ts";
import { type Module, scope, stack, type Tensor } from "../torch/index.ts";

/** Weight where the model configuration has no `lambda_pred`. */
export const DEFAULT_AUXILIARY_WEIGHT = 0.1;

/** The auxiliary losses of a model. */
export class AuxiliaryLosses {
  private readonly sources: readonly HasAuxiliaryLosses[];
  private readonly weight: number;

  constructor(root: Module, weight = DEFAULT_AUXILIARY_WEIGHT) {
    this.sources = sourcesIn(root);
    this.weight = weight;
  }

  /**
   * Those of the passes since the last call: every one averaged over its passes, of which a batch has one, or one per session
   * where sessions pass separately; then added up and weighted. A float32 scalar with gradients; null without any.
   */
  take(): Tensor | null {
    const taken = this.sources.flatMap((source) => source.takeAuxiliaryLosses());
    if (taken.length === 0) return null;
    const total = scope(() => {
      const means = [...byName(taken).values()].map((values) => stack(values).float().mean());
      return means.reduce((sum, mean) => sum.add(mean)).mul(this.weight);
    });
    for (const { value } of taken) value.dispose();
    return total;
  }

  /** Forgets those of the passes since the last call. */
  drop(): void {
    for (const source of this.sources) for (const { value } of source.takeAuxiliaryLosses()) value.dispose();
  }
}

function byName(losses: readonly AuxiliaryLoss[]): Map<string, Tensor[]> {
  const named = new Map<string, Tensor[]>();
  for (const { name, value } of losses) named.set(name, [...(named.get(name) ?? []), value]);
  return named;
}

function sourcesIn(module: Module): HasAuxiliaryLosses[] {
  const own = hasAuxiliaryLosses(module) ? [module] : [];
  return [...own, ...[...module.children().values()].flatMap(sourcesIn)];
}
