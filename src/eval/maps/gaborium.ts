/**
 * @file Receptive fields of data and model from a session's noise stimulus (evaluation specification, sections 11.3 and 11.4).
 */
import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";
import { type ResponseLatency, responseLatency } from "../latency.ts";
import type { Predictions } from "../predict.ts";
import { stillFrames } from "./fixations.ts";
import { movieOfRecording } from "./movie.ts";
import { type ReceptiveField, receptiveField } from "./receptive-field.ts";
import { frameValidity, rowsAt, samplesOfType } from "./recorded-samples.ts";
import { whiteningWork } from "./whitening.ts";
import { finishedInTurns, portion, type Turns, type Work } from "./work.ts";
import { lagMap, type MapSummary, summarizeMaps, type ZMapResult, type ZMaps, zMapsWork, zPeakLags } from "./zmaps.ts";

export interface GaboriumOptions extends Turns {
  /** Frames per second of the samples. */
  frameRate: number;
  /** Stimulus type. */
  type?: string | undefined;
  /** Frames from stimulus to response, in ascending order; 0 to 15 when absent. */
  lags?: readonly number[] | undefined;
  /** Use only frames in which the eye is still. */
  fixationsOnly?: boolean | undefined;
  /** False maps pixels as they are, each divided by its standard deviation. */
  whiten?: boolean | undefined;
  /** Units with fewer spikes get no summary. */
  minSpikes?: number | undefined;
  /** Of the stimulus; the recording's own `ppd` when absent. */
  pixelsPerDegree?: number | undefined;
  device?: string | undefined;
  /** "reference" finds fixations as the reference does, see {@link stillFrames}. */
  compat?: "reference" | undefined;
}

/** What one unit's maps, of its spikes or of its predicted rates, show. NaN where a number is not defined. */
export interface FieldSummary extends MapSummary {
  /** z of average and energy at the peak lag of the data, [height · width]; NaN without a peak. */
  readonly sta: Float32Array;
  readonly ste: Float32Array;
  readonly latency: ResponseLatency;
  /** From the map with the higher signal to noise. */
  readonly field: ReceptiveField;
  readonly fieldSource: "sta" | "ste";
}

/** One unit. */
export interface UnitField {
  /** Spikes in the frames used. */
  readonly spikes: number;
  /** Why the unit's numbers are NaN; null when they are not. */
  readonly reason: string | null;
  /** Lag of the largest spatial variance of the data's energy map, frames; also used for the model. */
  readonly peakLag: number;
  readonly data: FieldSummary;
  /** Null without predictions. */
  readonly model: FieldSummary | null;
}

/** The receptive fields of a session. */
export interface GaboriumMaps {
  readonly lags: readonly number[];
  readonly height: number;
  readonly width: number;
  readonly frameRate: number;
  /** Null when it is not known. */
  readonly pixelsPerDegree: number | null;
  /** Samples used. */
  readonly samples: number;
  readonly units: readonly UnitField[];
}

/** Responses to the samples of a set, in its order. */
export type MappedResponses = Pick<Predictions, "units" | "robs" | "dfs"> & {
  readonly rates?: Float32Array | undefined;
};

/**
 * Maps and receptive fields of every unit, for its spikes and for its predicted rates, by whitened spike-triggered averages and
 * energies. Reads the stimulus from its recording a thousand frames at a time.
 *
 * The set's stimulus should be grey levels or pixels; maps of a stimulus that a transform has filtered in time are shifted by it.
 * Beside the stimulus the recording keeps `eyepos` when `fixationsOnly` is set (the default).
 *
 * @param set samples that the responses belong to; those of other stimulus types are passed over
 * @throws UserError when there are no samples of the type, the recording lacks something or has several channels, or no frame is left
 */
export async function gaboriumMaps(
  set: SampleSet,
  responses: MappedResponses,
  { signal, onProgress, ...options }: GaboriumOptions,
): Promise<GaboriumMaps> {
  return finishedInTurns(gaboriumWork(set, responses, options), { signal, onProgress });
}

const DEFAULT_LAGS = Array.from({ length: 16 }, (_, lag) => lag);

function* gaboriumWork(
  set: SampleSet,
  responses: MappedResponses,
  options: Omit<GaboriumOptions, keyof Turns>,
): Work<GaboriumMaps> {
  const { frameRate, type = "gaborium", lags = DEFAULT_LAGS, fixationsOnly = true, whiten, device, compat } = options;
  const { recording, positions } = samplesOfType(set, type);
  const movie = movieOfRecording(set, recording);
  if (movie.shape.length !== 2) {
    throw new UserError(
      `Cannot map "${type}" of session "${set.session}": it has ${movie.shape[0]} channels, expected one`,
    );
  }
  const source = set.recordings[recording]!;
  const { units } = responses;
  const frameOf = positions.map((position) => set.frameOf[position]!);
  const dfs = rowsAt(responses.dfs, units, positions);
  if (fixationsOnly) {
    const still = stillFrames(source.floats("eyepos").data, frameOf, frameRate, compat);
    for (let i = 0; i < dfs.length; i++) if (still[Math.floor(i / units)] === 0) dfs[i] = 0;
  }
  const whitening = yield* portion(whiteningWork(movie, frameValidity(set, recording), { whiten, device }), 0, 0.3);
  const mapped = zMapsWork({
    movie,
    whitening,
    frameOf,
    robs: rowsAt(responses.robs, units, positions),
    rates: responses.rates && rowsAt(responses.rates, units, positions),
    dfs,
    units,
    lags,
    device,
  });
  const result = yield* portion(mapped, 0.3, 1);
  const ppd = options.pixelsPerDegree ?? source.metadata.ppd;
  const pixelsPerDegree = typeof ppd === "number" && ppd > 0 ? ppd : null;
  const [height, width] = movie.shape as [number, number];
  return {
    lags,
    height,
    width,
    frameRate,
    pixelsPerDegree,
    samples: result.samples,
    units: unitFields(result, { frameRate, pixelsPerDegree, minSpikes: options.minSpikes ?? 50 }),
  };
}

interface FieldOptions {
  readonly frameRate: number;
  readonly pixelsPerDegree: number | null;
  readonly minSpikes: number;
}

function unitFields(result: ZMapResult, options: FieldOptions): UnitField[] {
  return Array.from(zPeakLags(result), (found, unit) => {
    const spikes = result.data.spikes[unit]!;
    const reason = tooFewSpikes(spikes, options.minSpikes);
    const peak = reason === null ? found : -1;
    return {
      spikes,
      reason,
      peakLag: result.lags[peak] ?? Number.NaN,
      data: fieldSummary(result, result.data, unit, peak, options),
      model: result.model && fieldSummary(result, result.model, unit, peak, options),
    };
  });
}

/** Why a unit is not summarised. */
function tooFewSpikes(spikes: number, minSpikes: number): string | null {
  if (spikes === 0) return "no spikes";
  return spikes < minSpikes ? `${spikes} spikes, at least ${minSpikes} are needed` : null;
}

function fieldSummary(
  result: ZMapResult,
  maps: ZMaps,
  unit: number,
  peak: number,
  { frameRate, pixelsPerDegree }: FieldOptions,
): FieldSummary {
  const summary = summarizeMaps(result, maps, unit, peak);
  const [height, width] = result.shape as [number, number];
  const mapAtPeak = (values: Float32Array) =>
    peak < 0 ? new Float32Array(height * width).fill(Number.NaN) : lagMap(result, values, unit, peak).slice();
  const sta = mapAtPeak(maps.sta);
  const ste = mapAtPeak(maps.ste);
  const fieldSource = summary.snrSta > summary.snrSte ? "sta" : "ste";
  return {
    ...summary,
    peakBetweenLags: peak < 0 ? Number.NaN : summary.peakBetweenLags,
    sta,
    ste,
    latency: responseLatency(peak < 0 ? [] : summary.profile, result.lags, frameRate),
    field: receptiveField(fieldSource === "sta" ? sta : ste, [height, width], pixelsPerDegree ?? undefined),
    fieldSource,
  };
}
