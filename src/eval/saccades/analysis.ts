/**
 * @file The saccade analysis of a session: which saccades there are, and what units and predictions do around them
 * (evaluation specification, section 9).
 */
import { medianStep } from "../../data/frame-rate.ts";
import type { SampleSet } from "../../data/samples.ts";
import type { Predictions } from "../predict.ts";
import { keptSaccades } from "./filter.ts";
import { type MainSequence, mainSequence } from "./main-sequence.ts";
import { type SaccadicModulation, saccadicModulation } from "./modulation.ts";
import type { Saccade } from "./saccade.ts";
import type { SaccadeList } from "./source.ts";
import { eventFrames } from "./times.ts";
import { type TriggeredAverages, type TriggeredInputs, triggeredAverages, type Window } from "./triggered.ts";

/** Evaluated samples of one stimulus type, with their predictions in the same order. */
export interface EvaluatedStimulus {
  stimulus: string;
  /**
   * Samples whose recordings have `t_bins`, `trial_inds` and `eyepos`: name these in `keepKeys` when the session is prepared.
   */
  set: SampleSet;
  predictions: Predictions;
}

export interface SaccadeAnalysisOptions {
  /** In bins; 10 before to 100 after the start of a saccade when absent. */
  window?: Window | undefined;
  /** See `triggeredAverages` and `keptSaccades`. */
  compat?: "reference" | undefined;
}

/** Responses to one stimulus around saccades, or why there are none. */
export interface StimulusSaccades {
  stimulus: string;
  status: "ok" | "missing_stimulus" | "no_saccades";
  /** Null when there are some. */
  reason: string | null;
  averages: TriggeredAverages | null;
  /** The saccade of every window, [saccades]. */
  saccades: Saccade[];
  /** Duration of a bin in seconds. */
  binSeconds: number | null;
  /** NaN for every unit when there are no windows. */
  modulation: SaccadicModulation;
}

/** The saccades of a session. */
export interface SaccadeAnalysis {
  status: "ok" | "no_saccades";
  /** Null when there are saccades. */
  reason: string | null;
  /** Where they are from. */
  origin: SaccadeList["origin"];
  /** Saccades before filtering. */
  listed: number;
  /** Of those that count. */
  mainSequence: MainSequence;
  /** In the order they came in. */
  stimuli: StimulusSaccades[];
}

const DEFAULT_WINDOW = [-10, 100] as const;

/**
 * Averages observed and predicted responses around the saccades of a session, stimulus by stimulus, and says how much the
 * saccades modulate each unit.
 *
 * @param list of `loadSaccades`
 * @throws RangeError when predictions and samples differ in number
 */
export function saccadeAnalysis(
  list: SaccadeList,
  stimuli: readonly EvaluatedStimulus[],
  { window = DEFAULT_WINDOW, compat }: SaccadeAnalysisOptions = {},
): SaccadeAnalysis {
  const saccades = keptSaccades(list.saccades, { compat }).map((position) => list.saccades[position]!);
  const isMissing = saccades.length === 0;
  return {
    status: isMissing ? "no_saccades" : "ok",
    reason: isMissing ? (list.reason ?? "no saccade of the list passes the filters") : null,
    origin: list.origin,
    listed: list.saccades.length,
    mainSequence: mainSequence(saccades),
    stimuli: stimuli.map((evaluated) => aroundSaccades(evaluated, saccades, window, compat)),
  };
}

function aroundSaccades(
  { stimulus, set, predictions }: EvaluatedStimulus,
  saccades: readonly Saccade[],
  window: Window,
  compat: "reference" | undefined,
): StimulusSaccades {
  const { units } = predictions;
  const absent = (status: "missing_stimulus" | "no_saccades", reason: string): StimulusSaccades => {
    const nan = () => new Float64Array(units).fill(Number.NaN);
    const indices = () => ({ early: nan(), late: nan() });
    const modulation = { observed: indices(), predicted: indices(), correlation: nan() };
    return { stimulus, status, reason, averages: null, saccades: [], binSeconds: null, modulation };
  };
  if (set.length === 0) return absent("missing_stimulus", `there are no ${stimulus} samples`);
  const found = triggeredInputs({ stimulus, set, predictions }, saccades);
  if ("reason" in found) return absent("missing_stimulus", found.reason);
  if (found.rows.frames.length === 0) return absent("no_saccades", `no saccade starts in a ${stimulus} trial`);
  const averages = triggeredAverages(found, { window, compat });
  if (averages.saccades === 0) {
    return absent(
      "no_saccades",
      `none of ${found.rows.frames.length} saccades in ${stimulus} trials has ${averages.bins} evaluated bins around it ` +
        "and is between 0.1 and 0.5 s from its neighbours",
    );
  }
  const recording = set.recordings[set.recordingOf[0]!]!;
  const binSeconds = medianStep(recording.numbers("t_bins"), recording.numbers("trial_inds"));
  return {
    stimulus,
    status: "ok",
    reason: null,
    averages,
    saccades: Array.from(averages.events, (event) => saccades[event]!),
    binSeconds,
    modulation: saccadicModulation(averages, binSeconds ?? Number.NaN),
  };
}

/**
 * What `triggeredAverages` needs, from samples of one recording and the saccades that count.
 *
 * @returns the reason when the recording lacks something
 * @throws RangeError when predictions and samples differ in number, or samples come from several recordings
 */
export function triggeredInputs(
  { stimulus, set, predictions }: EvaluatedStimulus,
  saccades: readonly Saccade[],
): TriggeredInputs | { reason: string } {
  if (predictions.samples !== set.length) {
    throw new RangeError(`Cannot use ${predictions.samples} predictions: there are ${set.length} ${stimulus} samples`);
  }
  const number = set.recordingOf[0]!;
  if (set.recordingOf.some((other) => other !== number)) {
    throw new RangeError(`Cannot cut windows out of the ${stimulus} samples of several recordings`);
  }
  const recording = set.recordings[number]!;
  const lacking = ["t_bins", "trial_inds", "eyepos"].filter((key) => !recording.has(key));
  if (lacking.length > 0) return { reason: `the ${stimulus} recording has no ${lacking.join(", ")}` };
  const startTimes = Float64Array.from(saccades, ({ start_time }) => start_time);
  const lag = set.lags.get("robs")?.lags[0] ?? 0;
  return {
    units: predictions.units,
    frames: set.frameOf.map((frame) => frame - lag),
    robs: predictions.robs,
    rates: predictions.rates,
    dfs: predictions.dfs,
    eyepos: recording.floats("eyepos").data,
    trialInds: recording.numbers("trial_inds"),
    rows: eventFrames(recording, startTimes),
    startTimes,
  };
}
