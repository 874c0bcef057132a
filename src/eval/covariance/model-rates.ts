/**
 * @file How much of the variance of predicted rates eye movements make (evaluation specification, section 15.4). Predicted
 * rates have no spiking noise, so that the spread over trials of a time bin is the effect of eye movements itself and no close
 * pairs are needed. For the estimate by close pairs, give rates to `decomposeCovariance`.
 */

import { UserError } from "../../errors.ts";
import { halfMeans, type SplitHalfOptions, splitOrders } from "./split-half.ts";

/** Predicted rates of repeats, aligned to the stimulus. */
export interface ModelRates {
  trials: number;
  /** Time bins of the stimulus. */
  bins: number;
  units: number;
  /** Predicted spikes per bin, [trials, bins, units]; NaN where there is no prediction. */
  rates: Float64Array;
  /** Above 0 where a bin of a trial counts, [trials, bins]; absent: everywhere. */
  valid?: ArrayLike<number> | undefined;
}

/** Variances of predicted rates, squared spikes per bin, [units]. */
export interface RateVariance {
  /** Within time bins: of eye movements. */
  within: Float64Array;
  /** Between time bins: of the PSTH. */
  between: Float64Array;
  total: Float64Array;
  /** 1 − α: share of `within` in the total. */
  oneMinusAlpha: Float64Array;
  /** Time bins and rates that went in, [units]. */
  timeBins: Int32Array;
  samples: Int32Array;
  /** Why a unit has NaN, for the first such unit. */
  reason?: string | undefined;
}

/**
 * One-way random-effects analysis of variance (Searle, Casella and McCulloch 1992, Variance Components) of every unit's rates,
 * time bins being the groups of n_t trials: `within = MSw`, `between = max((MSb − MSw) / n0, 0)` with
 * `n0 = (N − Σ n_t² / N) / (T − 1)`.
 *
 * NaN with counts of 0 for a unit with fewer than two time bins or no time bin with two trials; the share is NaN where nothing
 * varies.
 *
 * @throws UserError when sizes do not agree
 */
export function rateVarianceComponents(
  given: ModelRates,
  { minTrialsPerBin = 2 }: { minTrialsPerBin?: number | undefined } = {},
): RateVariance {
  checkModelRates(given);
  const { units } = given;
  const nan = () => new Float64Array(units).fill(Number.NaN);
  const result: RateVariance = {
    within: nan(),
    between: nan(),
    total: nan(),
    oneMinusAlpha: nan(),
    timeBins: new Int32Array(units),
    samples: new Int32Array(units),
  };
  for (let unit = 0; unit < units; unit++) {
    const groups = usableTrials(given, unit, Math.max(1, minTrialsPerBin)).filter((trials) => trials.length > 0);
    const samples = groups.reduce((sum, trials) => sum + trials.length, 0);
    if (groups.length < 2 || samples <= groups.length) {
      result.reason ??= `unit ${unit} has ${groups.length} time bins with ${minTrialsPerBin} rates or more: 2 needed`;
      continue;
    }
    const { within, between } = varianceComponents(groups);
    result.within[unit] = within;
    result.between[unit] = between;
    result.total[unit] = within + between;
    result.oneMinusAlpha[unit] = Math.max(0, Math.min(1, within / (within + between)));
    result.timeBins[unit] = groups.length;
    result.samples[unit] = samples;
  }
  return result;
}

/** Rates of one unit in every time bin; none for bins with fewer than `minTrials`. */
function usableTrials({ trials, bins, units, rates, valid }: ModelRates, unit: number, minTrials: number): number[][] {
  return Array.from({ length: bins }, (_, bin) => {
    const found: number[] = [];
    for (let trial = 0; trial < trials; trial++) {
      const cell = trial * bins + bin;
      const rate = rates[cell * units + unit]!;
      if (Number.isFinite(rate) && (valid === undefined || valid[cell]! > 0)) found.push(rate);
    }
    return found.length >= minTrials ? found : [];
  });
}

function varianceComponents(groups: readonly (readonly number[])[]): { within: number; between: number } {
  const samples = groups.reduce((sum, group) => sum + group.length, 0);
  const squaredSizes = groups.reduce((sum, group) => sum + group.length ** 2, 0);
  const means = groups.map(mean);
  const grandMean = groups.reduce(
    (sum, group, i) => sum + (group.length / samples) * (means[i]! - means[0]!),
    means[0]!,
  );
  const squaresWithin = groups.reduce(
    (sum, group, i) => group.reduce((inner, rate) => inner + (rate - means[i]!) ** 2, sum),
    0,
  );
  const squaresBetween = groups.reduce((sum, group, i) => sum + group.length * (means[i]! - grandMean) ** 2, 0);
  const within = squaresWithin / (samples - groups.length);
  const typicalSize = (samples - squaredSizes / samples) / (groups.length - 1);
  return { within, between: Math.max(0, (squaresBetween / (groups.length - 1) - within) / typicalSize) };
}

/** Mean by steps from the first value, so that a constant keeps its exact value. */
function mean(values: readonly number[]): number {
  const [first] = values;
  return first! + values.reduce((sum, value) => sum + (value - first!), 0) / values.length;
}

/**
 * Variance of the PSTH of every unit, squared spikes per bin: covariance over time bins of the PSTHs of two random halves of
 * the trials, times T / (T − 1), averaged over splits. NaN with fewer than two time bins that have two usable trials.
 * Explicit permutations number trials, one list for each such time bin.
 *
 * @returns [units]
 * @throws UserError when sizes do not agree, or given orders do not fit the rates
 */
export function splitHalfPsthVariance(model: ModelRates, options: SplitHalfOptions = {}): Float64Array {
  checkModelRates(model);
  const { trials, bins, units, rates } = model;
  const groups = usableCells(model).filter((cells) => cells.length >= 2);
  if (groups.length < 2) return new Float64Array(units).fill(Number.NaN);
  const timeBins = groups.map((cells) => cells[0]! % bins);
  const even = new Float64Array(rates.length / units).fill(1);
  const given = splitOrders(groups, trials, { seed: 0, ...options });
  // Explicit orders number trials; the rows of `rates` are cells of trial and bin.
  const orders =
    options.permutations === undefined
      ? given
      : given.map((split) => split.map((order, i) => Int32Array.from(order, (t) => t * bins + timeBins[i]!)));
  const variance = new Float64Array(units);
  for (const order of orders) {
    const [a, b] = halfMeans(rates, units, order, even);
    for (let unit = 0; unit < units; unit++) variance[unit]! += covariance(a, b, unit, units) / orders.length;
  }
  return variance;
}

/** Cells (trial · bins + bin) of every time bin where all units have a rate. */
function usableCells({ trials, bins, units, rates, valid }: ModelRates): Int32Array[] {
  return Array.from({ length: bins }, (_, bin) => {
    const found: number[] = [];
    for (let cell = bin; cell < trials * bins; cell += bins) {
      const row = rates.subarray(cell * units, (cell + 1) * units);
      if (row.every(Number.isFinite) && (valid === undefined || valid[cell]! > 0)) found.push(cell);
    }
    return Int32Array.from(found);
  });
}

/** Sample covariance over rows of one column of two arrays [rows, units]. */
function covariance(a: Float64Array, b: Float64Array, unit: number, units: number): number {
  const rows = a.length / units;
  let [meanA, meanB, products] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    meanA += a[row * units + unit]! / rows;
    meanB += b[row * units + unit]! / rows;
  }
  for (let row = 0; row < rows; row++) products += (a[row * units + unit]! - meanA) * (b[row * units + unit]! - meanB);
  return products / (rows - 1);
}

function checkModelRates({ trials, bins, units, rates, valid }: ModelRates): void {
  const cells = trials * bins;
  if (rates.length !== cells * units) {
    throw new UserError(
      `Cannot split the variance of rates: rates has ${rates.length} values, ` +
        `[${trials}, ${bins}, ${units}] takes ${cells * units}`,
    );
  }
  if (valid !== undefined && valid.length !== cells) {
    throw new UserError(
      `Cannot split the variance of rates: valid has ${valid.length} values, [${trials}, ${bins}] takes ${cells}`,
    );
  }
}
