/**
 * @file How strongly each unit is regularised: as strongly as predicts parts of the training samples best that were
 * left out.
 */

import { ops, scope, tensor } from "../../torch/index.ts";
import type { RunOptions } from "./baseline.ts";
import { fitPoisson, type PoissonFit, type PoissonProblem } from "./poisson-fit.ts";
import { ratesOf } from "./poisson-link.ts";

/** Strengths that are tried, strongest first, in nats per spike for weights of unit variance. */
const STRENGTHS = [100, 10, 1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6] as const;
/** Stretches of samples that are dealt out to the folds, so that each sees all of the recording. */
const STRETCHES = 50;
const FOLDS = 5;
/** With more samples than this one fold tells enough. */
const MANY_SAMPLES = 20_000;
/** Strengths that have to be worse than the best one before weaker ones are not tried any more. */
const PATIENCE = 2;
/** Nats per spike that do not matter for the choice. */
const SEARCH_TOLERANCE = 1e-5;

/** A fit with the strengths that were selected. */
export interface SelectedFit extends PoissonFit {
  /** [units]. */
  ridge: Float64Array;
}

/**
 * Selects the strength of the penalty for every unit by the Poisson likelihood of a fifth of the samples, contiguous
 * stretches from all of the recording, given the others (of each fifth in turn if there are few samples), and fits all
 * samples with it.
 */
export async function fitSelected(
  problem: Omit<PoissonProblem, "ridge">,
  { signal, onProgress }: RunOptions,
): Promise<SelectedFit> {
  const { samples, units, width } = problem.design;
  const folds = Array.from({ length: samples > MANY_SAMPLES ? 1 : FOLDS }, (_, fold) => ({
    fitted: maskOfFold(problem.weights, samples, units, fold, false),
    held: maskOfFold(problem.weights, samples, units, fold, true),
    parameters: null as Float64Array | null,
  }));
  const total = folds.length * STRENGTHS.length + 1;
  let done = 0;
  const likelihoods: Float64Array[] = [];
  for (const strength of width === 0 ? [] : STRENGTHS) {
    const ridge = new Float64Array(units).fill(strength);
    const sums = new Float64Array(units);
    for (const fold of folds) {
      const search = { tolerance: SEARCH_TOLERANCE, start: fold.parameters, signal };
      fold.parameters = (await fitPoisson({ ...problem, weights: fold.fitted, ridge }, search)).parameters;
      likelihood(problem, fold.parameters, fold.held).forEach((value, unit) => {
        sums[unit]! += value;
      });
      onProgress?.({ stage: "fit", done: ++done, total });
    }
    likelihoods.push(sums);
    if (isPastBest(likelihoods)) break;
  }
  const ridge = Float64Array.from({ length: units }, (_, unit) => {
    const values = likelihoods.map((strength) => strength[unit]!);
    return STRENGTHS[values.indexOf(Math.max(...values))] ?? STRENGTHS[0];
  });
  const fit = await fitPoisson({ ...problem, ridge }, { signal });
  onProgress?.({ stage: "fit", done: total, total });
  return { ...fit, ridge };
}

/** Whether no unit has had its best value among the last strengths. */
function isPastBest(likelihoods: readonly Float64Array[]): boolean {
  return likelihoods[0]!.every((_, unit) => {
    const values = likelihoods.map((strength) => strength[unit]!);
    return values.indexOf(Math.max(...values)) < values.length - PATIENCE;
  });
}

/** The weights of the samples in a fold, or of all others; 0 elsewhere. */
function maskOfFold(
  weights: Float32Array,
  samples: number,
  units: number,
  fold: number,
  isInside: boolean,
): Float32Array {
  const mask = weights.slice();
  for (let i = 0; i < samples; i++) {
    const isMember = Math.floor((i * STRETCHES) / samples) % FOLDS === fold;
    if (isMember !== isInside) mask.fill(0, i * units, (i + 1) * units);
  }
  return mask;
}

/** Σ w·(y·ln rate − rate) of every unit. */
function likelihood(
  { design, robs, link }: Omit<PoissonProblem, "ridge">,
  parameters: Float64Array,
  weights: Float32Array,
): Float64Array {
  return scope(() => {
    const { rate, logRate } = ratesOf(link, design.apply(tensor(parameters, [design.parameters, design.units])));
    const shape = [design.samples, design.units];
    const terms = logRate.mul(tensor(robs, shape)).sub(rate).mul(tensor(weights, shape));
    return ops.sum.dim_IntList(terms, [0], false, { dtype: "float64" }).toTypedArray() as Float64Array;
  });
}
