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
import { firstRows, type ResidentStimuli } from "./resident-stimuli.ts";
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
  /** Stimuli that lie on the device already; those of other sessions are sent with every batch. */
  resident?: ResidentStimuli | undefined;
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
  /** Frames of resident stimuli. */
  private readonly rows = new Staging<Int32Array>(new Int32Array(0));
  private pixels: Tensor | undefined;

  /** @throws UserError when a session does not serve `robs`, `dfs` or, unless left out, `stim`, or lists lags for `robs` */
  constructor(sets: readonly SampleSet[], { device = "cpu", withStimulus = true, resident }: BatchLoaderOptions = {}) {
    this.offsets = sessionOffsets(sets.map((set) => set.length));
    this.sets = sets;
    this.sessions = sets.map((set) => {
      const columns = columnsOf(set, withStimulus);
      const frames = columns.stim?.isBytes ? resident?.of(set) : undefined;
      return { ...columns, resident: frames && { frames, firstRows: firstRows(set) } };
    });
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
    this.rows.clear();
    return groupBySession(plan, this.offsets).map(({ session, local }) => {
      const place = (column: Column | undefined): Placed | undefined => {
        if (column === undefined) return undefined;
        const staging = column.isBytes ? this.bytes : this.floats;
        return { column, samples: local.length, start: copySamples(column, this.sets[session]!, local, staging) };
      };
      const { stim, robs, dfs, behavior, history, resident } = this.sessions[session]!;
      const rows = stim && resident && stageRows(stim, this.sets[session]!, resident.firstRows, local, this.rows);
      return {
        session,
        local,
        stim: rows ?? place(stim),
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

  /** Three transfers at most, however many groups there are; the rest happens on the device. */
  private send(staged: readonly StagedGroup[]): SessionBatch[] {
    const bytes = this.bytes.toDevice(this.device);
    const floats = this.floats.toDevice(this.device);
    const rows = this.rows.toDevice(this.device);
    const starts = this.placePixels(staged);
    const stimulus = (session: number, stim: Placed, start: number): Tensor => {
      const { pixelnorm } = this.sets[session]!;
      const { resident } = this.sessions[session]!;
      if (resident !== undefined) {
        const shown = rows.slice(0, stim.start, stim.start + stim.samples * stim.column.lags.length);
        const lags = stim.column.lags.length;
        return this.decode(stim, start, pixelnorm, (from, to) =>
          resident.frames.indexSelect(0, shown.slice(0, from * lags, to * lags)),
        );
      }
      const stored = viewSamples(stim, stim.column.isBytes ? bytes : floats);
      if (!stim.column.isBytes) return inOrder(stim, stored).permute([0, 2, 1, 3, 4]).contiguous();
      return this.decode(stim, start, pixelnorm, (from, to) => inOrder(stim, stored.slice(0, from, to)));
    };
    return staged.map(({ session, local, stim, robs, dfs, behavior, history }, i) => ({
      session,
      name: this.sets[session]!.session,
      stimulus: stim ? stimulus(session, stim, starts[i]!) : null,
      robs: viewSamples(robs, floats),
      dfs: viewSamples(dfs, floats),
      behavior: behavior ? inOrder(behavior, viewSamples(behavior, floats)) : null,
      history: history ? inOrder(history, viewSamples(history, floats)) : null,
      indices: local,
    }));
  }

  /** [samples, channels, lags, height, width] as float32, from grey levels in the order of lags. */
  private decode(
    { column, samples }: Placed,
    start: number,
    pixelnorm: boolean,
    levelsOf: (from: number, to: number) => Tensor,
  ): Tensor {
    const [lags, channels, height, width] = column.shape as [number, number, number, number];
    const values = samples * lags * column.width;
    const out = this.pixels!.slice(0, start, start + values).view([samples, channels, lags, height, width]);
    const step = this.device === "cpu" ? DECODED_AT_ONCE : samples;
    for (let from = 0; from < samples; from += step) {
      const to = Math.min(from + step, samples);
      const levels = levelsOf(from, to).view([to - from, lags, channels, height, width]);
      const part = out.slice(0, from, to).copy_(levels.permute([0, 2, 1, 3, 4]));
      if (pixelnorm) ops.div_.Scalar(part.add_(-127), 255);
    }
    return out;
  }

  /** Makes room for the decoded stimuli of a batch, and tells where each group's begin. */
  private placePixels(staged: readonly StagedGroup[]): number[] {
    let total = 0;
    const starts = staged.map(({ stim }) => {
      const start = total;
      if (stim?.column.isBytes) total += stim.samples * stim.column.lags.length * stim.column.width;
      return start;
    });
    if (this.pixels === undefined || this.pixels.numel < total) {
      this.pixels?.dispose();
      this.pixels = empty([total], { device: this.device }).keep();
    }
    return starts;
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
  /** The stimulus where it lies on the device, and its recordings' first frames there. */
  resident: { frames: Tensor; firstRows: Int32Array } | undefined;
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

function columnsOf(set: SampleSet, withStimulus: boolean): Omit<Columns, "resident"> {
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

/** Appends the resident frames of samples to a staging buffer: [samples, lags], in the order of lags. */
function stageRows(
  column: Column,
  set: SampleSet,
  firsts: Int32Array,
  samples: Int32Array,
  to: Staging<Int32Array>,
): Placed {
  const start = to.grow(samples.length * column.lags.length);
  let at = start;
  for (const sample of samples) {
    const frame = firsts[set.recordingOf[sample]!]! + set.frameOf[sample]!;
    for (const lag of column.lags) to.values[at++] = frame - lag;
  }
  return { column, samples: samples.length, start };
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
class Staging<Values extends Uint8Array | Int32Array | Float32Array = Uint8Array | Float32Array> {
  values: Values;
  private used = 0;

  constructor(values: Values) {
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
      const Larger = values.constructor as new (length: number) => Values;
      this.values = new Larger(this.used * 2);
      this.values.set(values.subarray(0, start));
    }
    return start;
  }

  /** The values in use, on the CPU without a copy. */
  toDevice(device: string): Tensor {
    return tensor(this.values.subarray(0, this.used)).to({ device });
  }
}
