/**
 * @file Arrays of MATLAB, numpy and HDF5 files → a recording of our own format, as a mapping file says.
 */
import { join } from "node:path";
import {
  KNOWN_KEYS,
  type LoadedMapping,
  loadMapping,
  type MappedColumn,
  type MappedSpikes,
  type MappedTrialStarts,
} from "../../config/mapping-file.ts";
import { toFloat32 } from "../../data/column.ts";
import type { ColumnData } from "../../data/recording.ts";
import { didYouMean, UserError } from "../../errors.ts";
import { type NdArray, toFloat64 } from "../../formats/array.ts";
import type { LazyArray } from "../../formats/lazy.ts";
import { convertedColumn, type ElementConversion } from "./converted-column.ts";
import { countSpikes, spikesByUnit } from "./count-spikes.ts";
import { clockFromTimes, type FrameClock, firstFrameFrom, regularClock } from "./frame-clock.ts";
import { MappedSource } from "./mapped-source.ts";
import { asVector, type LabelledArray, nameAxes } from "./named-axes.ts";
import { type Responses, readResponses, requireUnits, silentUnits } from "./responses.ts";
import { readStimulus, type Stimulus } from "./stimulus.ts";
import { requireTrials, trialsFromNumbers, trialsFromStarts, trialsOfLength } from "./trials.ts";
import { frameColumn, writeSession } from "./write-session.ts";

/** What {@link convertMapped} converts, and where to. */
export interface ConvertMappedOptions {
  /** Path of the mapping file. */
  readonly mapping: string;
  /** Folder to write to; made if missing. */
  readonly out: string;
  /** Replace files that are there already and differ. */
  readonly overwrite?: boolean;
}

/** What {@link convertMapped} wrote. */
export interface ConvertedMapped {
  readonly session: string;
  readonly type: string;
  /** Paths of the session's configuration and of the dataset file. */
  readonly sessionFile: string;
  readonly datasetFile: string;
  /** Covariates in order. */
  readonly keys: readonly string[];
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  readonly units: number;
  readonly trials: number;
  /** What the user should look at again, one sentence each. */
  readonly warnings: readonly string[];
}

/** Element types in which the specification keeps covariates, section 4.2; others stay as they are. */
const DTYPES: Readonly<Record<string, ElementConversion["dtype"]>> = {
  dpi_valid: "float64",
  eyepos: "float64",
  dpi_pix: "float64",
  roi: "int64",
  psth_inds: "int64",
  sf: "float64",
  ori: "float64",
  stim_phase: "float32",
};

/** Keys with rules of their own. */
const SPECIAL_KEYS = ["stim", "robs", "t_bins", "trial_inds"];

/**
 * Writes `<out>/<session>/<type>.safetensors` and `.json`, `<out>/sessions/<session>.yaml` and `<out>/dataset.yaml`. The
 * recording is read back and compared by hash. Converting the same again changes nothing.
 *
 * @throws ConfigError for mistakes in the mapping file; UserError for files and arrays that are missing or damaged,
 *   covariates that do not fit together, values that make no sense, and files of the same name with other content
 */
export async function convertMapped(options: ConvertMappedOptions): Promise<ConvertedMapped> {
  const { out, overwrite = false } = options;
  const loaded = loadMapping(options.mapping);
  const { mapping } = loaded;
  using source = new MappedSource(loaded);

  const stimulus = readStimulus(await source.array("keys.stim", mapping.keys.stim), {
    ...mapping.keys.stim,
    axesOption: "axes:",
  });
  const [frames, height, width] = stimulus.column.shape as [number, number, number];
  const clock = await readClock(loaded, source, stimulus);
  const responses = await readCounts(loaded, source, stimulus, clock);
  const units = responses.array.shape[1]!;
  const { cids = responses.ids ?? Array.from({ length: units }, (_, unit) => unit) } = mapping;
  requireNamedUnits(cids, units, responses);
  const trials = await readTrials(loaded, source, clock);
  const distinct = new Set(Array.from(trials, Number));

  const columns: [string, ColumnData][] = [
    ["t_bins", frameColumn(clock.centres)],
    ["trial_inds", frameColumn(trials)],
    ["stim", stimulus.column],
    ["robs", responses.array],
  ];
  if (!("dpi_valid" in mapping.keys)) columns.push(["dpi_valid", frameColumn(new Float64Array(frames).fill(1))]);
  for (const [key, column] of Object.entries(mapping.keys)) {
    if (SPECIAL_KEYS.includes(key)) continue;
    columns.push([key, covariate(key, await source.array(`keys.${key}`, column), column, stimulus)]);
  }

  const isStill = mapping.trial_per_frame === true;
  const datasetFile = join(out, "dataset.yaml");
  const sessionFile = writeSession({
    dataDir: out,
    session: mapping.session,
    type: mapping.type,
    cids,
    valTrials: mapping.val_trials && requireTrials(mapping.val_trials, distinct),
    trials,
    columns,
    metadata: {
      ...mapping.metadata,
      ...(responses.ids && { cluster_ids: responses.ids }),
      sources: source.sources(),
    },
    rateHz: clock.rateHz,
    dataset: {
      path: datasetFile,
      isStill,
      lags: mapping.dataset.lags ?? (isStill ? 1 : Math.max(1, Math.round(0.2 * clock.rateHz))),
      splitBy: mapping.dataset.split_by ?? (isStill ? "trial" : "time"),
      trainFraction: mapping.dataset.train_fraction,
    },
    replaces: overwrite,
  });
  return {
    session: mapping.session,
    type: mapping.type,
    sessionFile,
    datasetFile,
    keys: columns.map(([key]) => key),
    frames,
    height,
    width,
    units,
    trials: distinct.size,
    warnings: [...stimulus.warnings, ...responses.warnings, ...keyWarnings(mapping.keys)],
  };
}

async function readClock(
  { mapping }: LoadedMapping,
  source: MappedSource,
  { column, label }: Stimulus,
): Promise<FrameClock> {
  const frames = column.shape[0]!;
  const rateHz = mapping.rate_hz ?? (mapping.dt === undefined ? undefined : 1 / mapping.dt);
  const { t_bins } = mapping.keys;
  // The mapping file's schema asks for a rate where there are no times.
  if (t_bins === undefined) return regularClock(frames, rateHz!);
  const times = await source.array("keys.t_bins", t_bins);
  const seconds = inSeconds(vectorOf(times), t_bins);
  requireFrames("t_bins", times.label, seconds.length, frames, label);
  return clockFromTimes(seconds, { at: t_bins.at, rateHz, label: times.label });
}

/** Responses, with the ids of their units where the file has some. */
interface Counts extends Responses {
  readonly ids: readonly number[] | undefined;
  readonly label: string;
}

async function readCounts(
  { mapping }: LoadedMapping,
  source: MappedSource,
  stimulus: Stimulus,
  clock: FrameClock,
): Promise<Counts> {
  const { spikes } = mapping;
  const { robs } = mapping.keys;
  if (robs !== undefined) {
    const labelled = await source.array("keys.robs", robs);
    const frames = stimulus.column.shape[0]!;
    const options = { axes: robs.axes, axesOption: "axes:", frames, stimulus: stimulus.label };
    const { array, warnings } = readResponses(labelled, options);
    return { array: compact(array), warnings, ids: undefined, label: labelled.label };
  }
  // The mapping file's schema asks for spikes where there are no counts.
  const { ids, times, label } = await readSpikes(spikes!, source);
  const counted = countSpikes({ times: times.map((train) => inSeconds(train, spikes!)), label }, clock);
  return { ...counted, warnings: [...counted.warnings, ...silentUnits(counted.totals, ids)], ids, label };
}

/** MATLAB stores counts as float64; float32 takes half the space, and all counts fit into it. */
function compact(array: NdArray): NdArray {
  const narrow = toFloat32(array);
  return narrow.data.every((value, i) => value === Number(array.data[i])) ? narrow : array;
}

async function readSpikes(spikes: MappedSpikes, source: MappedSource) {
  const vectors = await source.vectors("spikes", spikes);
  const wrong = (label: string, what: string, hint: string) => new UserError(`Cannot use ${label}: ${what}`, { hint });
  if (spikes.unit_ids === undefined) {
    if (vectors !== undefined) return { ids: undefined, ...vectors };
    const { label } = await source.array("spikes", spikes);
    throw wrong(label, "it is one array, with no unit for each spike", "Name the units of its spikes with unit_ids.");
  }
  if (vectors !== undefined) {
    throw wrong(vectors.label, "it has a vector for each unit already", "Remove unit_ids.");
  }
  const times = await source.array("spikes", spikes);
  const ids = await source.array("spikes.unit_ids", { from: spikes.unit_ids, file: spikes.file });
  const [allTimes, allIds] = [vectorOf(times), vectorOf(ids)];
  if (allTimes.length !== allIds.length) {
    throw wrong(
      times.label,
      `it has ${allTimes.length} spikes, but ${ids.label} has ${allIds.length}`,
      "They must match.",
    );
  }
  return { ...spikesByUnit(allTimes, allIds, ids.label), label: times.label };
}

async function readTrials({ mapping }: LoadedMapping, source: MappedSource, clock: FrameClock): Promise<BigInt64Array> {
  const frames = clock.centres.length;
  const { trial_length, trial_starts } = mapping;
  const { trial_inds } = mapping.keys;
  if (trial_inds !== undefined) return trialsFromNumbers(await source.array("keys.trial_inds", trial_inds), frames);
  if (trial_starts === undefined) return trialsOfLength(frames, trial_length ?? 1);
  const starts = await source.array("trial_starts", trial_starts);
  return trialsFromStarts(startFrames(vectorOf(starts), trial_starts, clock), frames, starts.label);
}

/** First frame of each trial, from 0. A trial starts with the first frame whose middle lies in it. */
function startFrames(starts: Float64Array, options: MappedTrialStarts, clock: FrameClock): Float64Array {
  if (options.in !== "seconds") return starts.map((start) => start - (options.in === "frames_from_1" ? 1 : 0));
  return inSeconds(starts, options).map((start) => firstFrameFrom(clock, start));
}

function covariate(key: string, labelled: LabelledArray, mapped: MappedColumn, stimulus: Stimulus): LazyArray {
  const { axes, scale, offset } = mapped;
  const { label } = labelled;
  const array = framesFirst(labelled, axes);
  requireFrames(key, label, array.shape[0] ?? 0, stimulus.column.shape[0]!, stimulus.label, array.shape);
  const isScaled = scale !== undefined || offset !== undefined;
  const dtype = mapped.dtype ?? DTYPES[key] ?? (isScaled ? "float64" : undefined);
  return dtype === undefined ? array : convertedColumn({ array, label }, { dtype, scale, offset });
}

function framesFirst({ array, label }: LabelledArray, axes: string | undefined): LazyArray {
  if (axes !== undefined) {
    const wanted = ["t", ...[...axes].filter((axis) => axis !== "t")].join("");
    return nameAxes({ array, label }, { axes, wanted, option: "axes:" });
  }
  // Rows and columns of a matrix file are vectors to everybody else.
  return (array.shape.length === 2 ? asVector(array) : undefined) ?? array;
}

function requireFrames(
  key: string,
  label: string,
  found: number,
  frames: number,
  stimulus: string,
  shape: readonly number[] = [found],
): void {
  if (found === frames) return;
  const axis = shape.indexOf(frames);
  const letters = ["x", "y", "z"].slice(0, Math.max(0, shape.length - 1));
  const hint =
    axis > 0
      ? `Its axis ${axis + 1} has that length. If frames are there, add: axes: ${letters.toSpliced(axis, 0, "t").join("")}`
      : "Every covariate needs one row for each frame of the stimulus.";
  throw new UserError(
    `Cannot use ${label} as ${key}: it has ${found} frames, but the stimulus has ${frames} frames (${stimulus})`,
    { hint },
  );
}

function requireNamedUnits(cids: readonly number[], units: number, { ids, label }: Counts): void {
  if (ids === undefined) {
    requireUnits(cids, units, label);
    return;
  }
  const unknown = cids.find((cid) => !ids.includes(cid));
  if (unknown === undefined) return;
  throw new UserError(`Cannot keep unit ${unknown}: ${label} has no spike of it`, {
    hint: `Its units are ${ids.join(", ")}.`,
  });
}

function vectorOf({ array, label }: LabelledArray): Float64Array {
  const vector = asVector(array);
  if (vector !== undefined) return toFloat64(vector.read());
  throw new UserError(`Cannot use ${label}: its shape is [${array.shape.join(", ")}], expected a vector`);
}

function inSeconds(
  times: Float64Array,
  { per_second, offset_seconds }: { per_second: number; offset_seconds: number },
) {
  return times.map((time) => time / per_second + offset_seconds);
}

function keyWarnings(keys: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(keys).flatMap((key) => {
    if (KNOWN_KEYS.includes(key)) return [];
    const similar = didYouMean(key, KNOWN_KEYS);
    return similar === undefined ? [] : [`"${key}" is stored under that name; did you mean "${similar}"?`];
  });
}
