/**
 * @file Penalised Poisson regression of all units of a session at once, by L-BFGS on a problem whose curvature is
 * almost that of a sphere.
 *
 * Per unit, with weights w, counts y and N = Σ w·y spikes, this minimises, in nats per spike,
 *
 *   Σ w·(rate − y·ln rate) / N + ridge/2 · β'Sβ + 1/(2N) · h'h,   rate = link(Xβ + history·h + constant)
 *
 * for features X. The history weights have a standard normal prior; the constant has none. In these units the curvature
 * of every unit is close to the covariance of X plus ridge·S, which is factorised once for all units of one ridge and
 * starts the L-BFGS recursion (Nocedal & Wright, Numerical Optimization, 2nd ed. 2006, algorithms 7.4 and 3.1). The
 * problem is convex: there is one minimum, and every unit stops where the predicted gain of a step is negligible.
 */

import { setImmediate } from "node:timers/promises";
import { cat, ops, scope, type Tensor, tensor } from "../../torch/index.ts";
import { CurvatureMemory } from "./curvature-memory.ts";
import type { PoissonDesign } from "./poisson-design.ts";
import { driveOf, type Link, lossSlope, ratesOf } from "./poisson-link.ts";

/** A regression to solve. */
export interface PoissonProblem {
  design: PoissonDesign;
  /** Spike counts, [samples, units]; not NaN anywhere. */
  robs: Float32Array;
  /** Weights, [samples, units]. */
  weights: Float32Array;
  link: Link;
  /** Covariance of the features, [width, width]. */
  covariance: Float64Array;
  /** S, symmetric and positive definite, [width, width]. */
  penalty: Float64Array;
  /** Strength of the penalty on each unit's features, [units]. */
  ridge: Float64Array;
}

/** What {@link fitPoisson} found. */
export interface PoissonFit {
  /** [parameters, units]. */
  parameters: Float64Array;
  /** Units that did not reach their minimum. */
  unfinished: number[];
  iterations: number;
}

/** How {@link fitPoisson} searches. */
export interface PoissonSearch {
  /** Parameters to start from; 0 and the constant of the mean rate by default. */
  start?: Float64Array | null | undefined;
  /** Predicted gain, nats per spike, below which a unit has arrived; 1e-7. */
  tolerance?: number | undefined;
  signal?: AbortSignal | undefined;
}

const MAX_ITERATIONS = 200;
/** Share of the predicted gain that a step has to bring. */
const SUFFICIENT = 1e-4;
const MAX_SHORTENINGS = 25;

/**
 * Solves a problem. Gives the event loop a turn after every iteration. Units without spikes keep their start.
 */
export async function fitPoisson(
  problem: PoissonProblem,
  { start = null, tolerance = 1e-7, signal }: PoissonSearch = {},
): Promise<PoissonFit> {
  const descent = new Descent(problem, start);
  let iterations = 0;
  for (; iterations < MAX_ITERATIONS && scope(() => descent.step(tolerance)); iterations++) {
    signal?.throwIfAborted();
    await setImmediate();
  }
  return { parameters: descent.parameters, unfinished: descent.unfinished(), iterations };
}

/** The state of all units between steps, in host memory. */
class Descent {
  readonly parameters: Float64Array;
  private readonly problem: PoissonProblem;
  private readonly spikes: Float64Array;
  private readonly factors: readonly { columns: Int32Array; factor: Float64Array }[];
  private readonly memory: CurvatureMemory;
  /** Units that still move. */
  private readonly isMoving: Uint8Array;
  /** Units whose last direction brought nothing, though more was predicted. */
  private readonly isStuck: Uint8Array;
  private drive: Float32Array;
  /** Gradient of the penalty, which is linear in the parameters, and of the objective. */
  private pull: Float64Array;
  private gradient: Float64Array;

  constructor(problem: PoissonProblem, start: Float64Array | null) {
    const { design, robs, weights, link } = problem;
    const { units, parameters } = design;
    this.problem = problem;
    const { spikes, means } = totals(robs, weights, units);
    this.spikes = spikes;
    this.isMoving = Uint8Array.from(spikes, (count) => Number(count > 0));
    this.isStuck = new Uint8Array(units);
    this.parameters = start?.slice() ?? new Float64Array(parameters * units);
    if (start === null) {
      for (let unit = 0; unit < units; unit++) {
        this.parameters[(parameters - 1) * units + unit] = spikes[unit]! > 0 ? driveOf(link, means[unit]!) : 0;
      }
    }
    this.factors = factorise(problem);
    this.memory = new CurvatureMemory(parameters, units);
    this.drive = scope(() => design.apply(this.tensorOf(this.parameters)).toTypedArray() as Float32Array);
    this.pull = scope(() => this.penaltyGradient(this.parameters));
    this.gradient = scope(() => this.gradientNow());
  }

  unfinished(): number[] {
    return [...this.isMoving.keys()].filter((unit) => this.isMoving[unit] || this.isStuck[unit]);
  }

  /** One step of every unit that still moves; false when none does. */
  step(tolerance: number): boolean {
    const { design } = this.problem;
    const { units } = design;
    const direction = this.memory.direction(this.gradient, (vector) => this.precondition(vector));
    const slopes = this.columnDots(direction, this.gradient);
    for (let unit = 0; unit < units; unit++) {
      if (-slopes[unit]! / 2 < tolerance) this.isMoving[unit] = 0;
    }
    if (!this.isMoving.includes(1)) return false;

    const towards = design.apply(this.tensorOf(direction));
    const pull = this.penaltyGradient(direction);
    const lengths = this.searchLine(direction, pull, towards, slopes);
    const before = this.gradient;
    const move = direction.map((value, i) => value * lengths[i % units]!);
    for (let i = 0; i < move.length; i++) this.parameters[i]! += move[i]!;
    for (let i = 0; i < move.length; i++) this.pull[i]! += pull[i]! * lengths[i % units]!;
    ops.addcmul_(tensor(this.drive, [design.samples, units]), towards, tensor(lengths).float());
    this.gradient = this.gradientNow();
    this.memory.add(
      move,
      this.gradient.map((value, i) => value - before[i]!),
    );
    return true;
  }

  /** Step length of every unit, 0 for those that rest; a unit that finds none comes to rest. */
  private searchLine(direction: Float64Array, pull: Float64Array, towards: Tensor, slopes: Float64Array): Float64Array {
    const { units } = this.problem.design;
    const lengths = Float64Array.from(this.isMoving);
    const isOpen = this.isMoving.slice();
    const changeAt = this.changeAlong(direction, pull, towards);
    for (let attempt = 0; attempt < MAX_SHORTENINGS && isOpen.includes(1); attempt++) {
      const changes = changeAt(lengths);
      for (let unit = 0; unit < units; unit++) {
        if (!isOpen[unit]) continue;
        const length = lengths[unit]!;
        const predicted = length * slopes[unit]!;
        if (changes[unit]! <= SUFFICIENT * predicted) isOpen[unit] = 0;
        // The lowest point of the parabola through what is known.
        else lengths[unit] = length * Math.min(0.5, Math.max(0.1, -predicted / (2 * (changes[unit]! - predicted))));
      }
    }
    for (let unit = 0; unit < units; unit++) {
      if (!isOpen[unit]) continue;
      lengths[unit] = 0;
      this.isMoving[unit] = 0;
      this.isStuck[unit] = 1;
    }
    return lengths;
  }

  /** How the objective of every unit changes over steps of these lengths: a sum of differences, which rounding hurts least. */
  private changeAlong(
    direction: Float64Array,
    pull: Float64Array,
    towards: Tensor,
  ): (lengths: Float64Array) => Float64Array {
    const { problem, spikes } = this;
    const { samples, units } = problem.design;
    const counts = tensor(problem.robs, [samples, units]);
    const weights = tensor(problem.weights, [samples, units]);
    const drive = tensor(this.drive, [samples, units]);
    const now = ratesOf(problem.link, drive);
    const linear = this.columnDots(this.parameters, pull);
    const square = this.columnDots(direction, pull);
    return (lengths) =>
      scope(() => {
        const then = ratesOf(problem.link, ops.addcmul(drive, towards, tensor(lengths).float()));
        const gains = then.logRate.sub(now.logRate).mul(counts);
        const losses = then.rate.sub(now.rate).sub(gains).mul(weights);
        const sums = ops.sum.dim_IntList(losses, [0], false, { dtype: "float64" }).toTypedArray() as Float64Array;
        return sums.map((sum, unit) => {
          const length = lengths[unit]!;
          return sum / spikes[unit]! + length * linear[unit]! + 0.5 * length * length * square[unit]!;
        });
      });
  }

  /** Gradient of the objective, [parameters, units]. */
  private gradientNow(): Float64Array {
    const { robs, weights, link, design } = this.problem;
    const shape = [design.samples, design.units];
    const drive = tensor(this.drive, shape);
    const residuals = lossSlope(link, drive, ratesOf(link, drive), tensor(robs, shape)).mul(tensor(weights, shape));
    const perSpike = design.adjoint(residuals).mul(this.inverseSpikes());
    return perSpike.add(this.tensorOf(this.pull)).toTypedArray() as Float64Array;
  }

  /** Gradient of the penalty at some parameters, [parameters, units]. */
  private penaltyGradient(parameters: Float64Array): Float64Array {
    const { design, penalty, ridge } = this.problem;
    const { width } = design;
    const all = this.tensorOf(parameters);
    const rest = all.slice(0, width).mul(this.inverseSpikes());
    rest.select(0, design.parameters - width - 1).zero_();
    if (width === 0) return rest.toTypedArray() as Float64Array;
    const pull = tensor(penalty, [width, width])
      .matmul(all.slice(0, 0, width))
      .mul(tensor(ridge));
    return cat([pull, rest]).toTypedArray() as Float64Array;
  }

  private inverseSpikes(): Tensor {
    return tensor(this.spikes.map((count) => (count > 0 ? 1 / count : 0)));
  }

  /** An approximate inverse of the curvature times a vector of every unit. */
  private precondition(vector: Float64Array): Float64Array {
    const { design } = this.problem;
    const { width, units, history } = design;
    const out = vector.slice();
    if (history !== null) {
      for (let i = width * units; i < (design.parameters - 1) * units; i++) {
        out[i]! /= history.variances[i % units]! + 1 / Math.max(1, this.spikes[i % units]!);
      }
    }
    if (width === 0) return out;
    scope(() => {
      const all = tensor(out.subarray(0, width * units), [width, units]);
      for (const { columns, factor } of this.factors) {
        const chosen = tensor(columns);
        const solved = ops.cholesky_solve(all.indexSelect(1, chosen), tensor(factor, [width, width]));
        ops.index_copy_(all, 1, chosen.to({ dtype: "int64" }), solved);
      }
    });
    return out;
  }

  private columnDots(a: Float64Array, b: Float64Array): Float64Array {
    const { units } = this.problem.design;
    const dots = new Float64Array(units);
    for (let i = 0; i < a.length; i++) dots[i % units]! += a[i]! * b[i]!;
    return dots;
  }

  private tensorOf(parameters: Float64Array): Tensor {
    const { design } = this.problem;
    return tensor(parameters, [design.parameters, design.units]);
  }
}

/** Weighted spikes of every unit, and its mean rate. */
function totals(
  robs: Float32Array,
  weights: Float32Array,
  units: number,
): { spikes: Float64Array; means: Float64Array } {
  const spikes = new Float64Array(units);
  const samples = new Float64Array(units);
  for (let i = 0; i < robs.length; i++) {
    spikes[i % units]! += weights[i]! * robs[i]!;
    samples[i % units]! += weights[i]!;
  }
  return { spikes, means: spikes.map((count, unit) => count / samples[unit]!) };
}

/** Cholesky factors of covariance + ridge·S, one for all units of the same ridge. */
function factorise({ design, covariance, penalty, ridge }: PoissonProblem) {
  const { width } = design;
  if (width === 0) return [];
  let trace = 0;
  for (let i = 0; i < width; i++) trace += covariance[i * width + i]!;
  return [...new Set(ridge)].map((strength) => {
    // Float32 features do not span more than this: without a floor the factor of a singular covariance does not exist.
    const floored = Math.max(strength, 1e-9 * trace);
    const factor = scope(() => {
      const matrix = tensor(penalty, [width, width])
        .mul(floored)
        .add(tensor(covariance, [width, width]));
      return ops.linalg_cholesky(matrix).toTypedArray() as Float64Array;
    });
    const columns = Int32Array.from(ridge.keys()).filter((unit) => ridge[unit] === strength);
    return { columns, factor };
  });
}
