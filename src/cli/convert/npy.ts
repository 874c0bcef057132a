/**
 * @file Stimulus and responses in .npy files → a recording of our own format, with the configuration to train on it.
 */
import { basename, join } from "node:path";
import { memoryColumn } from "../../data/column.ts";
import { Recording } from "../../data/recording.ts";
import { fileDigest, writeRecording } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { type SampleSettings, writeParentFile, writeSessionFile } from "./dataset-files.ts";
import { readResponses } from "./responses.ts";
import { openStimulus } from "./stimulus.ts";
import { parseTrialList, type TrialOptions, trialNumbers } from "./trials.ts";
import { verifyRecording } from "./verify-recording.ts";

/** What {@link convertNpy} converts, and how. */
export interface ConvertNpyOptions {
  /** Stimulus, frames first: `[frames]`, `[frames, width]` or `[frames, height, width]`. */
  readonly stim: string;
  /** Spike counts or mean counts per frame, `[frames, units]`. */
  readonly robs: string;
  /** Order of the axes in the files where it is another: letters t, h, w, and t, n. */
  readonly stimAxes?: string | undefined;
  readonly robsAxes?: string | undefined;
  /** Size to average frames down to, in pixels. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
  /** Duration of a frame, in seconds. */
  readonly frameSeconds: number;
  readonly trials: TrialOptions;
  /** Name of the session, `<subject>_<date>`. */
  readonly session: string;
  /** Name of the stimulus type. */
  readonly type: string;
  /** Folder to write to; made if missing. */
  readonly out: string;
  /** Units to train on, columns of the responses; default all. All are stored. */
  readonly cids?: readonly number[] | undefined;
  /** Trials that validate: `0,4,10-19` or a .npy file. */
  readonly valTrials?: string | undefined;
  /** A parent dataset file to write, or to add the session to. */
  readonly datasetConfig?: { readonly path: string } & Pick<SampleSettings, "lags" | "splitBy" | "trainFraction">;
}

/** What {@link convertNpy} wrote. */
export interface ConvertedNpy {
  /** Path of the session's configuration. */
  readonly sessionFile: string;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  readonly units: number;
  readonly trials: number;
  /** What the user should look at again, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Writes `<out>/<session>/<type>.safetensors` and `.json`, `<out>/sessions/<session>.yaml` and, if asked for, a parent
 * dataset file. The recording is read back and compared by hash.
 *
 * @throws UserError for files that cannot be read or do not fit together, values that are not counts, unknown units or
 *   trials, and names that are no file names
 */
export function convertNpy(options: ConvertNpyOptions): ConvertedNpy {
  const { out, session, type, datasetConfig } = options;
  for (const [flag, name] of [
    ["--session", session],
    ["--type", type],
  ] as const)
    requireFileName(flag, name);
  const isStill = options.trials.kind === "frame";

  const stimulus = openStimulus({ ...options, path: options.stim, axes: options.stimAxes });
  const [frames, height, width] = stimulus.column.shape as [number, number, number];
  const responses = readResponses(options.robs, options.robsAxes, frames);
  const units = responses.array.shape[1]!;
  const cids = options.cids ?? Array.from({ length: units }, (_, unit) => unit);
  requireUnits(cids, units, options.robs);
  const trials = trialNumbers(options.trials, frames);
  const distinct = new Set(Array.from(trials, Number));
  const valTrials = options.valTrials === undefined ? undefined : parseTrialList(options.valTrials, distinct);
  if (datasetConfig !== undefined && valTrials === undefined && distinct.size < 2) {
    throw new UserError("Cannot split one trial into training and validation", {
      hint: "Cut the recording into pieces with --trial-length, or name trials with --trials.",
    });
  }

  const vector = <T extends Float64Array | BigInt64Array>(dtype: "float64" | "int64", data: T) =>
    memoryColumn({ dtype, shape: [frames], data });
  const recording = new Recording(
    type,
    [
      [
        "t_bins",
        vector(
          "float64",
          Float64Array.from({ length: frames }, (_, t) => (t + 0.5) * options.frameSeconds),
        ),
      ],
      ["trial_inds", vector("int64", trials)],
      ["stim", stimulus.column],
      ["robs", responses.array],
      ["dpi_valid", vector("float64", new Float64Array(frames).fill(1))],
    ],
    { name: type, session, sources: { stim: origin(options.stim), robs: origin(options.robs) } },
    session,
  );
  const folder = join(out, session);
  writeRecording(folder, recording, { rateHz: 1 / options.frameSeconds });
  verifyRecording(folder, recording);

  const converted = { dataDir: out, session, type, cids, valTrials };
  const sessionFile = writeSessionFile(converted);
  if (datasetConfig !== undefined) {
    const isGrey = stimulus.column.dtype === "uint8";
    writeParentFile(datasetConfig.path, converted, { ...datasetConfig, isStill, isGrey });
  }
  const warnings = [...stimulus.warnings, ...responses.warnings];
  return { sessionFile, frames, height, width, units, trials: distinct.size, warnings };
}

function requireFileName(flag: string, name: string): void {
  if (/^[\p{L}\p{N}][\p{L}\p{N}._+-]*$/u.test(name)) return;
  throw new UserError(`Cannot use ${JSON.stringify(name)} as ${flag}: it becomes the name of a file`, {
    hint: "Use letters, digits, and . _ + - after the first one, as in Allen_2022-02-16.",
  });
}

function requireUnits(cids: readonly number[], units: number, path: string): void {
  const unknown = cids.find((unit) => !(Number.isInteger(unit) && unit >= 0 && unit < units));
  if (unknown === undefined) return;
  throw new UserError(`Cannot keep unit ${unknown}: "${path}" has ${units} units`, {
    hint: `Units are numbered 0 to ${units - 1} (--cids).`,
  });
}

function origin(path: string): { file: string; sha256: string } {
  return { file: basename(path), sha256: fileDigest(path) };
}
