/**
 * @file What the processes of a run have to agree on: weights, gradients, the objective, and what happens next (training
 * specification, section 19).
 *
 * Each process trains on its own batches with a model of its own. Gradients are averaged before every update, so the models
 * stay the same, bit for bit.
 */

import { createHash } from "node:crypto";
import type { SessionBatch } from "../data/loader.ts";
import { UserError } from "../errors.ts";
import {
  defaultGeneratorState,
  gradsOf,
  type Module,
  noGrad,
  type ProcessGroup,
  scope,
  stack,
  type Tensor,
  tensor,
  zeros,
} from "../torch/index.ts";
import { randomStateName } from "./checkpoint.ts";
import type { GroupLoss } from "./metrics.ts";

/** Seconds that processes wait for rank 0 to write a checkpoint. */
const SAVING_SECONDS = 600;

/** This process's part in a run of several. */
export class Replica {
  readonly group: ProcessGroup;
  private readonly buffers: readonly Tensor[];

  constructor(group: ProcessGroup, twin: Module) {
    this.group = group;
    // Others are tables, the same everywhere.
    this.buffers = [...twin.namedBuffers()].filter(({ name }) => isStatistic(name)).map(({ tensor: buffer }) => buffer);
  }

  get rank(): number {
    return this.group.rank;
  }
  get world(): number {
    return this.group.world;
  }
  /** Whether this process writes checkpoints and metrics. */
  get leads(): boolean {
    return this.rank === 0;
  }

  /**
   * Gives every process the weights of rank 0, once they are known to train the same thing.
   *
   * @param parts what must be the same everywhere, by name
   * @throws UserError that names a process where something differs, and what
   */
  begin(twin: Module, parts: Readonly<Record<string, unknown>>): void {
    scope(() => {
      const names = Object.keys(parts);
      const all = this.group.gather(tensor(Uint8Array.from(names.flatMap((name) => [...digest(parts[name])]))));
      const digests = all.map((own) => Buffer.from(own.toTypedArray().buffer));
      for (const [rank, own] of digests.entries()) {
        const at = names.findIndex((_, i) => !slice(own, i).equals(slice(digests[0]!, i)));
        if (at < 0) continue;
        throw new UserError(`Cannot train together: ${names[at]} of rank ${rank} and of rank 0 are not the same`, {
          hint: "Start all processes with the same options, configurations and data.",
        });
      }
      const tensors = [...twin.namedParameters(), ...twin.namedBuffers()];
      this.group.broadcast(tensors.map((named) => named.tensor));
    });
  }

  /** Gives every process the running statistics of rank 0: batch means and variances, singular vectors. */
  shareStatistics(): void {
    if (this.buffers.length > 0) this.group.broadcast(this.buffers);
  }

  /**
   * Averages gradients over the processes. A parameter without a gradient counts as zero where others have one, and stays
   * without where none has.
   */
  averageGradients(parameters: readonly Tensor[]): void {
    noGrad(() =>
      scope(() => {
        const own = gradsOf(parameters);
        const users = this.group.reduceNumbers(own.map((grad) => Number(grad !== null)));
        const used = parameters.flatMap((parameter, i) => {
          if (users[i] === 0) return [];
          if (own[i]) return [own[i]];
          const grad = zeros(parameter.shape, { dtype: parameter.dtype as "float32", device: parameter.device });
          parameter.setGrad(grad);
          return [grad];
        });
        this.group.allReduce(used, "mean");
      }),
    );
  }

  /** The largest of every process's number; decisions that depend on clocks and signals are made with it. */
  largest(value: number): number {
    return this.group.reduceNumbers([value], "max")[0]!;
  }

  /** Rank 0's number, for decisions about what each process has counted for itself. */
  leading(value: number): number {
    return scope(() => {
      const cell = tensor(Float64Array.of(value), [1]);
      this.group.broadcast([cell]);
      return cell.toTypedArray()[0] as number;
    });
  }

  /** Waits for rank 0, which is writing. */
  afterSaving(): void {
    this.group.follow(SAVING_SECONDS);
  }

  /** Random states of the processes but rank 0, as checkpoints name them. The tensors belong to the caller's scope. */
  otherRandomStates(device: string): Map<string, Tensor> {
    const states = new Map<string, Tensor>();
    for (const where of new Set(["cpu", device])) {
      const all = this.group.gather(defaultGeneratorState(where));
      for (const [rank, state] of all.entries()) if (rank > 0) states.set(randomStateName(where, rank), state);
    }
    return states;
  }

  /** The rows of all processes, in the order of ranks. */
  gatherRows(rows: readonly (readonly number[])[], columns: number): number[][] {
    return scope(() => {
      const most = this.largest(rows.length);
      // One row more, which says how many there are.
      const own = new Float64Array((most + 1) * columns);
      own[0] = rows.length;
      rows.forEach((row, i) => {
        own.set(row, (i + 1) * columns);
      });
      return this.group.gather(tensor(own, [most + 1, columns])).flatMap((all) => {
        const values = all.toTypedArray() as Float64Array;
        return Array.from({ length: values[0]! }, (_, i) => [...values.subarray((i + 1) * columns, (i + 2) * columns)]);
      });
    });
  }
}

function isStatistic(name: string): boolean {
  return /(running_mean|running_var|num_batches_tracked|weight_u|weight_v)$/.test(name);
}

const DIGEST_BYTES = 32;

function digest(value: unknown): Buffer {
  return createHash("sha256").update(JSON.stringify(value)).digest();
}

function slice(digests: Buffer, part: number): Buffer {
  return digests.subarray(part * DIGEST_BYTES, (part + 1) * DIGEST_BYTES);
}

/** What the sessions of the batches of all processes amount to. */
export interface GlobalObjective {
  /** Loss of every session present in any of the batches; not finite where it has no part. */
  losses: GroupLoss[];
  /** Their mean, as one process would compute it. */
  baseLoss: number;
  /** By which number each of this process's groups' losses enters the objective; 0 for those that are left out. */
  weights: number[];
}

/**
 * The objective of one process for the batches of all: every session present weighs the same (or every sample), however it is
 * spread over the processes. A session that is not finite anywhere is left out everywhere.
 *
 * The weights are those for averaged gradients.
 *
 * @param losses of the groups of this process's batch
 */
export function globalObjective(
  { group }: Replica,
  sessionNames: readonly string[],
  groups: readonly SessionBatch[],
  losses: readonly number[],
  weighSamples: boolean,
): GlobalObjective {
  const sessions = sessionNames.length;
  const masks = scope(() =>
    groups.length > 0 ? stack(groups.map(({ dfs }) => dfs.float().sum())).toTypedArray() : [],
  );
  // Per session: the sum of its mask, which its loss is divided by; that times the loss; samples; losses that failed.
  const sums = new Float64Array(4 * sessions);
  for (const [i, { session, indices, dfs, robs }] of groups.entries()) {
    // A column of a mask stands for all units.
    const mask = Number(masks[i]) * (dfs.ndim > 1 && dfs.size(1) === robs.size(1) ? 1 : robs.size(1));
    const succeeded = Number.isFinite(losses[i]);
    sums[session] = mask;
    sums[sessions + session] = succeeded ? mask * losses[i]! : 0;
    sums[2 * sessions + session] = indices.length;
    // Without a valid entry there is no loss here, which says nothing about the session.
    sums[3 * sessions + session] = Number(!succeeded && mask !== 0);
  }
  const all = group.reduceNumbers(sums);
  const present = sessionNames.flatMap((name, session) => {
    const [mask, weighted, samples, failed] = [0, 1, 2, 3].map((row) => all[row * sessions + session]!) as [
      number,
      number,
      number,
      number,
    ];
    return samples === 0 ? [] : [{ name, session, mask, samples, loss: failed > 0 ? Number.NaN : weighted / mask }];
  });
  const kept = present.filter(({ loss }) => Number.isFinite(loss));
  const keptSamples = kept.reduce((sum, { samples }) => sum + samples, 0);
  const shareOf = ({ samples }: { samples: number }) => (weighSamples ? samples / keptSamples : 1 / kept.length);
  return {
    losses: present.map(({ name, loss, samples }) => ({ session: name, loss, samples })),
    baseLoss: kept.reduce((sum, session) => sum + session.loss * shareOf(session), 0),
    weights: groups.map((own) => {
      const total = kept.find(({ session }) => session === own.session);
      const mask = sums[own.session]!;
      return total === undefined || mask === 0 ? 0 : (group.world * shareOf(total) * mask) / total.mask;
    }),
  };
}
