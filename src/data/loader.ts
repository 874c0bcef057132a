/**
 * @file Batches for a model: the samples of a plan, grouped by session, as tensors on the model's device (data
 * specification, sections 13.3 and 17.3).
 *
 * There are no worker processes and no per-sample objects. Every value is moved once, from its recording into the batch. For a
 * GPU a batch goes over in three transfers at most, grey levels as bytes, which become numbers there. Every value equals what
 * {@link SampleSet.serve} gives for the same sample.
 */
import { empty, gatherFrames, noGrad, ops, scope, type Tensor, tensor } from "../torch/index.ts";
import { HostBuffer } from "./host-buffer.ts";
import { type Column, columnsOf, type SessionColumns } from "./loader-columns.ts";
import { firstRows, type ResidentStimuli } from "./resident-stimuli.ts";
import { groupBySession, sessionOffsets } from "./samplers.ts";
import type { SampleSet } from "./samples.ts";

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

/**
 * The reference's storage modes: `bfloat16` rounds all that is served to what that type can hold. Grey levels are stored as
 * bytes in any case, and served as float32.
 */
export const STORAGE_MODES = ["uint8", "bfloat16", "float32"] as const;
export type StorageMode = (typeof STORAGE_MODES)[number];

export interface BatchLoaderOptions {
  device?: string;
  /** False leaves the stimulus out, for models that read behaviour only. */
  withStimulus?: boolean;
  /** Stimuli that lie on the device already; those of other sessions are sent with every batch. */
  resident?: ResidentStimuli | undefined;
  /** Where grey levels become numbers: while they are gathered, or after they were sent as bytes, the default for a GPU. */
  decodeOn?: "host" | "device";
  storage?: StorageMode;
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
  private readonly decodesOnDevice: boolean;
  private readonly isRounded: boolean;
  private readonly buffers: Readonly<Record<Memory, HostBuffer>>;
  private readonly device: string;
  /** Grey levels as numbers, when they become those on the device. */
  private pixels: Tensor | undefined;

  /** @throws UserError when a session does not serve `robs`, `dfs` or, unless left out, `stim`, or lists lags for `robs` */
  constructor(sets: readonly SampleSet[], options: BatchLoaderOptions = {}) {
    const { device = "cpu", withStimulus = true, resident, decodeOn = device === "cpu" ? "host" : "device" } = options;
    this.offsets = sessionOffsets(sets.map((set) => set.length));
    this.sets = sets;
    this.sessions = sets.map((set) => {
      const columns = columnsOf(set, withStimulus);
      const frames = columns.stim?.isLevels ? resident?.of(set) : undefined;
      return { ...columns, resident: frames && { frames, firstRows: firstRows(set) } };
    });
    this.decodesOnDevice = decodeOn === "device";
    this.isRounded = options.storage === "bfloat16";
    this.buffers = {
      floats: new HostBuffer("float32", device),
      bytes: new HostBuffer("uint8", device),
      rows: new HostBuffer("int32", device),
    };
    this.device = device;
  }

  /**
   * Loads the samples with these global indices.
   *
   * @throws RangeError for an index outside the sessions
   */
  load(plan: ArrayLike<number>): Batch {
    return noGrad(() => scope(() => ({ groups: this.receive(this.stage(plan)), size: plan.length })));
  }

  /**
   * The host's part of {@link load}: gathers the samples into the loader's buffers.
   *
   * @throws RangeError for an index outside the sessions
   */
  stage(plan: ArrayLike<number>): StagedBatch {
    const { groups, used } = this.layOut(plan);
    const reserved = Object.fromEntries(
      MEMORIES.flatMap((name) => (used[name] > 0 ? [[name, this.buffers[name].reserve(used[name])]] : [])),
    ) as Record<Memory, Tensor>;
    for (const { session, local, placed } of groups) {
      const set = this.sets[session]!;
      const recordings = local.map((sample) => set.recordingOf[sample]!);
      const frames = local.map((sample) => set.frameOf[sample]!);
      for (const place of Object.values(placed)) {
        if (place === undefined) continue;
        const { column, memory, start } = place;
        if (memory === "rows") {
          const rows = residentRows(column, this.sessions[session]!.resident!.firstRows, recordings, frames);
          reserved.rows.slice(0, start, start + rows.length).copy_(tensor(rows));
        } else gatherFrames(reserved[memory], start, { ...column, recordings, frames });
      }
    }
    return { groups, reserved };
  }

  /** Frees the buffers. */
  dispose(): void {
    for (const buffer of Object.values(this.buffers)) buffer.dispose();
    this.pixels?.dispose();
    this.pixels = undefined;
  }

  /** Finds a place in the buffers for every key of every group. */
  private layOut(plan: ArrayLike<number>): { groups: StagedGroup[]; used: Record<Memory, number> } {
    const used = { floats: 0, bytes: 0, rows: 0 };
    const groups = groupBySession(plan, this.offsets).map(({ session, local }): StagedGroup => {
      const { stim, robs, dfs, behavior, history, resident } = this.sessions[session]!;
      const samples = local.length;
      const place = (column: Column, memory: Memory = "floats"): Placed => {
        const start = used[memory];
        used[memory] += samples * (memory === "rows" ? column.lags.length : column.size);
        return { column, samples, memory, start };
      };
      const sendsBytes = stim?.isLevels && this.decodesOnDevice;
      const placed = {
        stim: stim && place(stim, resident ? "rows" : sendsBytes ? "bytes" : "floats"),
        robs: place(robs),
        dfs: place(dfs),
        behavior: behavior && place(behavior),
        history: history && place(history),
      };
      return { session, local, placed };
    });
    return { groups, used };
  }

  /** Staged samples on the device, with grey levels as numbers. */
  private receive({ groups, reserved }: StagedBatch): SessionBatch[] {
    const sent = Object.fromEntries(
      Object.entries(reserved).map(([name, tensor]) => [name, this.buffers[name as Memory].send(tensor)]),
    ) as Record<Memory, Tensor>;
    if (sent.floats) this.rounded(sent.floats);
    const starts = this.placePixels(groups);
    return groups.map(({ session, local, placed: { stim, robs, dfs, behavior, history } }, i) => ({
      session,
      name: this.sets[session]!.session,
      stimulus: stim ? this.stimulusOf(session, stim, sent, starts[i]!) : null,
      robs: samplesOf(robs, sent.floats),
      dfs: samplesOf(dfs, sent.floats),
      behavior: behavior ? samplesOf(behavior, sent.floats) : null,
      history: history ? samplesOf(history, sent.floats) : null,
      indices: local,
    }));
  }

  /** [samples, channels, lags, height, width] as float32. */
  private stimulusOf(session: number, stim: Placed, sent: Record<Memory, Tensor>, pixel: number): Tensor {
    const { column, samples, memory, start } = stim;
    if (memory === "floats") return samplesOf(stim, sent.floats);
    const [channels, lags, height, width] = column.shape as [number, number, number, number];
    const out = samplesOf({ ...stim, start: pixel }, this.pixels!);
    if (memory === "bytes") out.copy_(samplesOf(stim, sent.bytes));
    else {
      const shown = sent.rows.slice(0, start, start + samples * lags);
      const levels = this.sessions[session]!.resident!.frames.indexSelect(0, shown);
      out.copy_(levels.view([samples, lags, channels, height, width]).transpose(1, 2));
    }
    return this.rounded(column.normalise ? ops.div_.Scalar(out.add_(-127), 255) : out);
  }

  /** Rounds values in their place if the storage mode does. */
  private rounded(values: Tensor): Tensor {
    return this.isRounded ? values.copy_(values.to({ dtype: "bfloat16" })) : values;
  }

  /** Makes room for stimuli that become numbers on the device, and tells where each group's begin. */
  private placePixels(groups: readonly StagedGroup[]): number[] {
    let total = 0;
    const starts = groups.map(({ placed: { stim } }) => {
      const start = total;
      if (stim && stim.memory !== "floats") total += stim.samples * stim.column.size;
      return start;
    });
    if (total > (this.pixels?.numel ?? 0)) {
      this.pixels?.dispose();
      this.pixels = empty([total], { device: this.device }).keep();
    }
    return starts;
  }
}

/** What goes to a device: numbers, grey levels, or which frames of those that lie there. */
type Memory = "floats" | "bytes" | "rows";
const MEMORIES: readonly Memory[] = ["floats", "bytes", "rows"];

interface Columns extends SessionColumns {
  /** The stimulus where it lies on the device, and its recordings' first frames there. */
  readonly resident: { frames: Tensor; firstRows: Int32Array } | undefined;
}

/** Samples of a column in one of the buffers. */
interface Placed {
  readonly column: Column;
  readonly samples: number;
  readonly memory: Memory;
  /** Position of the first value. */
  readonly start: number;
}

/** The samples of one session in the buffers. */
interface StagedGroup {
  readonly session: number;
  readonly local: Int32Array;
  readonly placed: Readonly<
    Record<"robs" | "dfs", Placed> & Record<"stim" | "behavior" | "history", Placed | undefined>
  >;
}

/** A batch in the memory of the host. */
export interface StagedBatch {
  readonly groups: readonly StagedGroup[];
  readonly reserved: Readonly<Record<Memory, Tensor>>;
}

/** The part of a buffer that holds these samples, [samples, ...]. */
function samplesOf({ column, samples, start }: Placed, buffer: Tensor): Tensor {
  return buffer.slice(0, start, start + samples * column.size).view([samples, ...column.shape]);
}

/** Rows of resident frames, [samples · lags], in the order of lags. */
function residentRows({ lags }: Column, firsts: Int32Array, recordings: Int32Array, frames: Int32Array): Int32Array {
  const rows = new Int32Array(frames.length * lags.length);
  let at = 0;
  for (const [sample, frame] of frames.entries()) {
    for (const lag of lags) rows[at++] = firsts[recordings[sample]!]! + frame - lag;
  }
  return rows;
}
