/**
 * @file Sums over the bins of one unit from which every score of repeats but the split-half one follows. Leaving out a
 * trial, or drawing bins anew, changes only these sums, so that intervals cost little more than the scores.
 */

import { eligiblePlaces, type Repeats } from "./repeats.ts";

/**
 * Sums over a unit's eligible bins. Of a bin: n valid trials; y, p the means of response and prediction over them; s² the
 * unbiased variance of the response over them. Of a cell: r response, q prediction, o the mean response of the bin's
 * other trials. Responses and predictions are counted from one origin, the unit's first valid response.
 */
export interface Totals {
  bins: number;
  y: number;
  yy: number;
  /** Σ s². */
  noise: number;
  /** Σ s²/n, with n as left after trials were left out. */
  noiseOfMean: number;
  /** Σ s²/n, with n as recorded. */
  recordedNoiseOfMean: number;
  /** Σ s² (n−1)/n, with n as recorded: the variance that divides by n. */
  populationNoise: number;
  p: number;
  pp: number;
  yp: number;
  cells: number;
  r: number;
  rr: number;
  /** Σ s², over cells. */
  cellNoise: number;
  /** Σ o²; Σ o is Σ r. */
  oo: number;
  ro: number;
  q: number;
  qq: number;
  rq: number;
  /** Σ r p and Σ p² over cells: with the bin's mean prediction in the place of the cell's. */
  rp: number;
  cellPp: number;
}

export const TOTAL_KEYS = [
  ...["bins", "y", "yy", "noise", "noiseOfMean", "recordedNoiseOfMean", "populationNoise", "p", "pp", "yp"],
  ...["cells", "r", "rr", "oo", "ro", "q", "qq", "rq", "cellNoise", "rp", "cellPp"],
] as readonly (keyof Totals)[];

const WIDTH = TOTAL_KEYS.length;

/** Sums over the trials of every place, from which trials can be taken away again. */
export interface PlaceSums {
  repeats: Repeats;
  /** 1 where a place is scored, [bins, units]. */
  eligible: Uint8Array;
  /** What responses and predictions are counted from, so that large means cost no digits, [units]. */
  origin: Float64Array;
  /** [bins, units] each. */
  r: Float64Array;
  rr: Float64Array;
  q: Float64Array;
  qq: Float64Array;
  rq: Float64Array;
}

/** Sums over trials of the places with at least `minTrials` valid ones. */
export function sumPlaces(repeats: Repeats, minTrials: number): PlaceSums {
  const { trials, bins, units, valid } = repeats;
  const places = bins * units;
  const column = () => new Float64Array(places);
  const eligible = eligiblePlaces(repeats, minTrials);
  const origin = Float64Array.from({ length: units }, (_, unit) => firstResponse(repeats, unit));
  const sums = { repeats, eligible, origin, r: column(), rr: column(), q: column(), qq: column(), rq: column() };
  for (let trial = 0; trial < trials; trial++) {
    for (let place = 0; place < places; place++) {
      const cell = trial * places + place;
      if (valid[cell] === 0) continue;
      const r = repeats.robs[cell]! - origin[place % units]!;
      const q = repeats.rates[cell]! - origin[place % units]!;
      sums.r[place]! += r;
      sums.rr[place]! += r * r;
      sums.q[place]! += q;
      sums.qq[place]! += q * q;
      sums.rq[place]! += r * q;
    }
  }
  return sums;
}

function firstResponse({ robs, valid, units }: Repeats, unit: number): number {
  for (let cell = unit; cell < valid.length; cell += units) if (valid[cell] === 1) return robs[cell]!;
  return 0;
}

/**
 * The contributions of one place to the totals, without the trial `leftOut` (−1: with all). False, and nothing written,
 * where fewer than two trials are left.
 */
export function placeTerms(sums: PlaceSums, place: number, leftOut: number, into: Float64Array): boolean {
  const { repeats, origin } = sums;
  const recorded = repeats.counts[place]!;
  let n = recorded;
  let [r, rr, q, qq, rq] = [sums.r[place]!, sums.rr[place]!, sums.q[place]!, sums.qq[place]!, sums.rq[place]!];
  const cell = leftOut * repeats.bins * repeats.units + place;
  if (leftOut >= 0 && repeats.valid[cell] === 1) {
    const start = origin[place % repeats.units]!;
    const response = repeats.robs[cell]! - start;
    const rate = repeats.rates[cell]! - start;
    n -= 1;
    r -= response;
    rr -= response * response;
    q -= rate;
    qq -= rate * rate;
    rq -= response * rate;
  }
  if (n < 2) return false;
  const y = r / n;
  const p = q / n;
  const noise = Math.max(0, (rr - r * y) / (n - 1));
  into[0] = 1;
  into[1] = y;
  into[2] = y * y;
  into[3] = noise;
  into[4] = noise / n;
  into[5] = noise / recorded;
  into[6] = (noise * (recorded - 1)) / recorded;
  into[7] = p;
  into[8] = p * p;
  into[9] = y * p;
  into[10] = n;
  into[11] = r;
  into[12] = rr;
  // The other trials of a cell have the mean (r − cell) / (n − 1): summed over cells, this needs no loop.
  into[13] = ((n - 2) * r * r + rr) / (n - 1) ** 2;
  into[14] = (r * r - rr) / (n - 1);
  into[15] = q;
  into[16] = qq;
  into[17] = rq;
  into[18] = n * noise;
  into[19] = r * p;
  into[20] = n * p * p;
  return true;
}

/** Totals of every unit without the trial `leftOut` (−1: with all), [units, TOTAL_KEYS.length]. */
export function sumTotals(sums: PlaceSums, leftOut: number): Float64Array {
  const { bins, units } = sums.repeats;
  const totals = new Float64Array(units * WIDTH);
  const terms = new Float64Array(WIDTH);
  for (let place = 0; place < bins * units; place++) {
    if (sums.eligible[place] === 0 || !placeTerms(sums, place, leftOut, terms)) continue;
    const start = (place % units) * WIDTH;
    for (let i = 0; i < WIDTH; i++) totals[start + i]! += terms[i]!;
  }
  return totals;
}

/** The totals of one unit, by name. */
export function totalsOf(totals: Float64Array, unit: number): Totals {
  const start = unit * WIDTH;
  return {
    bins: totals[start]!,
    y: totals[start + 1]!,
    yy: totals[start + 2]!,
    noise: totals[start + 3]!,
    noiseOfMean: totals[start + 4]!,
    recordedNoiseOfMean: totals[start + 5]!,
    populationNoise: totals[start + 6]!,
    p: totals[start + 7]!,
    pp: totals[start + 8]!,
    yp: totals[start + 9]!,
    cells: totals[start + 10]!,
    r: totals[start + 11]!,
    rr: totals[start + 12]!,
    oo: totals[start + 13]!,
    ro: totals[start + 14]!,
    q: totals[start + 15]!,
    qq: totals[start + 16]!,
    rq: totals[start + 17]!,
    cellNoise: totals[start + 18]!,
    rp: totals[start + 19]!,
    cellPp: totals[start + 20]!,
  };
}

/** Σ a b − (Σ a)(Σ b)/n: the sum of products about the means. What only rounding leaves is 0. */
export function centred(products: number, sumA: number, sumB: number, n: number): number {
  const value = products - (sumA * sumB) / n;
  return Math.abs(value) > 1e-13 * Math.abs(products) ? value : 0 * value;
}

/** Pearson correlation from sums about the means; NaN when either side does not vary. */
export function pearson(products: number, squaresA: number, squaresB: number): number {
  return squaresA > 0 && squaresB > 0 ? products / Math.sqrt(squaresA * squaresB) : Number.NaN;
}
