/**
 * @file Responses to the phases of a unit's preferred grating, and how much they follow it (evaluation specification, section
 * 12).
 */
import { UserError } from "../../errors.ts";
import { fitSine, type SineFit, type VarianceModel } from "./sine-fit.ts";
import type { GratingMaps, GratingResponses, Tuning } from "./tuning.ts";

export interface PhaseOptions {
  /** Phase of the grating at the unit's place, radians, [frames]; negative or NaN where it is not on the screen. */
  readonly phases: ArrayLike<number>;
  readonly bins: number;
  /** Spikes, or predicted spikes, that a fit needs. */
  readonly minSpikes: number;
  readonly variance?: VarianceModel | undefined;
  /**
   * "reference" reads validity when the grating is shown instead of when it is responded to (register E-36), drops phase 0, and
   * gives 0 for empty bins.
   */
  readonly compat?: "reference" | undefined;
}

/** How a unit follows the phase of its preferred grating. */
export interface PhaseResponse {
  /** Middle of every bin, degrees, [bins]. */
  readonly bins: Float64Array;
  /** Mean and its standard error, spikes per second, [bins]; NaN in bins without a frame. */
  readonly mean: Float64Array;
  readonly standardError: Float64Array;
  /** Frames in every bin, [bins]. */
  readonly count: Float64Array;
  /** Spikes, or predicted spikes, in all bins. */
  readonly spikes: number;
  /** Sinusoid through spikes per frame against phase; null when there is none, and the reason. */
  readonly fit: SineFit | null;
  readonly reason: string | null;
}

/**
 * Responses at the unit's peak lag after frames of its peak spatial frequency and orientation.
 *
 * @param tuning of the unit; null for none, which leaves all bins empty
 */
export function phaseResponse(
  input: GratingResponses,
  { sfs, oris }: Pick<GratingMaps, "sfs" | "oris">,
  unit: number,
  tuning: Tuning | null,
  { phases, bins: binCount, minSpikes, variance, compat }: PhaseOptions,
): PhaseResponse {
  const pairs = tuning === null ? [] : preferredPairs(input, { sfs, oris }, unit, tuning, phases, compat);
  const bins = Array.from({ length: binCount }, (): number[] => []);
  for (const { phase, count } of pairs) {
    const turn = phase / (2 * Math.PI);
    bins[Math.min(binCount - 1, Math.floor((turn - Math.floor(turn)) * binCount))]!.push(count);
  }
  const spikes = pairs.reduce((sum, { count }) => sum + count, 0);
  const empty = compat === "reference" ? 0 : Number.NaN;
  return {
    bins: Float64Array.from(bins, (_, i) => ((i + 0.5) * 360) / binCount),
    mean: Float64Array.from(bins, (counts) => (counts.length === 0 ? empty : meanOf(counts) / input.dt)),
    standardError: Float64Array.from(bins, (counts) =>
      counts.length === 0 ? empty : standardErrorOf(counts) / input.dt,
    ),
    count: Float64Array.from(bins, ({ length }) => length),
    spikes,
    ...fitOf(pairs, spikes, tuning, minSpikes, variance),
  };
}

interface PhasePair {
  readonly phase: number;
  readonly count: number;
}

function preferredPairs(
  { sf, ori, responses, units, dfs, frames }: GratingResponses,
  { sfs, oris }: Pick<GratingMaps, "sfs" | "oris">,
  unit: number,
  { peakLagIndex, peakSfIndex, peakOriIndex }: Tuning,
  phases: ArrayLike<number>,
  compat: "reference" | undefined,
): PhasePair[] {
  const isPerFrame = dfs?.length === sf.length;
  const isValid = (frame: number) => dfs === undefined || dfs[isPerFrame ? frame : frame * units + unit]! > 0;
  const pairs: PhasePair[] = [];
  for (const t of frames ?? Array.from({ length: sf.length }, (_, frame) => frame)) {
    const response = t + peakLagIndex;
    if (sf[t] !== sfs[peakSfIndex] || ori[t] !== oris[peakOriIndex] || response >= sf.length) continue;
    const phase = phases[t]!;
    const isOnScreen = compat === "reference" ? phase > 0 : phase >= 0;
    if (isOnScreen && isValid(compat === "reference" ? t : response)) {
      pairs.push({ phase, count: responses[response * units + unit]! });
    }
  }
  return pairs;
}

function fitOf(
  pairs: readonly PhasePair[],
  spikes: number,
  tuning: Tuning | null,
  minSpikes: number,
  variance: VarianceModel | undefined,
): Pick<PhaseResponse, "fit" | "reason"> {
  if (tuning === null) return { fit: null, reason: "the unit responds to all gratings alike" };
  if (spikes < minSpikes) {
    return {
      fit: null,
      reason: `${+spikes.toFixed(1)} spikes after the preferred grating, at least ${minSpikes} are needed`,
    };
  }
  const x = pairs.map(({ phase }) => phase);
  const y = pairs.map(({ count }) => count);
  try {
    return { fit: fitSine(x, y, { variance }), reason: null };
  } catch (error) {
    if (error instanceof UserError) return { fit: null, reason: error.message };
    throw error;
  }
}

function meanOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0) / counts.length;
}

/** Standard deviation over √n, squares divided by n. */
function standardErrorOf(counts: readonly number[]): number {
  const mean = meanOf(counts);
  return Math.sqrt(counts.reduce((sum, count) => sum + (count - mean) ** 2, 0)) / counts.length;
}
