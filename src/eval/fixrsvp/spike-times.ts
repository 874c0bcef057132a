/**
 * @file The spikes inside bins of fixation, with their times (evaluation specification, section 13, step 3).
 */
import { UserError } from "../../errors.ts";
import { type FixationTrials, isObserved, NONE } from "./fixation-trials.ts";

/** A sorted spike train. */
export interface Spikes {
  /** Seconds on the recording clock, ascending, [spikes]. */
  times: Float64Array;
  /** Unit of every spike, [spikes]. */
  clusters: ArrayLike<number>;
}

/** Bins of the recording. */
export interface BinTimes {
  /** Middle of every frame in seconds, [frames]. */
  centres: Float64Array;
  /** Seconds. */
  duration: number;
}

/**
 * Times of the spikes that fall into observed bins, from half a bin before the middle (included) to half a bin after
 * (excluded), by trial and unit.
 *
 * @param cids ids of the units, in the order of `robs`
 * @returns [trials][units], seconds, ascending
 */
export function spikeTimes(
  all: FixationTrials,
  { times, clusters }: Spikes,
  { centres, duration }: BinTimes,
  cids: readonly number[],
): Float64Array[][] {
  const unitOf = new Map(cids.map((cid, unit) => [cid, unit]));
  return Array.from({ length: all.trials }, (_, trial) => {
    const found = cids.map((): number[] => []);
    for (const frame of observedFrames(all, trial)) {
      const end = centres[frame]! + duration / 2;
      for (let i = firstFrom(times, centres[frame]! - duration / 2); i < times.length && times[i]! < end; i++) {
        const unit = unitOf.get(clusters[i]!);
        if (unit !== undefined) found[unit]!.push(times[i]!);
      }
    }
    return found.map((spikes) => Float64Array.from(spikes).sort());
  });
}

/**
 * Compares spike times with the counts they belong to. A spike outside all observed bins counts as a difference (E-43).
 *
 * @throws UserError for the first trial and unit whose spikes, binned, are not its counts
 */
export function checkSpikeTimes(
  all: FixationTrials,
  spikes: readonly (readonly Float64Array[])[],
  { centres, duration }: BinTimes,
): void {
  const { bins, units, robs, frames } = all;
  spikes.forEach((trains, trial) => {
    trains.forEach((train, unit) => {
      let binned = 0;
      for (let bin = 0; bin < bins; bin++) {
        if (!isObserved(all, trial, bin)) continue;
        const centre = centres[frames[trial * bins + bin]!]!;
        const count = firstFrom(train, centre + duration / 2) - firstFrom(train, centre - duration / 2);
        const expected = robs[(trial * bins + bin) * units + unit]!;
        binned += count;
        if (count !== expected)
          throw mismatch(all, trial, unit, `bin ${bin} has ${count} spikes, robs says ${expected}`);
      }
      const outside = train.length - binned;
      if (outside > 0) throw mismatch(all, trial, unit, `${outside} of its spikes are outside the bins of fixation`);
    });
  });
}

function mismatch({ trialNumbers }: FixationTrials, trial: number, unit: number, what: string): UserError {
  return new UserError(`Spike times and counts differ in trial ${trialNumbers[trial]}, unit ${unit} of robs: ${what}`, {
    hint: "Spike times must be those that robs was binned from, in seconds on the clock of t_bins.",
  });
}

function observedFrames(all: FixationTrials, trial: number): number[] {
  const { bins, frames } = all;
  return Array.from({ length: bins }, (_, bin) => bin)
    .filter((bin) => isObserved(all, trial, bin) && frames[trial * bins + bin] !== NONE)
    .map((bin) => frames[trial * bins + bin]!);
}

/** Position of the first time that is not before `time`. */
function firstFrom(times: Float64Array, time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
