/**
 * @file Correlations of the mean responses of two halves of the trials, for many random halves (evaluation specification,
 * section 8.2).
 */

import { mixSeeds, permutation } from "../../data/random.ts";
import { UserError } from "../../errors.ts";
import type { Repeats } from "./repeats.ts";

/** Half of the trials: 1 for those in half A, 0 for those in half B, [trials]. */
export type Halves = Uint8Array;

/**
 * Random halves of the trials: half A is the first ⌊trials / 2⌋ of a random order, half B the rest.
 *
 * @param given orders to use instead of random ones, each a permutation of 0…trials−1
 * @throws UserError when an order is not a permutation of the trials
 */
export function drawHalves(
  trials: number,
  { splits, seed, given }: { splits: number; seed: number; given?: readonly ArrayLike<number>[] | undefined },
): Halves[] {
  const orders = given ?? Array.from({ length: splits }, (_, split) => permutation(trials, mixSeeds(seed, split)));
  return orders.map((order, split) => {
    const seen = new Uint8Array(trials);
    const half = new Uint8Array(trials);
    for (let rank = 0; rank < order.length; rank++) {
      const trial = Number(order[rank]);
      seen[trial] = 1;
      if (rank < Math.floor(trials / 2)) half[trial] = 1;
    }
    if (order.length !== trials || seen.includes(0)) {
      throw new UserError(`Cannot split trials: order ${split} is not a permutation of 0 to ${trials - 1}`);
    }
    return half;
  });
}

/** What splits have in common. */
export interface SplitSetting {
  repeats: Repeats;
  /** Responses summed over valid trials, [bins, units]. */
  sums: Float64Array;
  /** Mean response of every unit, [units]: counting from it keeps digits. */
  means: Float64Array;
  /** 1 where a bin has enough valid trials, [bins, units]. */
  eligible: Uint8Array;
  minPerHalf: number;
  minBins: number;
  ddof: 0 | 1;
}

/** Sums over compared bins of the mean responses a and b of two halves, [units] each. */
interface PairSums {
  n: Float64Array;
  a: Float64Array;
  b: Float64Array;
  aa: Float64Array;
  bb: Float64Array;
  ab: Float64Array;
}

function pairSums(units: number): PairSums {
  const column = () => new Float64Array(units);
  return { n: column(), a: column(), b: column(), aa: column(), bb: column(), ab: column() };
}

/** Correlation from the sums of a unit, whose values are counted from near their mean. */
function correlationOf({ n, a, b, aa, bb, ab }: PairSums, unit: number, smallest: number, ddof: 0 | 1): number {
  const count = n[unit]!;
  const squaresA = aa[unit]! - a[unit]! ** 2 / count;
  const squaresB = bb[unit]! - b[unit]! ** 2 / count;
  if (!(count >= 2 && squaresA > smallest * count && squaresB > smallest * count)) return Number.NaN;
  return ((ab[unit]! - (a[unit]! * b[unit]!) / count) / Math.sqrt(squaresA * squaresB)) * ((count - ddof) / count);
}

/** Mean responses of the halves of one split, and where they are compared. */
class SplitMeans {
  private readonly setting: SplitSetting;
  private readonly half: Halves;
  /** Of halves B and A, [bins, units] each. */
  private readonly sums: readonly [Float64Array, Float64Array];
  private readonly counts: readonly [Float64Array, Float64Array];
  /** Counted from the unit's mean response. */
  private readonly means: readonly [Float64Array, Float64Array];
  /** 1 where both halves have enough valid trials, [bins, units]. */
  private readonly compared: Uint8Array;

  constructor(setting: SplitSetting, half: Halves) {
    this.setting = setting;
    this.half = half;
    const { repeats, eligible, minPerHalf } = setting;
    const { trials, bins, units, valid, robs, counts } = repeats;
    const places = bins * units;
    const sumA = new Float64Array(places);
    const countA = new Float64Array(places);
    for (let trial = 0; trial < trials; trial++) {
      if (half[trial] === 0) continue;
      const start = trial * places;
      for (let place = 0; place < places; place++) {
        sumA[place]! += robs[start + place]!;
        countA[place]! += valid[start + place]!;
      }
    }
    const sumB = setting.sums.map((sum, place) => sum - sumA[place]!);
    const countB = counts.map((count, place) => count - countA[place]!);
    const mean = (sums: Float64Array, count: Float64Array) =>
      sums.map((sum, place) => sum / count[place]! - setting.means[place % units]!);
    this.sums = [sumB, sumA];
    this.counts = [countB, countA];
    this.means = [mean(sumB, countB), mean(sumA, countA)];
    this.compared = new Uint8Array(places);
    for (let place = 0; place < places; place++) {
      if (eligible[place] === 0) continue;
      this.compared[place] = Number(Math.min(countA[place]!, countB[place]!) >= minPerHalf);
    }
  }

  /** Sums over bins of the means of both halves. */
  all(): PairSums {
    const [b, a] = this.means;
    return this.pair((place) => a[place]!, b);
  }

  /** Sums over bins of the means of both halves, without one trial. */
  without(trial: number): PairSums {
    const { repeats, means } = this.setting;
    const { bins, units, valid, robs } = repeats;
    const half = this.half[trial] as 0 | 1;
    const [sum, count] = [this.sums[half], this.counts[half]];
    const start = trial * bins * units;
    return this.pair(
      (place, unit) => (sum[place]! - robs[start + place]!) / (count[place]! - valid[start + place]!) - means[unit]!,
      this.means[half === 1 ? 0 : 1],
    );
  }

  private pair(first: (place: number, unit: number) => number, second: Float64Array): PairSums {
    const { bins, units } = this.setting.repeats;
    const sums = pairSums(units);
    for (let bin = 0, place = 0; bin < bins; bin++) {
      for (let unit = 0; unit < units; unit++, place++) {
        if (this.compared[place] === 1) addPair(sums, unit, first(place, unit), second[place]!, 1);
      }
    }
    return sums;
  }

  /** Takes one bin away from the sums of a unit, or puts it back with `sign` +1. */
  addBin(sums: PairSums, bin: number, unit: number, sign: 1 | -1): void {
    const place = bin * this.setting.repeats.units + unit;
    if (this.compared[place] === 1) addPair(sums, unit, this.means[1][place]!, this.means[0][place]!, sign);
  }
}

function addPair(sums: PairSums, unit: number, a: number, b: number, sign: 1 | -1): void {
  sums.n[unit]! += sign;
  sums.a[unit]! += sign * a;
  sums.b[unit]! += sign * b;
  sums.aa[unit]! += sign * a * a;
  sums.bb[unit]! += sign * b * b;
  sums.ab[unit]! += sign * a * b;
}

/** Correlations of halves, averaged. */
export interface HalfCorrelations {
  /** Mean over the splits that have one, [units]; NaN where none has. */
  mean: Float64Array;
  /** Splits that have one, [units]. */
  used: Int32Array;
}

/** Mean half correlation of every unit over splits. */
export function halfCorrelations(setting: SplitSetting, splits: readonly Halves[]): HalfCorrelations {
  const { units } = setting.repeats;
  const smallest = roundingOf(setting);
  const [mean, used] = [new Float64Array(units), new Int32Array(units)];
  for (const half of splits) {
    const sums = new SplitMeans(setting, half).all();
    for (let unit = 0; unit < units; unit++) {
      const correlation = correlationOf(sums, unit, smallest[unit]!, setting.ddof);
      if (sums.n[unit]! < setting.minBins || !Number.isFinite(correlation)) continue;
      mean[unit]! += correlation;
      used[unit]! += 1;
    }
  }
  for (let unit = 0; unit < units; unit++) mean[unit]! /= used[unit]!;
  return { mean, used };
}

/** How the mean half correlation changes when trials, or bins, are left out one at a time. */
export interface HalfChanges {
  /** Mean over splits, [trials or bins][units]. */
  changes: Float64Array[];
  /** Part of a unit's sum of squared changes that is due to the number of splits, [units]. */
  ofSplitting: Float64Array;
}

/** Changes of the mean half correlation over splits; a split counts for a unit as in {@link halfCorrelations}. */
export function halfChanges(over: "trials" | "bins", setting: SplitSetting, splits: readonly Halves[]): HalfChanges {
  const { trials, bins, units } = setting.repeats;
  const smallest = roundingOf(setting);
  const columns = () => Array.from({ length: over === "trials" ? trials : bins }, () => new Float64Array(units));
  const [changes, squares, used] = [columns(), columns(), new Int32Array(units)];
  for (const half of splits) {
    const means = new SplitMeans(setting, half);
    const all = means.all();
    const whole = Float64Array.from(used, (_, unit) => correlationOf(all, unit, smallest[unit]!, setting.ddof));
    const counts = Uint8Array.from(whole, (value, unit) =>
      Number(all.n[unit]! >= setting.minBins && !Number.isNaN(value)),
    );
    for (let unit = 0; unit < units; unit++) used[unit]! += counts[unit]!;
    for (let group = 0; group < changes.length; group++) {
      const sums = over === "trials" ? means.without(group) : all;
      for (let unit = 0; unit < units; unit++) {
        if (counts[unit] === 0) continue;
        if (over === "bins") means.addBin(all, group, unit, -1);
        const change = correlationOf(sums, unit, smallest[unit]!, setting.ddof) - whole[unit]!;
        if (over === "bins") means.addBin(all, group, unit, 1);
        changes[group]![unit]! += change;
        squares[group]![unit]! += change * change;
      }
    }
  }
  const ofSplitting = Float64Array.from(used, (n, unit) => {
    const spread = changes.reduce((sum, change, group) => sum + squares[group]![unit]! - change[unit]! ** 2 / n, 0);
    return spread / (n - 1) / n;
  });
  for (const change of changes) for (let unit = 0; unit < units; unit++) change[unit]! /= used[unit]!;
  return { changes, ofSplitting };
}

/** The variance that rounding alone can give to the means of a unit. */
function roundingOf({ means }: SplitSetting): Float64Array {
  return means.map((mean) => (1e-14 * mean) ** 2);
}
