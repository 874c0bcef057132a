/**
 * @file Stimulus and responses in .npy files → a recording of our own format, with the configuration to train on it.
 */
import { basename } from "node:path";
import { fileDigest } from "../../data/recording-files.ts";
import { UserError } from "../../errors.ts";
import { openNpy } from "../../formats/npy.ts";
import type { SampleSettings } from "./dataset-files.ts";
import type { LabelledArray } from "./named-axes.ts";
import { readResponses, requireUnits } from "./responses.ts";
import { readStimulus } from "./stimulus.ts";
import { parseTrialList, type TrialOptions, trialsFromNumbers, trialsOfLength } from "./trials.ts";
import { frameColumn, writeSession } from "./write-session.ts";

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
  const { out, session, type, datasetConfig, frameSeconds } = options;
  for (const [flag, name] of [
    ["--session", session],
    ["--type", type],
  ] as const)
    requireFileName(flag, name);

  const { height, width } = options;
  const stimulus = readStimulus(npy(options.stim), {
    axes: options.stimAxes,
    axesOption: "--stim-axes",
    height,
    width,
  });
  const [frames, rows, columns] = stimulus.column.shape as [number, number, number];
  const responses = readResponses(npy(options.robs), {
    axes: options.robsAxes,
    axesOption: "--robs-axes",
    frames,
    stimulus: stimulus.label,
  });
  const units = responses.array.shape[1]!;
  const cids = options.cids ?? Array.from({ length: units }, (_, unit) => unit);
  requireUnits(cids, units, `"${options.robs}"`);
  const trials = trialNumbers(options.trials, frames);
  const distinct = new Set(Array.from(trials, Number));
  const valTrials = options.valTrials === undefined ? undefined : parseTrialList(options.valTrials, distinct);
  const isStill = options.trials.kind === "frame";

  const sessionFile = writeSession({
    dataDir: out,
    session,
    type,
    cids,
    valTrials,
    trials,
    columns: [
      ["t_bins", frameColumn(Float64Array.from({ length: frames }, (_, t) => (t + 0.5) * frameSeconds))],
      ["trial_inds", frameColumn(trials)],
      ["stim", stimulus.column],
      ["robs", responses.array],
      ["dpi_valid", frameColumn(new Float64Array(frames).fill(1))],
    ],
    metadata: { sources: { stim: origin(options.stim), robs: origin(options.robs) } },
    rateHz: 1 / frameSeconds,
    dataset: datasetConfig && { ...datasetConfig, isStill },
    replaces: true,
  });
  const warnings = [...stimulus.warnings, ...responses.warnings];
  return { sessionFile, frames, height: rows, width: columns, units, trials: distinct.size, warnings };
}

function npy(path: string): LabelledArray {
  return { array: openNpy(path), label: `"${path}"` };
}

function trialNumbers(options: TrialOptions, frames: number): BigInt64Array {
  if (options.kind === "file") return trialsFromNumbers(npy(options.path), frames);
  return trialsOfLength(frames, options.kind === "frame" ? 1 : options.frames);
}

function requireFileName(flag: string, name: string): void {
  if (/^[\p{L}\p{N}][\p{L}\p{N}._+-]*$/u.test(name)) return;
  throw new UserError(`Cannot use ${JSON.stringify(name)} as ${flag}: it becomes the name of a file`, {
    hint: "Use letters, digits, and . _ + - after the first one, as in Allen_2022-02-16.",
  });
}

function origin(path: string): { file: string; sha256: string } {
  return { file: basename(path), sha256: fileDigest(path) };
}
