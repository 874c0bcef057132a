/**
 * @file A session ready for evaluation: its data under the configuration that the checkpoint carries, and its units matched
 * with those of the twin's readout (evaluation specification, section 4).
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { SessionConfig } from "../config/session.ts";
import { modelRate } from "../data/frame-rate.ts";
import { type PreparedSession, prepareSession } from "../data/prepare.ts";
import { columnDigest } from "../data/recording-files.ts";
import { SampleSet } from "../data/samples.ts";
import { openSession } from "../data/session.ts";
import { UserError } from "../errors.ts";
import { dataDigest } from "../training/data-digest.ts";
import type { LoadedTwin } from "../training/model-file.ts";
import { checkSessionFits, dataConfig } from "../training/session-fit.ts";

/** Types that are looked for in every session, in this order, after those that it was trained on. */
export const EVALUATED_TYPES = ["backimage", "gaborium", "gratings", "fixrsvp"] as const;

/** Covariates that analyses read beside what the twin is served. */
const KEPT_KEYS = ["true_rates", "trial_inds", "psth_inds", "t_bins", "eyepos", "dpi_valid", "sf", "ori", "stim_phase"];

/** How the units of the data and those of the twin belong together. */
export interface UnitMatch {
  /** Units in both, by their numbers in the recordings, in the order of the readout. */
  readonly cids: readonly number[];
  /** Position of each in the readout, [units]. */
  readonly columns: Int32Array;
  /** Units of the twin that the data do not have. */
  readonly gone: readonly number[];
  /** Units of the dataset configuration that the twin does not know. */
  readonly unknown: readonly number[];
}

/** A session of a twin with its data. */
export interface EvaluatedSession {
  readonly name: string;
  /** Number of the session in the twin. */
  readonly index: number;
  readonly units: UnitMatch;
  /** Folder of the session. */
  readonly folder: string;
  /** The data configuration as it was used. */
  readonly config: SessionConfig;
  /** Frames per second of samples; null when neither configuration nor recordings say. */
  readonly frameRate: number | null;
  /** Types the twin was trained on. */
  readonly trainedTypes: readonly string[];
  /** Types that there are samples of, in order. */
  readonly stimuli: readonly string[];
  /** Fingerprint of all data that are evaluated. */
  readonly data: string;
  /** The samples of a type that are evaluated, in order: validation samples; of repeats, all. None when it is absent. */
  samples(type: string): SampleSet;
  /** All samples of a type that are not evaluated: those that the twin was, or could have been, trained on. */
  otherSamples(type: string): SampleSet;
  /** The same samples of one type with the stimulus as it was shown, grey levels, whatever the twin sees of it. */
  asShown(set: SampleSet, type: string): SampleSet;
}

/** Options of {@link openEvaluatedSession}. */
export interface EvaluatedSessionOptions {
  /** Folder with the sessions' folders; that of the session's configuration when absent. */
  readonly dataDir?: string | undefined;
  /** A data configuration that replaces the checkpoint's; its units are matched by number. */
  readonly config?: SessionConfig | undefined;
  /** Types whose trials repeat one sequence. */
  readonly repeats: readonly string[];
  /** Told what the user should know, one sentence each. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Prepares a session of a twin for evaluation. The stored configuration is left as it is.
 *
 * @throws UserError when the recordings cannot be found or read, do not fit the twin, or share no unit with it
 */
export function openEvaluatedSession(
  loaded: LoadedTwin,
  index: number,
  { dataDir, config: replacement, repeats, onWarning = () => {} }: EvaluatedSessionOptions,
): EvaluatedSession {
  const { info, path } = loaded;
  const known = loaded.sessions[index]!;
  const stored = replacement ?? dataConfig(known, path);
  const root = dataDir ?? stored.data_dir;
  if (root === undefined || !existsSync(join(root, stored.session))) throw movedRecordings(path, stored, dataDir);
  const units = matchUnits(known.cids ?? stored.cids, stored.cids, recordedUnits(root, stored));
  for (const message of unitWarnings(known.name, units)) onWarning(message);
  if (units.cids.length === 0) throw noSharedUnits(known.name, path);

  const config = { ...stored, cids: [...units.cids] };
  const prepared = prepareWithAllTypes(config, root, onWarning);
  checkSessionFits({ path, input: info.input }, { ...known, cids: [...units.cids] }, prepared);

  if (
    known.data !== null &&
    units.gone.length === 0 &&
    known.data !== dataDigest(trainedSamples(prepared.train, stored.types))
  ) {
    onWarning(`The recordings of ${known.name} are not those that the twin was trained on`);
  }
  const evaluated = prepared.train.concat(prepared.val);
  const { train, val } = prepared;
  for (const type of stored.types.filter((type) => repeats.includes(type) && prepared.config.types.includes(type))) {
    onWarning(
      `${known.name}: the twin was trained on "${type}", whose repeats are scored on all trials: those scores are optimistic`,
    );
  }
  return {
    name: known.name,
    index,
    units,
    folder: join(root, stored.session),
    config: prepared.config,
    frameRate: modelRate(config, train.recordings[0]?.metadata ?? {}),
    trainedTypes: stored.types,
    stimuli: prepared.config.types.filter((type) => evaluated.ofType(type).length > 0),
    data: evaluatedDigest(evaluated, units.cids),
    samples: (type) => (repeats.includes(type) ? train.ofType(type).concat(val.ofType(type)) : val.ofType(type)),
    otherSamples: (type) => (repeats.includes(type) ? train.subset([]) : train.ofType(type)),
    asShown: (set, type) => (isShownPlainly(config) ? set : plainSamples(config, root, set, type)),
  };
}

/** Fingerprint of samples and units, and of what analyses read beside what the twin is served: gaze, times, trials, gratings. */
function evaluatedDigest(set: SampleSet, cids: readonly number[]): string {
  const hash = createHash("sha256").update(dataDigest(set)).update(JSON.stringify(cids));
  for (const recording of set.recordings) {
    for (const key of KEPT_KEYS.filter((kept) => recording.has(kept))) {
      hash.update(`${recording.type} ${key} ${columnDigest(recording.column(key))}`);
    }
  }
  return hash.digest("hex");
}

/** Training samples without the recordings that are only evaluated; these come after the others. */
function trainedSamples(train: SampleSet, types: readonly string[]): SampleSet {
  const recordings = train.recordings.filter(({ type }) => types.includes(type));
  const kept = [...train.frameOf.keys()].filter((i) => train.recordingOf[i]! < recordings.length);
  return new SampleSet({ ...train.subset(kept), recordings });
}

/** Whether the twin's stimulus is that of the screen but for a scale. */
function isShownPlainly({ transforms }: SessionConfig): boolean {
  const entries = Object.values(transforms).filter(({ expose_as }) => expose_as === "stim");
  return entries.every(({ ops }) => ops.every((op) => op.pixelnorm !== undefined));
}

/** Samples of one type without the transforms of its stimulus. */
function plainSamples(config: SessionConfig, dataDir: string, set: SampleSet, type: string): SampleSet {
  const others = Object.entries(config.transforms).filter(([, { expose_as }]) => expose_as !== "stim");
  const stim = { source: "stim", ops: [{ pixelnorm: {} }], expose_as: "stim", concatenate: false };
  const plain = {
    ...config,
    types: [type],
    transforms: { ...Object.fromEntries(others), stim },
    keys_lags: { robs: 0, dfs: 0, stim: 0 },
  };
  const { train } = prepareSession(plain, { dataDir, keepKeys: KEPT_KEYS });
  const frameOf = set.ofType(type).frameOf;
  return new SampleSet({ ...train, recordingOf: new Int32Array(frameOf.length), frameOf });
}

/** Prepares the types of the configuration and those that are looked for in every session, as far as they go together. */
function prepareWithAllTypes(
  config: SessionConfig,
  dataDir: string,
  onWarning: (message: string) => void,
): PreparedSession {
  const types = [...new Set([...config.types, ...EVALUATED_TYPES])];
  const options = { dataDir, keepKeys: KEPT_KEYS };
  try {
    const prepared = prepareSession({ ...config, types }, { ...options, lenient: true });
    // That a type was not recorded is usual; that one cannot be used is not.
    for (const warning of prepared.warnings.filter((text) => text.includes(": Cannot "))) onWarning(warning);
    return prepared;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // A type of another size, for example, that the twin was not trained on either. If it is not that, this throws too.
    const prepared = prepareSession(config, options);
    onWarning(`${config.session}: only ${config.types.join(", ")} can be evaluated: ${error.message}`);
    return prepared;
  }
}

/** Units of the recordings: columns of `robs`. */
function recordedUnits(root: string, config: SessionConfig): number {
  const session = openSession(root, config);
  const counts = config.types.flatMap((type) => session.open(type)?.column("robs").shape[1] ?? []);
  return Math.min(...counts);
}

/**
 * Matches units by their numbers in the recordings.
 *
 * @param known units of the readout, in order
 * @param wanted units of the data configuration
 * @param recorded columns of the recordings
 */
export function matchUnits(known: readonly number[], wanted: readonly number[], recorded: number): UnitMatch {
  const present = new Set(wanted.filter((cid) => cid < recorded));
  const columns = Int32Array.from(known.keys()).filter((column) => present.has(known[column]!));
  const trained = new Set(known);
  return {
    cids: Array.from(columns, (column) => known[column]!),
    columns,
    gone: known.filter((cid) => !present.has(cid)),
    unknown: wanted.filter((cid) => !trained.has(cid)),
  };
}

function unitWarnings(session: string, { cids, gone, unknown }: UnitMatch): string[] {
  const shown = (units: readonly number[]) =>
    `${units.slice(0, 12).join(", ")}${units.length > 12 ? `, … (${units.length})` : ""}`;
  return [
    ...(gone.length > 0
      ? [`${session}: the data have no unit ${shown(gone)} of the twin; ${cids.length} are scored`]
      : []),
    ...(unknown.length > 0 ? [`${session}: the twin does not know unit ${shown(unknown)}, left out`] : []),
  ];
}

function noSharedUnits(session: string, path: string): UserError {
  return new UserError(`Cannot evaluate session "${session}" of "${path}": the data share no unit with the twin`, {
    hint: "Units are matched by their numbers (cids). Use the recordings and the units that the twin was trained on.",
  });
}

function movedRecordings(path: string, { session, data_dir }: SessionConfig, given: string | undefined): UserError {
  const place =
    given !== undefined
      ? `there is no folder "${join(given, session)}"`
      : data_dir === undefined
        ? "it does not say where they are"
        : `they were in "${data_dir}"`;
  return new UserError(`Cannot find the recordings of session "${session}" of "${path}": ${place}`, {
    hint: `Name the folder that holds the session's folder now: --data-dir <dir>, with <dir>/${session} in it.`,
  });
}
