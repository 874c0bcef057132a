/**
 * @file Tuning of data and model from a session's gratings (evaluation specification, section 12).
 */
import type { Recording } from "../../data/recording.ts";
import type { SampleSet } from "../../data/samples.ts";
import { UserError } from "../../errors.ts";
import { toFloat64 } from "../../formats/array.ts";
import type { MappedResponses } from "../maps/gaborium.ts";
import { rowsAt, samplesOfType, scatterRows } from "../maps/recorded-samples.ts";
import { type PhaseResponse, phaseResponse } from "./phase.ts";
import type { VarianceModel } from "./sine-fit.ts";
import { type GratingMaps, type GratingResponses, gratingMaps, type Tuning, unitTuning } from "./tuning.ts";

export interface GratingsOptions {
  /** Frames per second of the samples. */
  frameRate: number;
  /** Stimulus type. */
  type?: string | undefined;
  /** Number of lags, from 0 on. */
  lags?: number | undefined;
  phaseBins?: number | undefined;
  /** Spikes, or predicted spikes, after the preferred grating that a sinusoid is fitted to. */
  minSpikes?: number | undefined;
  variance?: VarianceModel | undefined;
  compat?: "reference" | undefined;
}

/** A unit's tuning, by its spikes or by its predicted rates. */
export interface UnitGratings {
  /** Null when there is none, and the reason. */
  readonly tuning: Tuning | null;
  readonly reason: string | null;
  /** With a reason of its own when no sinusoid could be fitted. */
  readonly phase: PhaseResponse;
}

/** One unit; data and model each have their own peaks. */
export interface UnitGratingsPair {
  readonly data: UnitGratings;
  /** Null without predictions. */
  readonly model: UnitGratings | null;
}

/** The tuning of a session. */
export interface GratingsTuning {
  /** Cycles per degree and degrees, in ascending order. */
  readonly sfs: Float64Array;
  readonly oris: Float64Array;
  readonly lags: number;
  readonly frameRate: number;
  /** Samples used. */
  readonly samples: number;
  readonly units: readonly UnitGratingsPair[];
}

/**
 * Tuning for spatial frequency, orientation and phase, of every unit, for its spikes and for its predicted rates.
 *
 * Lags count in frames of the recording, never in the list of samples (register E-39). The recording keeps `sf` and `ori`, and
 * `stim_phase` for the phases: a number per frame, or an image of which the middle pixel is taken.
 *
 * @param set samples that the responses belong to; those of other stimulus types are passed over
 * @throws UserError when there are no samples of the type, or `sf` or `ori` are missing
 */
export function gratingsTuning(set: SampleSet, responses: MappedResponses, options: GratingsOptions): GratingsTuning {
  const { frameRate, type = "gratings", lags = 20, phaseBins = 8, minSpikes = 50, variance, compat } = options;
  const { recording, positions } = samplesOfType(set, type);
  const source = set.recordings[recording]!;
  refuseMissing(source);
  const phases = source.has("stim_phase") ? middlePhases(source) : null;
  const frameOf = positions.map((position) => set.frameOf[position]!);
  const { units } = responses;
  const perFrame = (values: Float32Array) => {
    return scatterRows(rowsAt(values, units, positions), units, frameOf, source.length);
  };
  const shared = {
    sf: source.numbers("sf"),
    ori: source.numbers("ori"),
    units,
    dfs: perFrame(responses.dfs),
    lags,
    dt: 1 / frameRate,
  };
  const analyse = (values: Float32Array) => {
    const input: GratingResponses = { ...shared, responses: perFrame(values) };
    const maps = gratingMaps(input);
    const phaseOptions = { bins: phaseBins, minSpikes, variance, compat };
    return {
      maps,
      units: Array.from({ length: units }, (_, unit) => unitGratings(input, maps, unit, phases, phaseOptions)),
    };
  };
  const data = analyse(responses.robs);
  const model = responses.rates && analyse(responses.rates);
  return {
    sfs: data.maps.sfs,
    oris: data.maps.oris,
    lags,
    frameRate,
    samples: positions.length,
    units: data.units.map((unit, i) => ({ data: unit, model: model?.units[i] ?? null })),
  };
}

function unitGratings(
  input: GratingResponses,
  maps: GratingMaps,
  unit: number,
  phases: Float64Array | null,
  options: Omit<Parameters<typeof phaseResponse>[4], "phases">,
): UnitGratings {
  const tuning = unitTuning(maps, unit);
  const known = phases ?? new Float64Array(input.sf.length).fill(Number.NaN);
  const phase = phaseResponse(input, maps, unit, tuning, { ...options, phases: known });
  const responds = input.responses;
  const isSilent = tuning === null && !hasResponse(responds, input.units, unit, input.dfs!);
  return {
    tuning,
    reason: tuning !== null ? null : isSilent ? "no spikes" : "the unit responds to all gratings alike",
    phase: phases === null && tuning !== null ? { ...phase, reason: "the recording has no stim_phase" } : phase,
  };
}

function hasResponse(values: ArrayLike<number>, units: number, unit: number, dfs: ArrayLike<number>): boolean {
  for (let i = unit; i < values.length; i += units) if (dfs[i]! > 0 && values[i] !== 0) return true;
  return false;
}

function refuseMissing(recording: Recording): void {
  const missing = ["sf", "ori"].filter((key) => !recording.has(key));
  if (missing.length === 0) return;
  throw new UserError(`Cannot compute tuning from "${recording.name}": it has no ${missing.join(" and no ")}`, {
    hint: "Prepare the session with keepKeys that name sf, ori and stim_phase.",
  });
}

/** Frames of phase images that are read together. */
const PHASE_PIECE = 256;

/** Phase of the middle pixel, [frames]. */
function middlePhases(recording: Recording): Float64Array {
  const column = recording.column("stim_phase");
  const [frames, height = 1, width = 1] = column.shape as [number, number?, number?];
  const middle = Math.floor(height / 2) * width + Math.floor(width / 2);
  const phases = new Float64Array(frames);
  for (let start = 0; start < frames; start += PHASE_PIECE) {
    const end = Math.min(start + PHASE_PIECE, frames);
    const piece = toFloat64(column.readRows(start, end));
    for (let t = start; t < end; t++) phases[t] = piece[(t - start) * height * width + middle]!;
  }
  return phases;
}
