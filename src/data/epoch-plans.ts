/**
 * @file Which samples the batches of one epoch hold, without touching data (data specification, sections 13.4 and 14).
 *
 * A plan is a function from a batch's number within the epoch to global indices. It depends on the seed, the epoch and the
 * batch alone, so every process computes its own share and a run continues anywhere.
 */
import type { Curriculum } from "./curriculum.ts";
import { LazyPermutation, MersenneTwister, mixSeeds } from "./random.ts";

/** The global indices of a batch, [batchSize], by the batch's number within the epoch. */
export type EpochPlan = (batch: number) => Int32Array;

/** What the plans of all epochs of a run have in common. */
export interface PlanSettings {
  /** First global index of every session, and the number of all samples at the end, [sessions + 1]. */
  readonly offsets: Int32Array;
  readonly batchSize: number;
  readonly batchesPerEpoch: number;
  readonly seed: number;
  /** This process, from 0. */
  readonly rank: number;
  /** Processes. */
  readonly world: number;
}

/**
 * Sessions mixed within a batch, each sample as likely as any other: the permutation seeded `seed + epoch`, of which each
 * process takes every `world`-th entry.
 */
export function mixedPlan({ offsets, batchSize, seed, rank, world }: PlanSettings, epoch: number): EpochPlan {
  const order = new LazyPermutation(offsets.at(-1)!, seed + epoch);
  return (batch) => {
    const drawn = order.take((batch + 1) * batchSize * world);
    const first = batch * batchSize;
    return Int32Array.from({ length: batchSize }, (_, i) => drawn[rank + (first + i) * world]!);
  };
}

/**
 * Sessions drawn one by one, for every `block` samples in a row: the whole batch from one session (`block` = batch size), or
 * sessions mixed by weights of their own (`block` = 1). Within an epoch a session's samples come in a random order of their
 * own, all once before any comes again.
 *
 * @param weights how likely each session is, in any unit
 */
export function sessionPlan(settings: PlanSettings, epoch: number, weights: Float64Array, block: number): EpochPlan {
  const { offsets, batchSize, seed, rank, world } = settings;
  const draws = new SessionDraws(settings, epoch, weights, block);
  const walks = new Map<string, LazyPermutation>();
  const walk = (session: number, round: number, size: number): LazyPermutation => {
    const key = `${session}/${round}`;
    const known = walks.get(key);
    if (known !== undefined) return known;
    const fresh = new LazyPermutation(size, mixSeeds(seed, epoch, session, round));
    walks.set(key, fresh);
    return fresh;
  };
  return (batch) => {
    const indices = new Int32Array(batchSize);
    for (let at = 0; at < batchSize; at += block) {
      const number = ((batch * batchSize + at) / block) * world + rank;
      const { session, before } = draws.at(number);
      const start = offsets[session]!;
      const size = offsets[session + 1]! - start;
      for (let i = 0; i < block; i++) {
        const position = before * block + i;
        const inRound = position % size;
        indices[at + i] = start + walk(session, Math.floor(position / size), size).take(inRound + 1)[inRound]!;
      }
    }
    return indices;
  };
}

/**
 * Samples drawn with replacement, likelier the more contrast they show.
 *
 * @param share of the curriculum done when a batch is drawn, see {@link Curriculum.progress}
 * @param sessions how likely each session is and how many samples in a row it gives; absent: as its samples are
 */
export function curriculumPlan(
  settings: PlanSettings,
  epoch: number,
  curriculum: Curriculum,
  sessions?: { weights: Float64Array; block: number },
): EpochPlan {
  const { offsets, batchSize, batchesPerEpoch, seed, rank, world } = settings;
  const draws = sessions && new SessionDraws(settings, epoch, sessions.weights, sessions.block);
  const block = sessions?.block ?? batchSize;
  return (batch) => {
    const generator = new MersenneTwister(mixSeeds(seed, CURRICULUM_STREAM, epoch, batch * world + rank));
    const progress = curriculum.progress(epoch * batchesPerEpoch + batch);
    const indices = new Int32Array(batchSize);
    for (let at = 0; at < batchSize; at += block) {
      const session = draws?.at(((batch * batchSize + at) / block) * world + rank).session;
      const [start, end] = session === undefined ? [0, offsets.at(-1)!] : [offsets[session]!, offsets[session + 1]!];
      for (let i = 0; i < block; i++) indices[at + i] = curriculum.draw(generator, start, end, progress);
    }
    return indices;
  };
}

/** Keeps the draws of a curriculum apart from other random numbers of the same seed. */
const CURRICULUM_STREAM = 0x63757272;

/** Sessions in a random order, drawn when first asked for: the same on every process. */
class SessionDraws {
  /** Weights summed up, [sessions]. */
  readonly #cumulative: Float64Array;
  readonly #generator: MersenneTwister;
  readonly #sessions: Int32Array;
  /** Blocks of the same session before each draw. */
  readonly #before: Int32Array;
  readonly #counts: Int32Array;
  #drawn = 0;

  constructor(
    { batchSize, batchesPerEpoch, seed, world }: PlanSettings,
    epoch: number,
    weights: Float64Array,
    block: number,
  ) {
    const blocks = (batchesPerEpoch * batchSize * world) / block;
    this.#sessions = new Int32Array(blocks);
    this.#before = new Int32Array(blocks);
    this.#counts = new Int32Array(weights.length);
    let sum = 0;
    this.#cumulative = weights.map((weight) => {
      sum += weight;
      return sum;
    });
    this.#generator = new MersenneTwister(mixSeeds(seed, epoch));
  }

  /** The draw with this number, counted over all processes. */
  at(number: number): { session: number; before: number } {
    for (; this.#drawn <= number; this.#drawn++) {
      const target = this.#generator.uniform() * this.#cumulative.at(-1)!;
      const session = this.#cumulative.findIndex((sum) => target < sum);
      this.#sessions[this.#drawn] = session;
      this.#before[this.#drawn] = this.#counts[session]!++;
    }
    return { session: this.#sessions[number]!, before: this.#before[number]! };
  }
}
