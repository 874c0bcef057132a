/**
 * @file Confidence intervals of scores of repeats, for one of two questions.
 *
 * Over trials: what would other trials of the same stimuli give? The signal is fixed and the noise is drawn anew. Drawing
 * trials with replacement does not answer it: a trial drawn twice agrees with itself, and signal power grows by what is
 * noise. Trials are left out one at a time instead ({@link jackknifeInterval}).
 *
 * Over bins: what would other stimuli of the same kind give? Bins (or blocks of neighbouring bins) are drawn with
 * replacement, each with all its trials, and the interval is made from the studentised differences (bootstrap-t; Efron &
 * Tibshirani 1993, An Introduction to the Bootstrap, section 12.5). Percentile and BCa intervals of skewed rates reach 86
 * to 90 % with 60 bins where these reach 91 to 93 %.
 */

import { MersenneTwister, mixSeeds } from "../../data/random.ts";
import { type Interval, jackknifeInterval } from "./jackknife.ts";
import type { Measure } from "./measure.ts";
import type { Repeats } from "./repeats.ts";
import { type PlaceSums, placeTerms, sumTotals, TOTAL_KEYS, type Totals, totalsOf } from "./totals.ts";

/** Intervals of a score, [units]; NaN where there is none. */
export interface UnitIntervals {
  low: Float64Array;
  high: Float64Array;
}

/** Cells of a unit in every trial, [trials], over its eligible bins. */
export function cellsOfTrials(repeats: Repeats, eligible: Uint8Array, unit: number): Float64Array {
  const { trials, bins, units, valid } = repeats;
  const cells = new Float64Array(trials);
  for (let place = unit; place < bins * units; place += units) {
    if (eligible[place] === 0) continue;
    for (let trial = 0; trial < trials; trial++) cells[trial]! += valid[trial * bins * units + place]!;
  }
  return cells;
}

/** What squared changes of a mean over trials must be multiplied by: mean(1/n) / mean(1/(n−1)) over eligible bins. */
export function trialInflation({ bins, units, counts }: Repeats, eligible: Uint8Array, unit: number): number {
  let [kept, left] = [0, 0];
  for (let place = unit; place < bins * units; place += units) {
    if (eligible[place] === 0) continue;
    kept += 1 / counts[place]!;
    left += 1 / (counts[place]! - 1);
  }
  return kept / left;
}

/** Intervals over trials of several measures; in the order of `measures`. */
export function trialIntervals(
  sums: PlaceSums,
  totals: Float64Array,
  measures: readonly Measure[],
  confidence: number,
): UnitIntervals[] {
  const { trials, units } = sums.repeats;
  const leftOut = Array.from({ length: trials }, (_, trial) => sumTotals(sums, trial));
  const intervals = measures.map(() => noIntervals(units));
  const estimates = new Float64Array(trials);
  for (let unit = 0; unit < units; unit++) {
    const weights = cellsOfTrials(sums.repeats, sums.eligible, unit);
    const inflation = trialInflation(sums.repeats, sums.eligible, unit);
    const all = totalsOf(totals, unit);
    const without = leftOut.map((values) => totalsOf(values, unit));
    for (const [i, measure] of measures.entries()) {
      for (let trial = 0; trial < trials; trial++) estimates[trial] = measure.scaled(without[trial]!);
      const interval = jackknifeInterval(measure.scaled(all), estimates, weights, inflation, confidence);
      setInterval(intervals[i]!, unit, interval, measure);
    }
  }
  return intervals;
}

export interface BinIntervalOptions {
  confidence: number;
  /** How often bins are drawn anew. */
  resamples: number;
  seed: number;
  /** Neighbouring bins that are drawn together; 1 for bins without order, such as images. */
  block: number;
}

/** Intervals over bins of several measures; in the order of `measures`. */
export function binIntervals(
  sums: PlaceSums,
  totals: Float64Array,
  measures: readonly Measure[],
  options: BinIntervalOptions,
): UnitIntervals[] {
  const { units } = sums.repeats;
  const intervals = measures.map(() => noIntervals(units));
  for (let unit = 0; unit < units; unit++) {
    const blocks = blockTerms(sums, unit, options.block);
    const found = bootstrapT(blocks, totalsOf(totals, unit), measures, options, unit);
    for (const [i, measure] of measures.entries()) setInterval(intervals[i]!, unit, found[i]!, measure);
  }
  return intervals;
}

/** Totals of every block of a unit's eligible bins: one column per total, [TOTAL_KEYS.length][blocks]. */
function blockTerms(sums: PlaceSums, unit: number, block: number): Float64Array[] {
  const { bins, units } = sums.repeats;
  const rows: Float64Array[] = [];
  const terms = new Float64Array(TOTAL_KEYS.length);
  let inRow = block;
  for (let bin = 0; bin < bins; bin++) {
    const place = bin * units + unit;
    if (sums.eligible[place] === 0 || !placeTerms(sums, place, -1, terms)) continue;
    if (inRow === block) {
      rows.push(new Float64Array(TOTAL_KEYS.length));
      inRow = 0;
    }
    const row = rows.at(-1)!;
    for (let i = 0; i < terms.length; i++) row[i]! += terms[i]!;
    inRow += 1;
  }
  return TOTAL_KEYS.map((_, i) => Float64Array.from(rows, (row) => row[i]!));
}

function bootstrapT(
  columns: readonly Float64Array[],
  all: Totals,
  measures: readonly Measure[],
  { confidence, resamples, seed }: BinIntervalOptions,
  unit: number,
): Interval[] {
  const blocks = columns[0]!.length;
  const weights = new Float64Array(blocks).fill(1);
  const used = measures.map(({ uses }) => uses.map((key) => columns[TOTAL_KEYS.indexOf(key)]!));
  const estimates = measures.map((measure) => measure.scaled(all));
  const errors = measures.map((measure, i) => standardError(used[i]!, weights, all, measure));
  const differences = measures.map(() => new Float64Array(resamples));
  const random = new MersenneTwister(mixSeeds(seed, unit));
  const scratch = new Float64Array(blocks);
  for (let resample = 0; resample < resamples; resample++) {
    weights.fill(0);
    for (let draw = 0; draw < blocks; draw++) weights[Math.floor(random.uniform() * blocks)]! += 1;
    const drawn = Float64Array.from(columns, (column) => dot(weights, column));
    const totals = totalsOf(drawn, 0);
    for (const [i, measure] of measures.entries()) {
      const error = standardError(used[i]!, weights, totals, measure, scratch);
      differences[i]![resample] = (measure.scaled(totals) - estimates[i]!) / error;
    }
  }
  return measures.map((_, i) => {
    // Where a resample has no score it could be anywhere: it takes a place at both ends.
    const finite = differences[i]!.filter(Number.isFinite).sort();
    const lost = resamples - finite.length;
    const rank = Math.floor(((1 - confidence) / 2) * (resamples + 1)) - 1 - lost;
    if (rank < 0 || !Number.isFinite(errors[i]!)) return [Number.NaN, Number.NaN];
    const [least, greatest] = [finite[rank]!, finite[finite.length - 1 - rank]!];
    return [estimates[i]! - greatest * errors[i]!, estimates[i]! - least * errors[i]!];
  });
}

function dot(weights: Float64Array, values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += weights[i]! * values[i]!;
  return sum;
}

/**
 * Standard error over independent blocks by the infinitesimal jackknife: the spread of `Σ_f ∂score/∂total_f · term_f`
 * (Jaeckel 1972; Efron 1982). The derivatives are differences of the score.
 *
 * @param columns terms of the totals that the measure uses, [uses][blocks]
 * @param weights how often every block was drawn, [blocks]
 * @param influence overwritten, [blocks]
 */
function standardError(
  columns: readonly Float64Array[],
  weights: Float64Array,
  totals: Totals,
  measure: Measure,
  influence = new Float64Array(weights.length),
): number {
  influence.fill(0);
  for (let i = 0; i < columns.length; i++) {
    const key = measure.uses[i]!;
    const value = totals[key];
    const step = 1e-5 * Math.max(Math.abs(value), 1e-3 * totals.bins);
    totals[key] = value + step;
    const above = measure.scaled(totals);
    totals[key] = value - step;
    const slope = (above - measure.scaled(totals)) / (2 * step);
    totals[key] = value;
    const column = columns[i]!;
    for (let row = 0; row < influence.length; row++) influence[row]! += slope * column[row]!;
  }
  let [sum, squares] = [0, 0];
  for (let row = 0; row < influence.length; row++) {
    sum += weights[row]! * influence[row]!;
    squares += weights[row]! * influence[row]! * influence[row]!;
  }
  return Math.sqrt(Math.max(0, squares - (sum * sum) / weights.length));
}

/** Intervals of which nothing is known. */
export function noIntervals(units: number): UnitIntervals {
  return { low: new Float64Array(units).fill(Number.NaN), high: new Float64Array(units).fill(Number.NaN) };
}

function setInterval({ low, high }: UnitIntervals, unit: number, [from, to]: Interval, measure: Measure): void {
  low[unit] = measure.limit(from);
  high[unit] = measure.limit(to);
}
