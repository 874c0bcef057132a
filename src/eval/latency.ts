/**
 * @file Response latency from the lag profile of a spike-triggered map.
 */
import { subpixelArgmax } from "./maps/subpixel.ts";

/** A peak has to be this many times as high as the first lag, at which the stimulus cannot have acted yet. */
const SMALLEST_RISE = 2;

/** When a response begins, peaks and ends, milliseconds after the stimulus; NaN, and a reason, where it cannot be told. */
export interface ResponseLatency {
  readonly onset: number;
  readonly peak: number;
  readonly offset: number;
  readonly reason: string | null;
}

/**
 * Latency of a response by the spatial variance of its map at every lag, the summary of kernels over time of Ringach, Sapiro &
 * Shapley 1997 (Vision Research 37, 2455–2464). The peak is the vertex of a parabola. Onset and offset are where the profile
 * passes half the height between its value at the first lag and its peak, nearest to the peak, linear between lags. Half height is
 * a convention: unlike a threshold of significance it does not come earlier with more spikes.
 *
 * The offset is NaN when the profile does not fall that far within the lags.
 *
 * @param profile variance over pixels at every lag
 * @param lags frames, in ascending order, the first before any response
 * @param frameRate Hz
 */
export function responseLatency(
  profile: ArrayLike<number>,
  lags: readonly number[],
  frameRate: number,
): ResponseLatency {
  const top = subpixelArgmax(profile);
  if (Number.isNaN(top.index)) return noLatency("there is no map");
  const sample = Array.from(profile).indexOf(Math.max(...Array.from(profile).filter((v) => !Number.isNaN(v))));
  const baseline = profile[0]!;
  if (sample === 0 || !(top.value >= SMALLEST_RISE * baseline)) {
    return noLatency(`the map never varies ${SMALLEST_RISE} times as much as at the first lag`);
  }
  const half = (baseline + top.value) / 2;
  const toMs = (index: number) => (1000 / frameRate) * between(lags, index);
  return {
    onset: toMs(crossing(profile, sample, -1, half)),
    peak: toMs(top.index),
    offset: toMs(crossing(profile, sample, 1, half)),
    reason: null,
  };
}

function noLatency(reason: string): ResponseLatency {
  return { onset: Number.NaN, peak: Number.NaN, offset: Number.NaN, reason };
}

/** Where a profile falls below a level, going from a sample above it in steps of 1 or −1; NaN if it never does. */
function crossing(profile: ArrayLike<number>, from: number, step: 1 | -1, level: number): number {
  for (let i = from; i + step >= 0 && i + step < profile.length; i += step) {
    const inside = profile[i]!;
    const outside = profile[i + step]!;
    if (outside < level) return i + (step * (inside - level)) / (inside - outside);
  }
  return Number.NaN;
}

/** The value of a list at a position between two of its entries, linear. */
function between(list: readonly number[], index: number): number {
  const low = Math.floor(index);
  const part = index - low;
  return part === 0 ? list[low]! : list[low]! * (1 - part) + list[low + 1]! * part;
}
