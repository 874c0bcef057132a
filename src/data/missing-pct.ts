/**
 * @file Percentage of a unit's spikes that stayed below the detection threshold, over time (data specification,
 * section 3).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { toFloat64 } from "../formats/array.ts";
import { readNpy } from "../formats/npy.ts";
import { type NpzFile, openNpz } from "../formats/npz.ts";

/** Percentage of missing spikes, 0 to 100, of a unit (by its id) at given times in seconds, [times]. */
export type MissingPct = (unitId: number, times: Float64Array) => Float64Array;

/** One unit's percentage, known at some times. */
export interface MissingPctCurve {
  /** Seconds, ascending. */
  times: Float64Array;
  /** Percent, one per time. */
  values: Float64Array;
}

/** Straight lines between the known times, constant outside them; units without a curve miss nothing. */
export function interpolatedMissingPct(curves: ReadonlyMap<number, MissingPctCurve>): MissingPct {
  return (unitId, times) => {
    const curve = curves.get(unitId);
    return curve === undefined ? new Float64Array(times.length) : times.map((time) => valueAt(curve, time));
  };
}

function valueAt({ times, values }: MissingPctCurve, time: number): number {
  if (Number.isNaN(time)) return Number.NaN;
  let low = 0;
  let high = times.length - 1;
  if (time <= times[low]!) return values[low]!;
  if (time >= times[high]!) return values[high]!;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= time) low = middle;
    else high = middle;
  }
  const share = (time - times[low]!) / (times[high]! - times[low]!);
  return values[low]! + share * (values[high]! - values[low]!);
}

/**
 * Curves from the windows of an amplitude truncation analysis: each window counts at the middle between its first and
 * its last spike.
 *
 * @param path `truncation.npz` with `cid` [windows], `window_blocks` [windows, 2] (first spike of a unit, and the one
 *   after the last) and `mpcts` [windows] (percent)
 * @param spikesFolder folder with `spike_times.npy` (seconds) and `spike_clusters.npy`
 * @throws UserError when the files do not fit together, or the spikes are missing
 */
export function readTruncation(path: string, spikesFolder: string): MissingPct {
  const file = openNpz(path);
  const cids = readWindows(file, path, "cid", 1);
  const blocks = readWindows(file, path, "window_blocks", 2);
  const percents = readWindows(file, path, "mpcts", 1);
  file.close();
  if (cids.length !== percents.length || blocks.length !== 2 * cids.length) {
    throw new UserError(
      `Cannot use "${path}": ${cids.length} units, ${blocks.length / 2} windows and ${percents.length} percentages`,
    );
  }
  const spikes = spikeTimesByUnit(path, spikesFolder);
  const windows = new Map<number, { time: number; percent: number }[]>();
  cids.forEach((cid, i) => {
    const times = spikes.get(cid) ?? [];
    const first = blocks[2 * i]!;
    const last = Math.min(blocks[2 * i + 1]!, times.length) - 1;
    if (!(first >= 0 && first <= last)) {
      throw new UserError(
        `Cannot use "${path}": window ${i} of unit ${cid} spans spikes ${first} to ${blocks[2 * i + 1]}, the unit has ${times.length}`,
      );
    }
    const window = { time: (times[first]! + times[last]!) / 2, percent: percents[i]! };
    windows.set(cid, [...(windows.get(cid) ?? []), window]);
  });
  const curves = new Map<number, MissingPctCurve>();
  for (const [cid, unsorted] of windows) {
    const sorted = unsorted.toSorted((a, b) => a.time - b.time);
    curves.set(cid, {
      times: Float64Array.from(sorted, ({ time }) => time),
      values: Float64Array.from(sorted, ({ percent }) => percent),
    });
  }
  return interpolatedMissingPct(curves);
}

function readWindows(file: NpzFile, path: string, name: string, rank: number): Float64Array {
  const array = file.read(name);
  if (array.shape.length === rank) return toFloat64(array);
  throw new UserError(`Cannot use "${path}": ${name} has shape [${array.shape.join(", ")}], expected ${rank} axes`);
}

function spikeTimesByUnit(path: string, folder: string): Map<number, number[]> {
  const timesPath = join(folder, "spike_times.npy");
  const clustersPath = join(folder, "spike_clusters.npy");
  for (const needed of [timesPath, clustersPath]) {
    if (existsSync(needed)) continue;
    throw new UserError(`Cannot use "${path}": its windows count spikes, and "${needed}" does not exist`, {
      hint: "Add the spikes, or give every recording a covariate missing_pct [frames, units] in percent.",
    });
  }
  const times = toFloat64(readNpy(timesPath));
  const clusters = toFloat64(readNpy(clustersPath));
  if (times.length !== clusters.length) {
    throw new UserError(`Cannot use "${folder}": ${times.length} spike times but ${clusters.length} spike clusters`);
  }
  const byUnit = new Map<number, number[]>();
  times.forEach((time, i) => {
    const unit = byUnit.get(clusters[i]!);
    if (unit === undefined) byUnit.set(clusters[i]!, [time]);
    else unit.push(time);
  });
  return byUnit;
}
