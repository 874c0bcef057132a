/**
 * @file Responses to repeats of one stimulus, aligned trial by trial (evaluation specification, section 8.1).
 */
import { medianStep } from "../data/frame-rate.ts";
import type { SampleSet } from "../data/samples.ts";
import { UserError } from "../errors.ts";
import type { Predictions } from "./predict.ts";

/**
 * What units did, and what was predicted, in every time bin of every repeat. Arrays are row-major, [trials, bins, units];
 * NaN where a trial was not observed (trials may end early, bins may be missing).
 */
export interface TrialResponses {
  trials: number;
  bins: number;
  units: number;
  /** Observed spikes per bin. */
  robs: Float64Array;
  /** Predicted spikes per bin. */
  rates: Float64Array;
  /** Validity, above 0 where a cell counts; absent: every cell that is not NaN counts. */
  dfs?: Float64Array | undefined;
}

/** Responses of samples in any order, and where in which trial each sample was taken. */
export interface SampledResponses {
  units: number;
  /** Trial number of every sample, [samples]. */
  trialInds: ArrayLike<number>;
  /** Bin of every sample, counted from the onset of its trial, [samples]. */
  psthInds: ArrayLike<number>;
  /** Observed spikes per bin, [samples, units]. */
  robs: ArrayLike<number>;
  /** Predicted spikes per bin, [samples, units]. */
  rates: ArrayLike<number>;
  /** Validity, [samples, units], or [samples] for all units alike. */
  dfs: ArrayLike<number>;
}

/** Trials side by side. */
export interface AlignedTrials extends TrialResponses {
  dfs: Float64Array;
  /** Trial numbers, ascending, [trials]. */
  trialNumbers: Float64Array;
}

/**
 * Puts samples into trials × bins. Trials are the distinct trial numbers in ascending order; there are as many bins as the
 * latest sample needs. Cells without a sample are NaN, in `dfs` too.
 *
 * @throws UserError when a bin is not a whole number from 0, or two samples claim the same bin of a trial
 * @example
 * alignTrials({ units: 1, trialInds: [7, 7, 9], psthInds: [0, 1, 1], robs: [1, 0, 2], rates: [1, 1, 1], dfs: [1, 1, 1] });
 * // 2 trials of 2 bins; robs: [1, 0, NaN, 2]
 */
export function alignTrials({ units, trialInds, psthInds, robs, rates, dfs }: SampledResponses): AlignedTrials {
  const trialNumbers = Float64Array.from(new Set(Array.from(trialInds))).sort();
  const rankOf = new Map(Array.from(trialNumbers, (number, rank) => [number, rank]));
  const samples = trialInds.length;
  const bins = Array.from(psthInds).reduce((most, bin) => Math.max(most, bin + 1), 0);
  const cells = () => new Float64Array(trialNumbers.length * bins * units).fill(Number.NaN);
  const aligned = {
    trials: trialNumbers.length,
    bins,
    units,
    robs: cells(),
    rates: cells(),
    dfs: cells(),
    trialNumbers,
  };
  const taken = new Uint8Array(trialNumbers.length * bins);
  const maskWidth = dfs.length === samples ? 0 : 1;
  for (let sample = 0; sample < samples; sample++) {
    const bin = psthInds[sample]!;
    if (!(Number.isInteger(bin) && bin >= 0)) {
      throw new UserError(`Cannot align trials: psth_inds of a sample is ${bin}, expected a whole number from 0`);
    }
    const cell = rankOf.get(trialInds[sample]!)! * bins + bin;
    if (taken[cell] === 1) {
      throw new UserError(`Cannot align trials: two samples are bin ${bin} of trial ${trialInds[sample]}`, {
        hint: "psth_inds must count the bins of a trial from its onset, and trial numbers must not come twice.",
      });
    }
    taken[cell] = 1;
    for (let unit = 0; unit < units; unit++) {
      const from = sample * units + unit;
      const to = cell * units + unit;
      aligned.robs[to] = robs[from]!;
      aligned.rates[to] = rates[from]!;
      aligned.dfs[to] = dfs[maskWidth === 0 ? sample : from]!;
    }
  }
  return aligned;
}

/**
 * Bins that mix two trials, 1 for such a bin, [bins]. Down-sampling averages trial numbers, so the number of such a bin is
 * fractional, or one that no other bin around it has, between those of its neighbours (E-18).
 */
export function straddlingBins(trialInds: ArrayLike<number>): Uint8Array {
  return Uint8Array.from({ length: trialInds.length }, (_, bin) => {
    const trial = trialInds[bin]!;
    const before = trialInds[bin - 1] ?? Number.NaN;
    const after = trialInds[bin + 1] ?? Number.NaN;
    return Number(!Number.isInteger(trial) || (before < trial && trial < after) || (before > trial && trial > after));
  });
}

/** Repeats of a session, or why there are none. */
export interface RepeatedResponses {
  session: string;
  /** Stimulus type. */
  stimulus: string;
  status: "ok" | "missing_stimulus" | "no_repeats";
  /** Why there are no repeats; null when there are. */
  reason: string | null;
  trials: AlignedTrials | null;
  /** Duration of a bin in seconds; null when the recording has no times. */
  binSeconds: number | null;
  /** Samples left out because their bin mixes two trials. */
  straddling: number;
}

export interface AlignedTrialsOptions {
  /** Stimulus type. */
  stimulus?: string | undefined;
  /** `"reference"`: bins that mix two trials form trials of their own. */
  compat?: "reference" | undefined;
}

/**
 * The samples of a repeated stimulus, trial by trial: observed and predicted. Repeats are aligned by bin from trial onset;
 * what was shown is not compared (see `cleanTrials` for that).
 *
 * @param set samples with `trial_inds`, `psth_inds` and, for the duration of bins, `t_bins` in their recordings: name
 *   these in `keepKeys` when the session is prepared
 * @param predictions of the same samples in the same order
 * @throws UserError when two samples claim the same bin of a trial
 * @throws RangeError when predictions and samples differ in number
 */
export function alignedTrials(
  set: SampleSet,
  predictions: Predictions,
  { stimulus = "fixrsvp", compat }: AlignedTrialsOptions = {},
): RepeatedResponses {
  if (predictions.samples !== set.length) {
    throw new RangeError(`Cannot align ${predictions.samples} predictions: the set has ${set.length} samples`);
  }
  const { session } = set;
  const absent = (status: "missing_stimulus" | "no_repeats", reason: string): RepeatedResponses => {
    return { session, stimulus, status, reason, trials: null, binSeconds: null, straddling: 0 };
  };
  const number = set.recordings.findIndex(({ type }) => type === stimulus);
  const recording = set.recordings[number];
  if (recording === undefined) return absent("missing_stimulus", `it has no ${stimulus} recording`);
  const lacking = ["trial_inds", "psth_inds"].find((key) => !recording.has(key));
  if (lacking !== undefined) {
    return absent("no_repeats", `its ${stimulus} recording has no ${lacking}, which says where in a trial a bin is`);
  }
  const trialInds = recording.numbers("trial_inds");
  const psthInds = recording.numbers("psth_inds");
  const mixed = compat === "reference" ? new Uint8Array(trialInds.length) : straddlingBins(trialInds);
  const lag = set.lags.get("robs")?.lags[0] ?? 0;
  const positions = [...set.recordingOf.keys()].filter((i) => set.recordingOf[i] === number);
  const frameAt = (position: number) => set.frameOf[position]! - lag;
  const kept = positions.filter((position) => !mixed[frameAt(position)]);
  if (kept.length === 0) return absent("no_repeats", `none of its ${stimulus} frames is valid`);
  const { units } = predictions;
  const rows = (values: Float32Array) => {
    const picked = new Float32Array(kept.length * units);
    for (const [i, position] of kept.entries()) {
      picked.set(values.subarray(position * units, (position + 1) * units), i * units);
    }
    return picked;
  };
  const trials = alignTrials({
    units,
    trialInds: kept.map((position) => trialInds[frameAt(position)]!),
    psthInds: kept.map((position) => psthInds[frameAt(position)]!),
    robs: rows(predictions.robs),
    rates: rows(predictions.rates),
    dfs: rows(predictions.dfs),
  });
  if (trials.trials < 2) return absent("no_repeats", `its ${stimulus} stimulus was shown in one valid trial only`);
  const straddling = positions.length - kept.length;
  const binSeconds = recording.has("t_bins") ? medianStep(recording.numbers("t_bins"), trialInds) : null;
  return { session, stimulus, status: "ok", reason: null, trials, binSeconds, straddling };
}
