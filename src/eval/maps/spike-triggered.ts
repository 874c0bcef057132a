/**
 * @file Spike-triggered average and energy of all units of a recording (evaluation specification, section 11.2).
 */
import type { SampleSet } from "../../data/samples.ts";
import { movieOfRecording, zScored } from "./movie.ts";
import { type CorrelationMaps, reverseCorrelationWork } from "./reverse-correlation.ts";
import { type MapSnr, mapSnr, peakLags, populationPeakLag } from "./ste-snr.ts";
import { finishedInTurns, portion, type Turns, type Work } from "./work.ts";

export interface SpikeTriggeredOptions extends Turns {
  /** Number of lags, from 0 on. */
  lags?: number | undefined;
  /** Covariate that says which frames count, one number per frame. */
  mask?: string | undefined;
  device?: string | undefined;
  /** "reference" for maps that are too small by the number of lags (register E-32). */
  compat?: "reference" | undefined;
}

export interface SpikeTriggeredMaps {
  /** Spike-triggered average and energy of the standardised stimulus, [units, lags, height, width]. */
  readonly sta: CorrelationMaps;
  readonly ste: CorrelationMaps;
  /** Spikes in frames that count, [units]. */
  readonly spikes: Float64Array;
  /** Signal to noise of the energy. */
  readonly snr: MapSnr;
  /** Position of the lag at which the energy varies most over space, [units]; −1 for a unit without spikes. */
  readonly peakLags: Int32Array;
  /** Median of the peak lags; NaN without any. */
  readonly populationPeakLag: number;
}

/**
 * Correlates all frames of one recording, in all trials, whether they are samples or not.
 *
 * @param recording number of the recording in the set
 * @throws UserError when the recording lacks stimulus, spikes or mask, or its stimulus is constant
 */
export async function spikeTriggeredMaps(
  set: SampleSet,
  recording: number,
  { signal, onProgress, ...options }: SpikeTriggeredOptions = {},
): Promise<SpikeTriggeredMaps> {
  return finishedInTurns(mapsWork(set, recording, options), { signal, onProgress });
}

function* mapsWork(
  set: SampleSet,
  recording: number,
  { lags = 20, mask = "dpi_valid", device, compat }: Omit<SpikeTriggeredOptions, keyof Turns>,
): Work<SpikeTriggeredMaps> {
  const { robs: responses, units } = set.arrays(recording);
  const dfs = set.recordings[recording]!.numbers(mask);
  const input = {
    movie: zScored(movieOfRecording(set, recording)),
    responses,
    units,
    dfs,
    lags: Array.from({ length: lags }, (_, lag) => lag),
    device,
    compat,
  };
  const sta = yield* portion(reverseCorrelationWork(input), 0, 0.5);
  const ste = yield* portion(reverseCorrelationWork({ ...input, energy: true }), 0.5, 1);
  const spikes = new Float64Array(units);
  for (let i = 0; i < responses.length; i++) {
    const weight = dfs[Math.floor(i / units)]!;
    if (weight !== 0) spikes[i % units]! += responses[i]! * weight;
  }
  const peaks = peakLags(ste);
  return { sta, ste, spikes, snr: mapSnr(ste), peakLags: peaks, populationPeakLag: populationPeakLag(peaks) };
}
