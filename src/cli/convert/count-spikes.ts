/**
 * @file Spike times into counts per frame.
 */
import { UserError } from "../../errors.ts";
import type { NdArray } from "../../formats/array.ts";
import { type FrameClock, frameAt } from "./frame-clock.ts";

/** Spikes of several units. */
export interface SpikeTrains {
  /** Times of each unit's spikes, in seconds, in any order. */
  readonly times: readonly Float64Array[];
  /** What messages call them. */
  readonly label: string;
  /** What to do when their clock is not that of the frames. Default: keys of a mapping file. */
  readonly clockHint?: string;
}

/** Counted spikes. */
export interface SpikeCounts {
  /** float32 `[frames, units]`. */
  readonly array: NdArray;
  /** Spikes of each unit inside the frames. */
  readonly totals: readonly number[];
  /** What the user should look at again, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Counts spikes in frames, each from its start up to, but not including, its end.
 *
 * @throws UserError when a time is no number, there are no units, or no spike lies in any frame
 */
export function countSpikes({ times, label, clockHint }: SpikeTrains, clock: FrameClock): SpikeCounts {
  const [frames, units] = [clock.centres.length, times.length];
  if (units === 0) throw new UserError(`Cannot use ${label}: it holds no units`);
  const data = new Float32Array(frames * units);
  const totals = new Array<number>(units).fill(0);
  let all = 0;
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [unit, train] of times.entries()) {
    for (const [i, time] of train.entries()) {
      if (!Number.isFinite(time)) {
        throw new UserError(`Cannot use ${label}: spike ${i} of unit ${unit} (counted from 0) is at ${time}`, {
          hint: "Leave out what fills up the shorter units: give each unit a vector of its own, in a cell array.",
        });
      }
      first = Math.min(first, time);
      last = Math.max(last, time);
      all++;
      const frame = frameAt(clock, time);
      if (frame < 0) continue;
      data[frame * units + unit]! += 1;
      totals[unit]! += 1;
    }
  }
  const inside = totals.reduce((sum, total) => sum + total, 0);
  if (inside === 0) {
    const span = all === 0 ? "there are none" : `they are at ${first} to ${last} s`;
    throw new UserError(
      `Cannot use ${label}: no spike lies in the frames, which are at ${clock.starts[0]} to ${clock.ends.at(-1)} s; ${span}`,
      { hint: clockHint ?? "Say the unit of the times with per_second, and shift their clock with offset_seconds." },
    );
  }
  const outside = all - inside;
  const warnings = outside === 0 ? [] : [`${outside} of ${all} spikes in ${label} lie outside the frames.`];
  return { array: { dtype: "float32", shape: [frames, units], data }, totals, warnings };
}

/**
 * Spikes by unit from the times of all of them and the unit of each. Units come in ascending order of their ids.
 *
 * @throws UserError when an id is no whole number of at least 0
 */
export function spikesByUnit(
  times: Float64Array,
  ids: Float64Array,
  label: string,
): { ids: number[]; times: Float64Array[] } {
  const byId = new Map<number, number[]>();
  for (const [i, id] of ids.entries()) {
    if (!(Number.isSafeInteger(id) && id >= 0)) {
      throw new UserError(
        `Cannot use ${label}: the unit of spike ${i} (counted from 0) is ${id}, expected a whole number`,
      );
    }
    const train = byId.get(id);
    if (train === undefined) byId.set(id, [times[i]!]);
    else train.push(times[i]!);
  }
  const known = [...byId.keys()].sort((a, b) => a - b);
  return { ids: known, times: known.map((id) => Float64Array.from(byId.get(id)!)) };
}
