/**
 * @file What a loader serves of every session, key by key.
 */
import { UserError } from "../errors.ts";
import { elementCount } from "../formats/array.ts";
import type { RecordingArrays, SampleSet } from "./samples.ts";

/** What a session serves of one key. */
export interface Column {
  /** Values by recording, frame after frame. */
  readonly sources: readonly (Uint8Array | Float32Array)[];
  readonly lags: Int32Array;
  readonly channels: number;
  /** Values of a frame and channel. */
  readonly pixels: number;
  /** Shape of a sample. */
  readonly shape: readonly number[];
  /** Values of a sample. */
  readonly size: number;
  /** Whether these are grey levels, which may be sent as bytes. */
  readonly isLevels: boolean;
  readonly normalise: boolean;
}

/** What a session serves. */
export interface SessionColumns {
  /** Samples are [channels, lags, height, width], also for a single lag and without stored channels. */
  readonly stim: Column | undefined;
  readonly robs: Column;
  readonly dfs: Column;
  readonly behavior: Column | undefined;
  readonly history: Column | undefined;
}

/**
 * The columns of a session.
 *
 * @throws UserError when it does not serve `robs`, `dfs` or, unless left out, `stim`, or lists lags for `robs` or `dfs`
 */
export function columnsOf(set: SampleSet, withStimulus: boolean): SessionColumns {
  const arrays = set.recordings.map((_, recording) => set.arrays(recording));
  const [first] = arrays;
  if (first === undefined) throw new UserError(`Cannot load session "${set.session}": it has no recordings`);
  const { channels, height, width, units, dfsColumns, behaviorDim } = first;
  return {
    stim: withStimulus ? stimulusColumn(set, arrays, [channels, height, width]) : undefined,
    robs: responseColumn(set, "robs", arrays, units),
    dfs: responseColumn(set, "dfs", arrays, dfsColumns),
    behavior: vectorColumn(set, "behavior", arrays, behaviorDim),
    history: vectorColumn(set, "history", arrays, units),
  };
}

function stimulusColumn(
  set: SampleSet,
  arrays: readonly RecordingArrays[],
  [channels, height, width]: readonly [number, number, number],
): Column {
  const spec = set.lags.get("stim") ?? refuseMissing(set, "stim");
  const shape = [channels, spec.lags.length, height, width];
  return {
    sources: arrays.map(({ stim }) => stim!),
    lags: spec.lags,
    channels,
    pixels: height * width,
    shape,
    size: elementCount(shape),
    isLevels: arrays[0]!.stim instanceof Uint8Array,
    normalise: set.pixelnorm,
  };
}

/** Spikes or their mask: what a model predicts, one frame at a time. */
function responseColumn(
  set: SampleSet,
  key: "robs" | "dfs",
  arrays: readonly RecordingArrays[],
  values: number,
): Column {
  const column = vectorColumn(set, key, arrays, values) ?? refuseMissing(set, key);
  if (!set.lags.get(key)?.axis) return column;
  throw new UserError(`Cannot load session "${set.session}": keys_lags.${key} is a list`, {
    hint: "A model predicts one frame at a time: give a single lag, 0 as a rule.",
  });
}

function vectorColumn(
  set: SampleSet,
  key: "robs" | "dfs" | "behavior" | "history",
  arrays: readonly RecordingArrays[],
  values: number,
): Column | undefined {
  const spec = set.lags.get(key);
  if (spec === undefined) return undefined;
  const shape = spec.axis ? [spec.lags.length, values] : [values];
  return {
    sources: arrays.map((recording) => recording[key]!),
    lags: spec.lags,
    channels: 1,
    pixels: values,
    shape,
    size: elementCount(shape),
    isLevels: false,
    normalise: false,
  };
}

function refuseMissing(set: SampleSet, key: string): never {
  throw new UserError(`Cannot load session "${set.session}": keys_lags has no "${key}"`, {
    hint: `Add "${key}: 0" to keys_lags.`,
  });
}
