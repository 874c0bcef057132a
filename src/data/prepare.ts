/**
 * @file Preparing a session: from its configuration and recordings to training and validation samples.
 *
 * The order is the data specification's (section 5), and it matters: down-sample, datafilters, transforms, select units,
 * find valid rows, split by trial. Masks are therefore computed at the model's rate and before transforms, and a
 * transform sees what earlier ones stored.
 */
import { resolve } from "node:path";
import { transformOps } from "../config/ops.ts";
import type { SessionConfig } from "../config/session.ts";
import { UserError } from "../errors.ts";
import { type Doubt, futureDoubts, refuseDoubts, transformDoubts } from "./doubts.ts";
import { downsampleFactor } from "./downsample.ts";
import { inContext } from "./error-context.ts";
import { modelRate } from "./frame-rate.ts";
import { lagReach, parseKeysLags } from "./lags.ts";
import { maskedUnits, refuseMissingValues } from "./prepare-checks.ts";
import {
  type PreparationPlan,
  type PreparedRecording,
  planPreparation,
  prepareRecording,
} from "./prepare-recording.ts";
import type { Recording } from "./recording.ts";
import { joinedIndices, SampleSet } from "./samples.ts";
import { openSession, type Session } from "./session.ts";
import { distinctTrials, type SplitRows, splitByTrial } from "./split.ts";
import type { StimulusStore } from "./stimulus-store.ts";
import { checkPipeline } from "./transforms.ts";
import { validRows } from "./units.ts";

/** Options of {@link prepareSession}. */
export interface PrepareOptions {
  /** Folder that holds the session's folder; the configuration's `data_dir` when absent. */
  dataDir?: string | undefined;
  /** A session opened elsewhere; `dataDir` is then not used. */
  session?: Session | undefined;
  /** Keys to keep beside the served ones, at the model's rate: `trial_inds`, `t_bins`, `true_rates`, … */
  keepKeys?: readonly string[] | undefined;
  /** Leave out types that cannot be prepared, with a warning, instead of failing. For evaluation. */
  lenient?: boolean | undefined;
  /**
   * Fail on what is otherwise accepted as the reference accepts it, see {@link PreparedSession.doubts}; the
   * configuration's `strict_data` when absent.
   */
  strict?: boolean | undefined;
  /** Where stimuli lie; all in memory when absent. Sessions of one run share it. */
  store?: StimulusStore | undefined;
}

/** A session ready for training. */
export interface PreparedSession {
  readonly session: string;
  /** The configuration as it was used: `types` are those that exist, `data_dir` is absolute, so that it holds anywhere. */
  readonly config: SessionConfig;
  /** Types of the configuration that the session lacks or, with `lenient`, that could not be prepared. */
  readonly droppedTypes: readonly string[];
  readonly train: SampleSet;
  readonly val: SampleSet;
  /** Values of `behavior` per frame; 0 when it is not served. */
  readonly behaviorDim: number;
  readonly nUnits: number;
  readonly cids: readonly number[];
  /** What the user should know, one sentence each. */
  readonly warnings: readonly string[];
  /**
   * What deserves a second look, and the setting that resolves it; without what the configuration accepts. Lags beyond the
   * filter and units that cannot be fitted are also in `warnings`.
   */
  readonly doubts: readonly Doubt[];
  /** What became of the recordings, in the order of `config.types`. */
  readonly types: readonly TypeSummary[];
}

/** One recording of a prepared session in numbers. */
export interface TypeSummary extends Pick<PreparedRecording, "recordedFrames" | "filters"> {
  readonly type: string;
  /** Trials that hold training, and validation samples; and all there are. */
  readonly trials: { readonly train: number; readonly val: number; readonly all: number };
}

/**
 * Prepares one session. The configuration and a session that was passed in are left as they are.
 *
 * @throws UserError when the session or all its types are missing, a recording is damaged or lacks a key, units do not
 *   exist, lags reach beyond a recording, a model input is not a number, or no frame is left to train on
 */
export function prepareSession(config: SessionConfig, options: PrepareOptions = {}): PreparedSession {
  const name = config.session;
  const warnings: string[] = [];
  const warn = (message: string): void => {
    warnings.push(`Session "${name}": ${message}`);
  };
  for (const [transform, entry] of Object.entries(config.transforms)) {
    for (const message of checkPipeline(transformOps(entry))) warn(`transform ${transform}: ${message}`);
  }
  const { sampling } = config;
  const factor = sampling === null ? 1 : downsampleFactor(sampling.source_rate, sampling.target_rate);
  const { session, dataDir } = locateSession(config, options);

  const opened = openTypes(session, dataDir, config, options, warn);
  const plan = planPreparation(config, opened.recordings, factor, options);
  if (plan.usesFallbackMask) warn(`no datafilters: frames with ${config.n_lags} frames of valid history are used`);
  const { recordings, dropped } = prepareTypes(session, opened, plan, options, warn);

  const { train, val } = split(config, recordings, plan, warn);
  if (train.length === 0) throw emptyTrainingSet(config, recordings);
  for (const [i, type] of recordings.entries()) {
    if (train.framesOf(i).length === 0) warn(`type "${type.prepared.type}" trains nothing: ${validFrames(type)}`);
  }
  refuseMissingValues(train.concat(val));
  const isAccepted = ({ name: doubt }: Doubt) => config.accept.includes(doubt);
  const warned = [...lagDoubts(plan, recordings, train.concat(val)), ...unitDoubts(train, config.cids)].filter(
    (doubt) => !isAccepted(doubt),
  );
  for (const { message } of warned) warn(message);
  const rate = modelRate(config, recordings[0]!.prepared.metadata);
  const others = [
    ...futureDoubts(config),
    ...transformDoubts(config, rate),
    ...recordings.flatMap((recording) => recording.doubts),
  ];
  const doubts = [...warned, ...others.filter((doubt) => !isAccepted(doubt))];
  if (options.strict ?? config.strict_data) refuseDoubts(name, doubts);
  const first = recordings[0]!.prepared;
  const types = recordings.map(({ prepared }) => prepared.type);
  return {
    session: name,
    config: { ...structuredClone(config), types, data_dir: dataDir },
    droppedTypes: config.types.filter((type) => dropped.has(type)),
    train,
    val,
    behaviorDim: train.lags.has("behavior") ? (first.column("behavior").shape[1] ?? 1) : 0,
    nUnits: config.cids.length,
    cids: [...config.cids],
    warnings,
    doubts,
    types: recordings.map((recording, i) => summary(recording, train.framesOf(i), val.framesOf(i))),
  };
}

function summary({ prepared, trialInds, ...rest }: PreparedRecording, train: Int32Array, val: Int32Array): TypeSummary {
  const trialsOf = (frames: Int32Array) => new Set(Array.from(frames, (frame) => trialInds[frame])).size;
  return {
    type: prepared.type,
    recordedFrames: rest.recordedFrames,
    filters: rest.filters,
    trials: { train: trialsOf(train), val: trialsOf(val), all: distinctTrials(trialInds).length },
  };
}

/** The session, and the folder it was found in as an absolute path: checkpoints keep it and are used from anywhere. */
function locateSession(
  config: SessionConfig,
  { session, dataDir = config.data_dir }: PrepareOptions,
): { session: Session; dataDir: string | undefined } {
  if (session !== undefined) return { session, dataDir: config.data_dir };
  if (dataDir === undefined) {
    throw new UserError(`Cannot prepare session "${config.session}": no data folder is set`, {
      hint: "Set data_dir in the dataset configuration, or pass the folder that holds the sessions (--data-dir).",
    });
  }
  const folder = resolve(dataDir);
  return { session: openSession(folder, config), dataDir: folder };
}

interface OpenedTypes {
  recordings: Recording[];
  dropped: Set<string>;
}

function openTypes(
  session: Session,
  dataDir: string | undefined,
  config: SessionConfig,
  { lenient }: PrepareOptions,
  warn: (message: string) => void,
): OpenedTypes {
  const dropped = new Set<string>();
  const recordings = config.types.flatMap((type) => {
    const recording = attempt(lenient, `Cannot open session "${session.name}", type "${type}"`, warn, () =>
      session.open(type),
    );
    if (recording === null) warn(`there is no recording of type "${type}"`);
    if (recording) return [recording];
    dropped.add(type);
    return [];
  });
  if (recordings.length > 0) return { recordings, dropped };
  const found = session.types();
  const where = dataDir === undefined ? "" : ` in "${dataDir}"`;
  throw new UserError(
    `Cannot prepare session "${config.session}": it has none of the types ${config.types.join(", ")}${where}`,
    { hint: found.length === 0 ? "It has no .dset or .safetensors file at all." : `It has ${found.join(", ")}.` },
  );
}

function prepareTypes(
  session: Session,
  { recordings: opened, dropped }: OpenedTypes,
  plan: PreparationPlan,
  { lenient }: PrepareOptions,
  warn: (message: string) => void,
): { recordings: PreparedRecording[]; dropped: Set<string> } {
  const recordings = opened.flatMap((recording) => {
    const context = `Cannot prepare session "${session.name}", type "${recording.type}"`;
    const prepared = attempt(lenient, context, warn, () => prepareRecording(recording, session, plan));
    if (prepared !== undefined) return [prepared];
    dropped.add(recording.type);
    return [];
  });
  if (recordings.length > 0) return { recordings, dropped };
  throw new UserError(`Cannot prepare session "${session.name}": none of its types could be prepared`);
}

/** Runs a step; its user errors get the context or, when lenient, become warnings. */
function attempt<Result>(
  lenient: boolean | undefined,
  context: string,
  warn: (message: string) => void,
  step: () => Result,
): Result | undefined {
  try {
    return inContext(context, step);
  } catch (error) {
    if (!lenient || !(error instanceof UserError)) throw error;
    warn(error.message);
    return undefined;
  }
}

/** Samples whose history starts in the trial before, because lags reach further than the datafilters guarantee. */
function lagDoubts(
  { guaranteedLags }: PreparationPlan,
  types: readonly PreparedRecording[],
  samples: SampleSet,
): Doubt[] {
  const { past } = lagReach(samples.lags);
  if (past <= guaranteedLags) return [];
  let reaching = 0;
  for (const [i, { trialInds }] of types.entries()) {
    for (const frame of samples.framesOf(i)) if (trialInds[frame - past] !== trialInds[frame]) reaching++;
  }
  if (reaching === 0) return [];
  return [
    {
      name: "lags_beyond_filter",
      message:
        `lags reach ${past} frames back, the datafilters guarantee ${guaranteedLags}: ` +
        `${reaching} of ${samples.length} samples show the end of the trial before`,
      remedy: `Set n_lags of valid_nlags to ${past}, or shorten the lags.`,
    },
  ];
}

function unitDoubts(train: SampleSet, cids: readonly number[]): Doubt[] {
  const masked = maskedUnits(train, cids);
  if (masked.length === 0) return [];
  const units = masked.length === 1 ? `unit ${masked[0]} has` : `units ${masked.join(", ")} have`;
  return [
    {
      name: "masked_units",
      message: `${units} no valid training frame and will not be fitted`,
      remedy: "Leave them out of cids, or loosen the datafilters.",
    },
  ];
}

function split(
  config: SessionConfig,
  types: readonly PreparedRecording[],
  plan: PreparationPlan,
  warn: (message: string) => void,
): { train: SampleSet; val: SampleSet } {
  refuseUnknownTrials(config, types);
  const rows = types.map(({ prepared, trialInds }) =>
    splitByTrial(trialInds, usableRows(prepared, config, plan, warn), {
      trainFraction: config.train_val_split,
      seed: config.seed,
      splitBy: config.split_by,
      blocks: config.split_blocks,
      ...(config.val_trials === undefined ? {} : { valTrials: config.val_trials }),
    }),
  );
  const recordings = types.map(({ prepared }) => prepared);
  const samples = (part: keyof SplitRows): SampleSet =>
    new SampleSet({
      session: config.session,
      recordings,
      recordingOf: joinedIndices(rows.map((row, recording) => new Int32Array(row[part].length).fill(recording))),
      frameOf: joinedIndices(rows.map((row) => row[part])),
      keysLags: config.keys_lags,
      pixelnorm: plan.storedStimulus?.pixelnorm ?? false,
    });
  return { train: samples("train"), val: samples("val") };
}

/**
 * Frames that pass the filters. Where these guarantee fewer frames than the lags reach, the first frames of a recording
 * cannot be served and are left out, so that the reference's configurations of this kind work at all.
 */
function usableRows(
  prepared: Recording,
  config: SessionConfig,
  { guaranteedLags }: PreparationPlan,
  warn: (message: string) => void,
): Int32Array {
  const valid = validRows(prepared.get("dfs"));
  const { past } = lagReach(parseKeysLags(config.keys_lags));
  if (guaranteedLags === 0) return valid;
  const usable = valid.filter((row) => row >= past);
  const lost = valid.length - usable.length;
  // Lags longer than the recording are a mistake, which serving it says.
  if (usable.length === 0) return valid;
  if (lost > 0) {
    const samples = lost === 1 ? "1 valid frame is" : `${lost} valid frames are`;
    warn(`type "${prepared.type}": ${samples} left out, whose history of ${past} frames begins before the recording`);
  }
  return usable;
}

function refuseUnknownTrials(config: SessionConfig, types: readonly PreparedRecording[]): void {
  const known = new Set(types.flatMap(({ trialInds }) => [...distinctTrials(trialInds)]));
  const unknown = (config.val_trials ?? []).filter((trial) => !known.has(trial));
  if (unknown.length === 0) return;
  const numbers = [...known].sort((a, b) => a - b);
  throw new UserError(`Cannot split session "${config.session}": it has no trial ${unknown.join(", ")}`, {
    hint: `val_trials may name ${known.size} trials from ${numbers[0]} to ${numbers.at(-1)}.`,
  });
}

function emptyTrainingSet(config: SessionConfig, types: readonly PreparedRecording[]): UserError {
  const parts = types.map((type) => `${type.prepared.type} has ${validFrames(type)}`);
  return new UserError(`Cannot train on session "${config.session}": no training frame is left; ${parts.join(", ")}`, {
    hint: `Check train_val_split (${config.train_val_split}) and the datafilters.`,
  });
}

function validFrames({ prepared, trialInds }: PreparedRecording): string {
  const valid = validRows(prepared.get("dfs")).length;
  const trials = distinctTrials(trialInds).length;
  return `${valid} valid of ${prepared.length} frames in ${trials} ${trials === 1 ? "trial" : "trials"}`;
}
