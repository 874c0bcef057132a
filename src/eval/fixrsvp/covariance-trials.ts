/**
 * @file Trials of fixation for analyses of covariance: only bins of fixation, only trials and units with enough of them
 * (evaluation specification, section 15.5).
 */
import { distinctTrials } from "../../data/split.ts";
import { median } from "../statistics/quantiles.ts";

/** Frames of a recording. */
export interface FixationSamples {
  units: number;
  /** [frames] */
  trialInds: Float64Array;
  /** Bin from the onset of its trial, [frames]. */
  psthInds: Float64Array;
  /** Spikes per bin, [frames, units]. */
  robs: ArrayLike<number>;
  /** Degrees, [frames, 2]. */
  eyepos: ArrayLike<number>;
  /** Eye tracking, valid above 0, [frames]. Absent: valid wherever `eyepos` is a number. */
  dpiValid?: ArrayLike<number> | undefined;
}

export interface CovarianceTrialOptions {
  /** Bins kept of every trial. */
  validTimeBins?: number | undefined;
  /** A trial needs more bins of fixation than this. */
  minFixDur?: number | undefined;
  /** A unit needs more spikes than this in the kept trials and bins. */
  minTotalSpikes?: number | undefined;
  /** Degrees. */
  fixationRadius?: number | undefined;
  /** Where fixation is: (0, 0), or the median gaze over valid frames. */
  center?: "origin" | "median_valid" | undefined;
  /** Whether fixation needs valid tracking. */
  requireDpiValid?: boolean | undefined;
}

/** Trials for analyses of covariance; arrays are row-major, NaN outside fixation. */
export interface CovarianceTrials {
  trials: number;
  bins: number;
  units: number;
  /** [trials, bins, units] */
  robs: Float64Array;
  /** Degrees, [trials, bins, 2]. */
  eyepos: Float64Array;
  /** Whether all units and the gaze are known in a bin, [trials, bins]. */
  valid: Uint8Array;
  /** Positions of the units among those that came in, [units]. */
  neurons: Int32Array;
  /** Trial numbers, [trials]. */
  trialNumbers: Float64Array;
  /** Trials and units that came in. */
  totals: { trials: number; units: number };
}

/** Fewer trials or units than these say nothing about covariance. */
const LEAST_TRIALS = 2;
const LEAST_UNITS = 3;

/**
 * Aligns frames of fixation by trial and bin, keeps trials with enough fixation, cuts them to `validTimeBins`, and keeps
 * units with enough spikes in what is left.
 *
 * @returns the trials, or the reason why there are none
 */
export function covarianceTrials(
  samples: FixationSamples,
  options: CovarianceTrialOptions = {},
): { trials: CovarianceTrials; reason: null } | { trials: null; reason: string } {
  const { validTimeBins = 120, minFixDur = 20, minTotalSpikes = 200 } = options;
  const { trialInds, psthInds, robs, eyepos } = samples;
  const numbers = distinctTrials(trialInds);
  const isFixating = fixation(samples, options);
  const framesOf = new Map(Array.from(numbers, (number) => [number, [] as number[]]));
  for (const [frame, number] of trialInds.entries()) if (isFixating[frame]) framesOf.get(number)!.push(frame);
  const good = [...numbers].filter((number) => framesOf.get(number)!.length > minFixDur);
  if (good.length < LEAST_TRIALS) {
    return none(
      `${good.length} of ${numbers.length} trials have more than ${minFixDur} bins of fixation, ${LEAST_TRIALS} are needed`,
    );
  }
  const bins = Math.min(
    psthInds.reduce((most, bin) => Math.max(most, bin + 1), 0),
    validTimeBins,
  );
  const placed = good.flatMap((number, trial) =>
    framesOf
      .get(number)!
      .filter((frame) => psthInds[frame]! < bins)
      .map((frame) => ({ frame, cell: trial * bins + psthInds[frame]! })),
  );
  const spikes = new Float64Array(samples.units);
  for (const { frame } of placed) {
    for (let unit = 0; unit < samples.units; unit++) {
      const count = robs[frame * samples.units + unit]!;
      if (!Number.isNaN(count)) spikes[unit]! += count;
    }
  }
  const neurons = Int32Array.from([...spikes.keys()].filter((unit) => spikes[unit]! > minTotalSpikes));
  if (neurons.length < LEAST_UNITS) {
    return none(
      `${neurons.length} of ${samples.units} units have more than ${minTotalSpikes} spikes, ${LEAST_UNITS} are needed`,
    );
  }
  const units = neurons.length;
  const trials: CovarianceTrials = {
    trials: good.length,
    bins,
    units,
    robs: new Float64Array(good.length * bins * units).fill(Number.NaN),
    eyepos: new Float64Array(good.length * bins * 2).fill(Number.NaN),
    valid: new Uint8Array(good.length * bins),
    neurons,
    trialNumbers: Float64Array.from(good),
    totals: { trials: numbers.length, units: samples.units },
  };
  for (const { frame, cell } of placed) {
    const counts = Array.from(neurons, (unit) => robs[frame * samples.units + unit]!);
    const gaze = [eyepos[2 * frame]!, eyepos[2 * frame + 1]!];
    trials.robs.set(counts, cell * units);
    trials.eyepos.set(gaze, cell * 2);
    trials.valid[cell] = Number([...counts, ...gaze].every(Number.isFinite));
  }
  return { trials, reason: null };
}

function none(reason: string): { trials: null; reason: string } {
  return { trials: null, reason };
}

/** 1 where the gaze is strictly within the radius, [frames]. */
function fixation(
  { trialInds, eyepos, dpiValid }: FixationSamples,
  { fixationRadius = 1, center = "origin", requireDpiValid = false }: CovarianceTrialOptions,
): Uint8Array {
  const isTracked = (frame: number) => dpiValid === undefined || dpiValid[frame]! > 0;
  const known = [...trialInds.keys()].filter(
    (frame) => isTracked(frame) && Number.isFinite(eyepos[2 * frame]) && Number.isFinite(eyepos[2 * frame + 1]),
  );
  const middle = (axis: number) => (center === "origin" ? 0 : median(known.map((frame) => eyepos[2 * frame + axis]!)));
  const [x, y] = [middle(0), middle(1)];
  return Uint8Array.from(trialInds, (_, frame) => {
    const distance = Math.hypot(eyepos[2 * frame]! - x, eyepos[2 * frame + 1]! - y);
    return Number(distance < fixationRadius && (!requireDpiValid || isTracked(frame)));
  });
}
