/**
 * @file Batches for a model: the samples of a plan, grouped by session, as tensors on the model's device (data
 * specification, sections 13.3 and 17.3).
 *
 * There are no worker processes and no per-sample objects. On the host a batch is one copy per sample and key into reused
 * buffers; those go to the device in two transfers, and the stimulus becomes float there. Every value equals what
 * {@link SampleSet.serve} gives for the same sample.
 */
import { UserError } from "../errors.ts";
import { elementCount } from "../formats/array.ts";
import { empty, noGrad, ops, scope, type Tensor, tensor } from "../torch/index.ts";
import type { LagSpec } from "./lags.ts";
import { groupBySession, sessionOffsets } from "./samplers.ts";
import type { RecordingArrays, SampleSet } from "./samples.ts";

/** The samples of one session in a batch. */
export interface SessionBatch {
  /** Number of the session. */
  session: number;
  name: string;
  /** [samples, channels, lags, height, width], float32; null when the loader leaves it out. */
  stimulus: Tensor | null;
  /** Spike counts, [samples, units]. */
  robs: Tensor;
  /** Validity, [samples, units], or [samples, 1] for all units alike. */
  dfs: Tensor;
  /** [samples, variables], with lags in between if they are a list; null when the session serves none. */
  behavior: Tensor | null;
  /** Earlier spikes, [samples, units], with lags in between if they are a list; null when the session serves none. */
  history: Tensor | null;
  /** Which samples of the session these are, [samples]. */
  indices: Int32Array;
}

/** A batch: one group per session present, in order of first appearance. */
export interface Batch {
  groups: SessionBatch[];
  /** Samples in all groups. */
  size: number;
}

export interface BatchLoaderOptions {
  device?: string;
  /** False leaves the stimulus out, for models that read behaviour only. */
  withStimulus?: boolean;
}

/**
 * Makes batches from plans.
 *
 * A batch's tensors lie in the loader's buffers: they are valid until the next batch is loaded. They belong to the scope
 * in which it was loaded.
 */
export class BatchLoader {
  /** First global index of every session, and the number of all samples, [sessions + 1]. */
  readonly offsets: Int32Array;
  private readonly sessions: readonly Columns[];
  private readonly sets: readonly SampleSet[];
  private readonly device: string;
  private readonly bytes = new Staging(new Uint8Array(0));
  private readonly floats = new Staging(new Float32Array(0));
  private pixels: Tensor | undefined;

  /** @throws UserError when a session does not serve `robs`, `dfs` or, unless left out, `stim`, or lists lags for `robs` */
  constructor(sets: readonly SampleSet[], { device = "cpu", withStimulus = true }: BatchLoaderOptions = {}) {
    this.offsets = sessionOffsets(sets.map((set) => set.length));
    this.sets = sets;
    this.sessions = sets.map((set) => columnsOf(set, withStimulus));
    this.device = device;
  }

  /**
   * Loads the samples with these global indices.
   *
   * @throws RangeError for an index outside the sessions
   */
  load(plan: ArrayLike<number>): Batch {
    const staged = this.stage(plan);
    return noGrad(() => scope(() => ({ groups: this.send(staged), size: plan.length })));
  }

  /**
   * The host's part of {@link load}: copies the samples into the loader's buffers.
   *
   * @throws RangeError for an index outside the sessions
   */
  stage(plan: ArrayLike<number>): StagedGroup[] {
    this.bytes.clear();
    this.floats.clear();
    return groupBySession(plan, this.offsets).map(({ session, local }) => {
      const place = (column: Column | undefined): Placed | undefined => {
        if (column === undefined) return undefined;
        const staging = column.isBytes ? this.bytes : this.floats;
        return { column, samples: local.length, start: copySamples(column, this.sets[session]!, local, staging) };
      };
      const { stim, robs, dfs, behavior, history } = this.sessions[session]!;
      return {
        session,
        local,
        stim: place(stim),
        robs: place(robs)!,
        dfs: place(dfs)!,
        behavior: place(behavior),
        history: place(history),
      };
    });
  }

  /** Frees the buffer on the device. */
  dispose(): void {
    this.pixels?.dispose();
    this.pixels = undefined;
  }

  /** Two transfers, however many groups there are; the rest happens on the device. */
  private send(staged: readonly StagedGroup[]): SessionBatch[] {
    const bytes = this.bytes.toDevice(this.device);
    const floats = this.floats.toDevice(this.device);
    return staged.map(({ session, local, stim, robs, dfs, behavior, history }) => {
      const { session: name, pixelnorm } = this.sets[session]!;
      return {
        session,
        name,
        stimulus: stim ? this.stimulus(stim, stim.column.isBytes ? bytes : floats, pixelnorm) : null,
        robs: viewSamples(robs, floats),
        dfs: viewSamples(dfs, floats),
        behavior: behavior ? inOrder(behavior, viewSamples(behavior, floats)) : null,
        history: history ? inOrder(history, viewSamples(history, floats)) : null,
        indices: local,
      };
    });
  }

  /** [samples, channels, lags, height, width] as float32, from the stored type. */
  private stimulus(placed: Placed, flat: Tensor, pixelnorm: boolean): Tensor {
    if (!placed.column.isBytes) return inOrder(placed, viewSamples(placed, flat)).permute([0, 2, 1, 3, 4]).contiguous();
    const stored = viewSamples(placed, flat);
    if (this.pixels === undefined || this.pixels.numel < flat.numel) {
      this.pixels?.dispose();
      this.pixels = empty([flat.numel], { device: this.device }).keep();
    }
    const [samples, lags, channels, height, width] = stored.shape as [number, number, number, number, number];
    const out = this.pixels
      .slice(0, placed.start, placed.start + stored.numel)
      .view([samples, channels, lags, height, width]);
    const step = this.device === "cpu" ? DECODED_AT_ONCE : samples;
    for (let start = 0; start < samples; start += step) {
      const end = Math.min(start + step, samples);
      const levels = inOrder(placed, stored.slice(0, start, end)).permute([0, 2, 1, 3, 4]);
      const part = out.slice(0, start, end).copy_(levels);
      if (pixelnorm) ops.div_.Scalar(part.add_(-127), 255);
    }
    return out;
  }
}

/** Samples decoded at a time on a CPU: they then stay in its cache from one step to the next. */
const DECODED_AT_ONCE = 4;

/** What a session serves of one key. */
export interface Column {
  /** Values by recording, frame after frame. */
  sources: readonly (Uint8Array | Float32Array)[];
  /** Whether they go to the device as bytes; counts and masks become float32 on the way. */
  isBytes: boolean;
  /** Values per frame. */
  width: number;
  lags: Int32Array;
  /** Lags count up by one: a sample is a run of frames, copied at once and therefore oldest first. */
  isRun: boolean;
  /** Shape of a sample, with the lag axis first if it has one. */
  shape: readonly number[];
}

interface Columns {
  /** Samples are [lags, channels, height, width], also for a single lag and without stored channels. */
  stim: Column | undefined;
  robs: Column;
  dfs: Column;
  behavior: Column | undefined;
  history: Column | undefined;
}

/** Samples of a column in a staging buffer. */
export interface Placed {
  column: Column;
  samples: number;
  /** Position of the first value. */
  start: number;
}

/** The samples of one session in the staging buffers. */
export interface StagedGroup {
  session: number;
  local: Int32Array;
  stim: Placed | undefined;
  robs: Placed;
  dfs: Placed;
  behavior: Placed | undefined;
  history: Placed | undefined;
}

function columnsOf(set: SampleSet, withStimulus: boolean): Columns {
  const arrays = set.recordings.map((_, recording) => set.arrays(recording));
  const [first] = arrays;
  if (first === undefined) throw new UserError(`Cannot load session "${set.session}": it has no recordings`);
  const column = (
    key: string,
    sourceOf: (recording: RecordingArrays) => Uint8Array | Float32Array | undefined,
    frameShape: readonly number[],
  ): Column | undefined => {
    const lags = set.lags.get(key);
    return (
      lags &&
      makeColumn(
        arrays.map((recording) => sourceOf(recording)!),
        lags,
        frameShape,
        key === "stim" && arrays[0]!.stim instanceof Uint8Array,
      )
    );
  };
  const required = (key: string, found: Column | undefined): Column => {
    if (found !== undefined) return found;
    throw new UserError(`Cannot load session "${set.session}": keys_lags has no "${key}"`, {
      hint: `Add "${key}: 0" to keys_lags.`,
    });
  };
  for (const key of ["robs", "dfs"]) {
    if (!set.lags.get(key)?.axis) continue;
    throw new UserError(`Cannot load session "${set.session}": keys_lags.${key} is a list`, {
      hint: "A model predicts one frame at a time: give a single lag, 0 as a rule.",
    });
  }
  const { channels, height, width, units, dfsColumns, behaviorDim } = first;
  const stim = withStimulus
    ? required(
        "stim",
        column("stim", (r) => r.stim, [channels, height, width]),
      )
    : undefined;
  return {
    stim: stim && { ...stim, shape: [stim.lags.length, channels, height, width] },
    robs: required(
      "robs",
      column("robs", (r) => r.robs, [units]),
    ),
    dfs: required(
      "dfs",
      column("dfs", (r) => r.dfs, [dfsColumns]),
    ),
    behavior: column("behavior", (r) => r.behavior, [behaviorDim]),
    history: column("history", (r) => r.history, [units]),
  };
}

function makeColumn(
  sources: readonly (Uint8Array | Float32Array)[],
  { lags, axis }: LagSpec,
  frameShape: readonly number[],
  isBytes: boolean,
): Column {
  return {
    sources,
    isBytes,
    width: elementCount(frameShape),
    lags,
    isRun: lags.length > 1 && lags.every((lag, i) => lag === lags[0]! + i),
    shape: axis ? [lags.length, ...frameShape] : frameShape,
  };
}

/** Appends samples to a staging buffer and returns where they start. */
function copySamples(
  { sources, width, lags, isRun }: Column,
  set: SampleSet,
  samples: Int32Array,
  to: Staging,
): number {
  const start = to.grow(samples.length * lags.length * width);
  const oldest = lags[lags.length - 1]!;
  let at = start;
  for (const sample of samples) {
    const source = sources[set.recordingOf[sample]!]!;
    const frame = set.frameOf[sample]!;
    if (isRun) {
      const first = (frame - oldest) * width;
      to.values.set(source.subarray(first, first + lags.length * width), at);
      at += lags.length * width;
      continue;
    }
    for (const lag of lags) {
      const first = (frame - lag) * width;
      to.values.set(source.subarray(first, first + width), at);
      at += width;
    }
  }
  return start;
}

/** Copied samples as a tensor, lags as they were copied. */
function viewSamples({ column, samples, start }: Placed, flat: Tensor): Tensor {
  const shape = [samples, ...column.shape];
  return flat.slice(0, start, start + elementCount(shape)).view(shape);
}

/** Samples with their lags in the order of the configuration. */
function inOrder({ column }: Placed, samples: Tensor): Tensor {
  return column.isRun ? samples.flip(1) : samples;
}

/** A host buffer that keeps its memory from batch to batch. */
class Staging {
  values: Uint8Array | Float32Array;
  private used = 0;

  constructor(values: Uint8Array | Float32Array) {
    this.values = values;
  }

  clear(): void {
    this.used = 0;
  }

  /** Makes room for more values and returns where they start. */
  grow(count: number): number {
    const start = this.used;
    this.used += count;
    if (this.used > this.values.length) {
      const { values } = this;
      this.values = values instanceof Uint8Array ? new Uint8Array(this.used * 2) : new Float32Array(this.used * 2);
      this.values.set(values.subarray(0, start));
    }
    return start;
  }

  /** The values in use, on the CPU without a copy. */
  toDevice(device: string): Tensor {
    return tensor(this.values.subarray(0, this.used)).to({ device });
  }
}
