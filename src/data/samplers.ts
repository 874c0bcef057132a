/**
 * @file In which order samples are drawn: shuffled training batches without end, validation in order, shards for several
 * processes (data specification, sections 13 and 14).
 *
 * Samples of all sessions are numbered in session order: a session's first global index is the number of samples in the
 * sessions before it. Plans are arrays of global indices and touch no data. The same (seed, epoch, batch) always gives
 * the same batch, so a run continues from two numbers.
 */
import { UserError } from "../errors.ts";
import type { Curriculum } from "./curriculum.ts";
import { curriculumPlan, type EpochPlan, mixedPlan, type PlanSettings, sessionPlan } from "./epoch-plans.ts";
import { permutation } from "./random.ts";

/** Options of {@link distributedOrder}. */
export interface DistributedOptions {
  seed: number;
  epoch: number;
  /** This process, from 0. */
  rank: number;
  /** Processes. */
  world: number;
  /** Cut the order to a multiple of `world`; otherwise it is filled up with samples from its beginning. */
  dropLast: boolean;
}

/**
 * The samples one process draws in an epoch, bit for bit PyTorch's distributed sampler: every process shuffles all
 * `samples` alike and takes every `world`-th.
 */
export function distributedOrder(
  samples: number,
  { seed, epoch, rank, world, dropLast }: DistributedOptions,
): Int32Array {
  const order = permutation(samples, seed + epoch);
  const perRank = dropLast ? Math.floor(samples / world) : Math.ceil(samples / world);
  return Int32Array.from({ length: perRank }, (_, i) => order[(rank + i * world) % samples]!);
}

/** Where a sampler is; plain numbers, to be stored in a checkpoint. */
export interface SamplerState {
  /** From 0. */
  epoch: number;
  /** Batches already drawn in this epoch. */
  batch: number;
}

/** How often sessions are drawn: in proportion to their samples, each alike, or each subject alike. */
export const BALANCES = ["none", "sessions", "subjects"] as const;
export type Balance = (typeof BALANCES)[number];

/** Options of {@link TrainSampler}. */
export interface TrainSamplerOptions {
  /** Training samples of every session, in session order. */
  sizes: readonly number[];
  /** Samples per batch and process. */
  batchSize: number;
  seed: number;
  /** This process, from 0. */
  rank?: number;
  /** Processes. */
  world?: number;
  /** Batches of an epoch; fewer when the samples do not suffice. Absent: all the samples give. */
  batchesPerEpoch?: number | undefined;
  /** All samples of a batch from one session. */
  homogeneous?: boolean;
  balance?: Balance;
  /** Subject of every session, for `balance: subjects`. */
  subjects?: readonly string[];
  /** Samples with contrast first; absent for none. */
  curriculum?: Curriculum | undefined;
}

/**
 * Endless training batches.
 *
 * Mixed (the default): epoch e walks the permutation seeded `seed + e`, each process taking every `world`-th sample; the
 * last incomplete batch is dropped. Homogeneous: each batch draws a session. Balanced: each sample draws a session. In
 * both, a session's samples come in a random order of their own within an epoch, all once before any comes again. While a
 * curriculum warms up, samples are drawn with replacement, see curriculum.ts.
 */
export class TrainSampler {
  /** Batches of an epoch. */
  readonly batchesPerEpoch: number;
  readonly #settings: PlanSettings;
  readonly #curriculum: Curriculum | undefined;
  /** How sessions are drawn; undefined when samples are, whatever their session. */
  readonly #sessions: { weights: Float64Array; block: number } | undefined;
  /** Plans of the current epoch, made when first needed: a shuffle is not worth its time while a curriculum warms up. */
  #plan: EpochPlan | undefined;
  #warmPlan: EpochPlan | undefined;
  #epoch = 0;
  #batch = 0;

  /** @throws UserError when the samples do not fill one batch on every process */
  constructor(options: TrainSamplerOptions) {
    const { sizes, batchSize, batchesPerEpoch, rank = 0, world = 1, homogeneous = false, seed } = options;
    const { balance = "none", subjects = sizes.map(() => ""), curriculum } = options;
    const offsets = sessionOffsets(sizes);
    const samples = offsets.at(-1)!;
    const available = Math.floor(Math.floor(samples / world) / batchSize);
    if (available === 0) {
      const processes = world === 1 ? "" : ` on each of ${world} processes`;
      throw new UserError(`Cannot train: ${samples} training samples do not fill a batch of ${batchSize}${processes}`, {
        hint: "Use a smaller batch size or more data.",
      });
    }
    this.batchesPerEpoch = Math.min(batchesPerEpoch ?? available, available);
    this.#settings = { offsets, batchSize, batchesPerEpoch: this.batchesPerEpoch, seed, rank, world };
    this.#curriculum = curriculum;
    if (homogeneous || balance !== "none") {
      const weights = sessionWeights(sizes, balance, subjects);
      this.#sessions = { weights, block: homogeneous ? batchSize : 1 };
    }
  }

  /** The next batch: global indices, [batchSize]. */
  next(): Int32Array {
    if (this.#batch === this.batchesPerEpoch) this.restore({ epoch: this.#epoch + 1, batch: 0 });
    const batch = this.#batch++;
    const curriculum = this.#curriculum;
    if (curriculum === undefined || curriculum.progress(this.#epoch * this.batchesPerEpoch + batch) === 1) {
      this.#plan ??= this.#planEpoch();
      return this.#plan(batch);
    }
    this.#warmPlan ??= curriculumPlan(this.#settings, this.#epoch, curriculum, this.#sessions);
    return this.#warmPlan(batch);
  }

  /** Where the next batch will come from. */
  get state(): SamplerState {
    return { epoch: this.#epoch, batch: this.#batch };
  }

  /**
   * Continues from a stored state; from then on batches are those the stored sampler would have drawn.
   *
   * @throws RangeError when the state is not one of this sampler's
   */
  restore({ epoch, batch }: SamplerState): void {
    if (!(Number.isInteger(epoch) && epoch >= 0 && Number.isInteger(batch) && batch >= 0)) {
      throw new RangeError(`Cannot restore a sampler to epoch ${epoch}, batch ${batch}: expected whole numbers from 0`);
    }
    if (batch > this.batchesPerEpoch) {
      throw new RangeError(`Cannot restore a sampler to batch ${batch}: an epoch has ${this.batchesPerEpoch}`);
    }
    this.#epoch = epoch;
    this.#batch = batch;
    this.#plan = undefined;
    this.#warmPlan = undefined;
  }

  #planEpoch(): EpochPlan {
    const sessions = this.#sessions;
    if (sessions === undefined) return mixedPlan(this.#settings, this.#epoch);
    return sessionPlan(this.#settings, this.#epoch, sessions.weights, sessions.block);
  }
}

function sessionWeights(sizes: readonly number[], balance: Balance, subjects: readonly string[]): Float64Array {
  if (balance === "none") return Float64Array.from(sizes);
  if (balance === "sessions") return Float64Array.from(sizes, (size) => (size > 0 ? 1 : 0));
  const ofSubject = new Map<string, number>();
  for (const [i, subject] of subjects.entries()) ofSubject.set(subject, (ofSubject.get(subject) ?? 0) + sizes[i]!);
  return Float64Array.from(sizes, (size, i) => (size > 0 ? size / ofSubject.get(subjects[i]!)! : 0));
}

/** First global index of every session, and the number of all samples at the end, [sessions + 1]. */
export function sessionOffsets(sizes: readonly number[]): Int32Array {
  const offsets = new Int32Array(sizes.length + 1);
  sizes.forEach((size, i) => {
    offsets[i + 1] = offsets[i]! + size;
  });
  return offsets;
}

/** The session a global index belongs to. */
function sessionOf(index: number, offsets: Int32Array): number {
  let low = 0;
  let high = offsets.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (offsets[middle]! <= index) low = middle;
    else high = middle;
  }
  return low;
}

/** The samples of a batch that come from one session. */
export interface SessionGroup {
  session: number;
  /** Numbers of the samples within the session. */
  local: Int32Array;
  /** Their places in the batch. */
  positions: Int32Array;
}

/**
 * A batch by session: groups in the order in which sessions first appear, samples in batch order.
 *
 * @param batch global indices
 * @param offsets from {@link sessionOffsets}
 * @throws RangeError for an index outside the sessions
 */
export function groupBySession(batch: ArrayLike<number>, offsets: Int32Array): SessionGroup[] {
  const groups = new Map<number, { local: number[]; positions: number[] }>();
  for (let position = 0; position < batch.length; position++) {
    const index = batch[position]!;
    if (!(index >= 0 && index < offsets.at(-1)!)) {
      throw new RangeError(`Cannot group sample ${index}: there are ${offsets.at(-1)} samples`);
    }
    const session = sessionOf(index, offsets);
    let group = groups.get(session);
    if (group === undefined) {
      group = { local: [], positions: [] };
      groups.set(session, group);
    }
    group.local.push(index - offsets[session]!);
    group.positions.push(position);
  }
  return Array.from(groups, ([session, { local, positions }]) => ({
    session,
    local: Int32Array.from(local),
    positions: Int32Array.from(positions),
  }));
}

/** Options of {@link validationPlan}: at most one of both; neither means every sample. */
export interface ValidationOptions {
  /** Share of the samples, in (0, 1]. */
  fraction?: number | undefined;
  /** About this many samples in all, in proportion to the sessions' sizes. */
  count?: number | undefined;
}

/**
 * Validation samples, the same in every epoch: all of them in session order, or a subset evenly spaced within each
 * session, at least one sample of each.
 *
 * @param sizes validation samples of every session
 * @returns global indices, ascending
 * @throws UserError when the fraction is not in (0, 1] or the count is not a whole number from 1
 */
export function validationPlan(sizes: readonly number[], { fraction, count }: ValidationOptions = {}): Int32Array {
  const samples = sizes.reduce((sum, size) => sum + size, 0);
  if (count !== undefined && !(Number.isInteger(count) && count >= 1)) {
    throw new UserError(`Cannot validate ${count} samples: expected a whole number from 1`);
  }
  const share = count === undefined ? (fraction ?? 1) : Math.min(1, count / Math.max(samples, 1));
  if (!(share > 0 && share <= 1)) {
    throw new UserError(`Cannot validate a fraction of ${share} of the samples: expected a number above 0 and up to 1`);
  }
  const offsets = sessionOffsets(sizes);
  const plan = sizes.flatMap((size, session) => {
    const kept = size === 0 ? 0 : Math.max(1, Math.round(size * share));
    return Array.from({ length: kept }, (_, i) => offsets[session]! + Math.floor(((i + 0.5) * size) / kept));
  });
  return Int32Array.from(plan);
}

/** Batches of a validation plan; the last one may be shorter. */
export function validationBatches(plan: Int32Array, batchSize: number): Int32Array[] {
  return Array.from({ length: Math.ceil(plan.length / batchSize) }, (_, i) =>
    plan.subarray(i * batchSize, (i + 1) * batchSize),
  );
}
