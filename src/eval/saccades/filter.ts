/**
 * @file Which saccades count: not too soon after another, and on the main sequence (evaluation specification, section 9.2).
 */
import { median } from "../statistics/quantiles.ts";
import { type Saccade, saccadeAmplitude } from "./saccade.ts";

/** A saccade that starts this soon after the one before it is left out, seconds. */
const SHORTEST_INTERVAL_S = 0.06;
/** Median absolute deviations from the median ratio of peak speed to amplitude. */
const OUTLIER_MADS = 3;

export interface FilterOptions {
  /** `"reference"`: where all ratios are equal, nothing is kept (E-24). */
  compat?: "reference" | undefined;
}

/**
 * Positions of the saccades that count: those that start more than 60 ms after the one before them in the list (the first
 * one: after time 0), and among these those whose ratio of peak speed to amplitude is less than three median absolute
 * deviations from the median.
 *
 * The relation of both is the main sequence of Bahill, Clark & Stark (1975, Mathematical Biosciences). The ratio is not
 * constant along it, so the smallest and the largest saccades are those that are left out most.
 *
 * @param saccades in the order of time
 */
export function keptSaccades(saccades: readonly Saccade[], { compat }: FilterOptions = {}): number[] {
  const separate = [...saccades.keys()].filter((i) => {
    const before = saccades[i - 1]?.start_time ?? 0;
    return saccades[i]!.start_time - before > SHORTEST_INTERVAL_S;
  });
  const ratioOf = (i: number) => saccades[i]!.A / saccadeAmplitude(saccades[i]!);
  const middle = median(separate.map(ratioOf));
  const deviation = median(separate.map((i) => Math.abs(ratioOf(i) - middle)));
  if (deviation === 0 && compat !== "reference") return separate;
  return separate.filter((i) => Math.abs(ratioOf(i) - middle) < OUTLIER_MADS * deviation);
}
