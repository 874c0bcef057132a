/**
 * @file Correlations of the mean responses of two halves of the trials, for many random halves (evaluation specification,
 * section 8.2).
 */

import { mixSeeds, permutation } from "../../data/random.ts";
import { UserError } from "../../errors.ts";
import { scope, stack, tensor } from "../../torch/index.ts";
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

/** Sums over the trials of half A. */
interface HalfSums {
  half: Halves;
  /** Responses, [bins, units]. */
  sums: Float64Array;
  /** Valid trials, [bins, units]. */
  counts: Float64Array;
}

/** Splits that are summed together: 64 of them take as much memory as 64 trials. */
const TOGETHER = 64;

/** Sums of half A for every split, as products of matrices: splits × trials by trials × places. */
function* halfSums({ repeats }: SplitSetting, splits: readonly Halves[]): Generator<HalfSums> {
  const { trials, bins, units, valid, robs } = repeats;
  const places = bins * units;
  const responses = tensor(robs, [trials, places]);
  const validity = tensor(Float64Array.from(valid), [trials, places]);
  try {
    for (let first = 0; first < splits.length; first += TOGETHER) {
      const some = splits.slice(first, first + TOGETHER);
      const [sums, counts] = scope(() => {
        const inA = stack(some.map((half) => tensor(Float64Array.from(half))));
        return [responses, validity].map((table) => inA.matmul(table).toTypedArray() as Float64Array);
      });
      for (const [i, half] of some.entries()) {
        const own = (all: Float64Array) => all.subarray(i * places, (i + 1) * places);
        yield { half, sums: own(sums!), counts: own(counts!) };
      }
    }
  } finally {
    responses.dispose();
    validity.dispose();
  }
}

/** Mean responses of the halves of one split, and where they are compared. */
class SplitMeans {
  private readonly setting: SplitSetting;
  private readonly half: Halves;
  /** Of halves B and A, [bins, units] each. */
  private readonly sums: readonly [Float64Array, Float64Array];
  /** 1 / (trials − 1) of halves B and A, [bins, units] each. */
  private readonly inverseWithoutOne: readonly [Float64Array, Float64Array];
  /** Counted from the unit's mean response. */
  private readonly means: readonly [Float64Array, Float64Array];
  /** 1 where both halves have enough valid trials, [bins, units]. */
  private readonly compared: Uint8Array;

  constructor(setting: SplitSetting, { half, sums: sumA, counts: countA }: HalfSums) {
    this.setting = setting;
    this.half = half;
    const { repeats, eligible, minPerHalf } = setting;
    const { bins, units, counts } = repeats;
    const places = bins * units;
    const sumB = setting.sums.map((sum, place) => sum - sumA[place]!);
    const countB = counts.map((count, place) => count - countA[place]!);
    const mean = (sums: Float64Array, count: Float64Array) =>
      sums.map((sum, place) => sum / count[place]! - setting.means[place % units]!);
    this.sums = [sumB, sumA];
    this.inverseWithoutOne = [countB.map((count) => 1 / (count - 1)), countA.map((count) => 1 / (count - 1))];
    this.means = [mean(sumB, countB), mean(sumA, countA)];
    this.compared = new Uint8Array(places);
    for (let place = 0; place < places; place++) {
      if (eligible[place] === 0) continue;
      this.compared[place] = Number(Math.min(countA[place]!, countB[place]!) >= minPerHalf);
    }
  }

  /** Sums over bins of the means of both halves. */
  all(): PairSums {
    const { bins, units } = this.setting.repeats;
    const sums = pairSums(units);
    for (let bin = 0; bin < bins; bin++) for (let unit = 0; unit < units; unit++) this.addBin(sums, bin, unit, 1);
    return sums;
  }

  /**
   * The same without one trial. What the other half adds is that of `all`; the loop is the hot one of intervals.
   */
  without(trial: number, all: PairSums): PairSums {
    const { repeats, means } = this.setting;
    const { bins, units, valid, robs } = repeats;
    const half = this.half[trial] as 0 | 1;
    const [sum, own, other] = [this.sums[half], this.means[half], this.means[half === 1 ? 0 : 1]];
    const [compared, inverse] = [this.compared, this.inverseWithoutOne[half]];
    const column = () => new Float64Array(units);
    const [a, aa, ab] = [column(), column(), column()];
    const start = trial * bins * units;
    for (let bin = 0, place = 0; bin < bins; bin++) {
      for (let unit = 0; unit < units; unit++, place++) {
        if (compared[place] === 0) continue;
        const cell = start + place;
        const mean = valid[cell] === 1 ? (sum[place]! - robs[cell]!) * inverse[place]! - means[unit]! : own[place]!;
        a[unit]! += mean;
        aa[unit]! += mean * mean;
        ab[unit]! += mean * other[place]!;
      }
    }
    const [b, bb] = half === 1 ? [all.b, all.bb] : [all.a, all.aa];
    return { n: all.n, a, b, aa, bb, ab };
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
  for (const half of halfSums(setting, splits)) {
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
  for (const half of halfSums(setting, splits)) {
    const means = new SplitMeans(setting, half);
    const all = means.all();
    const whole = Float64Array.from(used, (_, unit) => correlationOf(all, unit, smallest[unit]!, setting.ddof));
    const counts = Uint8Array.from(whole, (value, unit) =>
      Number(all.n[unit]! >= setting.minBins && !Number.isNaN(value)),
    );
    for (let unit = 0; unit < units; unit++) used[unit]! += counts[unit]!;
    for (let group = 0; group < changes.length; group++) {
      const sums = over === "trials" ? means.without(group, all) : all;
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
