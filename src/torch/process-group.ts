/**
 * @file Groups of processes that exchange tensors: Gloo for everything on the CPU, NCCL between GPUs where there is one.
 *
 * Every exchange waits for all processes, which must make the same ones in the same order.
 */

import { UserError } from "../errors.ts";
import { noGrad } from "./autograd.ts";
import type { ProcessGroupOptions } from "./distributed.ts";
import { FAREWELL_MS, type Heartbeat } from "./heartbeat.ts";
import { native } from "./native.ts";
import { ops } from "./ops.ts";
import { scope } from "./scope.ts";
import { STORE_SECONDS, type Store } from "./store.ts";
import { cat, Tensor, tensor } from "./tensor.ts";

/** Another process ended, failed or does not answer. This one has nothing to answer for. */
export class LostProcessError extends UserError {
  override readonly name = "LostProcessError";
}

/** Bytes that are exchanged at once. */
const BUCKET_BYTES = 25 * 2 ** 20;

/** How much longer than this process the others may need, and for how many seconds they are waited for at least. */
const PATIENCE = 4;
const ALIVE_SECONDS = 600;

/**
 * Seconds for the members to say that they are there after an exchange failed, in which those that live have heartbeats; and
 * for rank 0's verdict about it.
 */
const ROLL_CALL_SECONDS = 3;
const VERDICT_SECONDS = 5;

/** What rank 0 found after an exchange failed. */
interface Verdict {
  /** Why the heartbeats have given a process up; a connection that was lost after that is a consequence. */
  told?: string;
  /** Ranks that did not answer. */
  silent: number[];
  /** Ranks that said why they stopped. */
  stopped: { rank: number; message: string }[];
}

/**
 * Processes that exchange tensors.
 *
 * Exchanges block. A process that ends is noticed at once, one that hangs by its heartbeat. One that lives but does not come is
 * waited for: for four times as long as this one was away itself, and at least for ten minutes.
 */
export class ProcessGroup {
  readonly rank: number;
  readonly world: number;
  private readonly store: Store;
  /** Every rank as messages name it. */
  private readonly names: readonly string[];
  private readonly group: number;
  private readonly nccl: number | null;
  private readonly heartbeat: Heartbeat;
  /** When the last exchange ended, milliseconds. */
  private lastAt = performance.now();
  /** Number of the next {@link follow}. */
  private marks = 0;

  /** Use {@link initProcessGroup}. */
  constructor(
    options: ProcessGroupOptions,
    store: Store,
    names: readonly string[],
    group: number,
    heartbeat: Heartbeat,
  ) {
    const { rank, world, device = "cpu", backend = "auto" } = options;
    this.rank = rank;
    this.world = world;
    this.store = store;
    this.names = names;
    this.group = group;
    this.heartbeat = heartbeat;
    const useNccl = backend !== "gloo" && device.startsWith("cuda") && native().hasNccl();
    this.nccl = useNccl ? native().openNccl(this.ncclId(), rank, world, device) : null;
  }

  /** What GPU tensors are exchanged by. */
  get backend(): "gloo" | "nccl" {
    return this.nccl === null ? "gloo" : "nccl";
  }

  /** Replaces the tensors of every process by their sum or mean over the processes, the same bits everywhere. */
  allReduce(tensors: readonly Tensor[], op: "sum" | "mean" = "sum"): void {
    this.inBuckets(tensors, (flat) => {
      if (flat.device !== "cpu") {
        this.exchange((seconds) => native().ncclAllReduce(this.nccl!, flat.handle, seconds));
      } else this.exchange((seconds) => native().allReduce(this.group, flat.handle, false, seconds));
      if (op === "mean") ops.div_.Scalar(flat, this.world);
    });
  }

  /** Replaces the tensors of every process by those of rank 0. */
  broadcast(tensors: readonly Tensor[]): void {
    this.inBuckets(tensors, (flat) => {
      if (flat.device !== "cpu") {
        this.exchange((seconds) => native().ncclBroadcast(this.nccl!, flat.handle, seconds));
      } else this.exchange((seconds) => native().broadcast(this.group, flat.handle, seconds));
    });
  }

  /** A CPU tensor of every process, by rank; all have the same shape. */
  gather(own: Tensor): Tensor[] {
    return this.exchange((seconds) =>
      native()
        .allGather(this.group, own.contiguous().handle, this.world, seconds)
        .map((handle) => Tensor.wrap(handle)),
    );
  }

  /** Sums, or largest values, over the processes of a few numbers. */
  reduceNumbers(values: ArrayLike<number>, op: "sum" | "max" = "sum"): Float64Array {
    return scope(() => {
      const all = tensor(Float64Array.from(values), [values.length]);
      this.exchange((seconds) => native().allReduce(this.group, all.handle, op === "max", seconds));
      return all.toTypedArray() as Float64Array;
    });
  }

  /** Waits until all processes are here. */
  barrier(): void {
    this.reduceNumbers([0]);
  }

  /**
   * Waits until rank 0 is here, which does something on its own before: for as long as `seconds` while its process lives, but
   * no longer than it takes to notice that it does not.
   */
  follow(seconds: number): void {
    const mark = `mark/${this.marks++}`;
    const until = performance.now() + seconds * 1000;
    try {
      if (this.rank === 0) this.store.set(mark, "reached");
      while (this.rank > 0 && this.store.get([mark])[0] === null) {
        if (performance.now() > until) throw new Error("waiting for rank 0 timed out");
        this.heartbeat.turn();
        pause(10);
      }
    } catch (error) {
      throw this.explain(error, /timed out/.test(String(error)) ? seconds : STORE_SECONDS);
    } finally {
      this.lastAt = performance.now();
    }
  }

  /** Lets the others know why this process stops. They learn it in their next exchange. */
  fail(reason: unknown): void {
    if (reason instanceof LostProcessError) return;
    this.heartbeat.stop();
    try {
      this.store.set(`state/${this.rank}`, `stopped: ${firstLine(reason)}`);
    } catch {
      // They will see that it is gone.
    }
  }

  /** Leaves the group when all processes are ready to. */
  destroy(): void {
    this.barrier();
    this.heartbeat.stop();
    if (this.nccl !== null) native().closeNccl(this.nccl);
    native().closeGroup(this.group);
    this.store.close();
  }

  private ncclId(): string {
    if (this.rank === 0) this.store.set("nccl", native().ncclUniqueId());
    this.barrier();
    return this.store.get(["nccl"])[0]!;
  }

  /** Calls `body` with the tensors joined end to end, as many of one kind as fit into a bucket, and copies the results back. */
  private inBuckets(tensors: readonly Tensor[], body: (flat: Tensor) => void): void {
    for (const bucket of bucketsOf(tensors)) {
      noGrad(() =>
        scope(() => {
          const joined = cat(bucket.map((part) => part.detach().reshape([-1])));
          const flat = this.nccl === null ? joined.to({ device: "cpu" }) : joined;
          body(flat);
          let start = 0;
          for (const part of bucket) {
            part.detach().copy_(flat.slice(0, start, start + part.numel).view(part.shape));
            start += part.numel;
          }
        }),
      );
    }
  }

  private exchange<Result>(body: (seconds: number) => Result): Result {
    const away = (performance.now() - this.lastAt) / 1000;
    const seconds = Math.max(ALIVE_SECONDS, PATIENCE * away);
    try {
      return this.heartbeat.whileWaiting(() => body(seconds));
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== "ERR_TORCH") throw error;
      throw this.explain(error, seconds);
    } finally {
      this.lastAt = performance.now();
    }
  }

  // --- after a failure -------------------------------------------------------------------------------------------------

  private explain(error: unknown, seconds: number): LostProcessError {
    this.heartbeat.stop();
    const reason = this.reasonFor(error, seconds);
    return new LostProcessError(`Rank ${this.rank} stops because ${reason}`, { cause: error });
  }

  private reasonFor(error: unknown, seconds: number): string {
    const { told, silent, stopped } = this.verdict();
    if (told !== undefined) return told;
    if (stopped.length > 0)
      return stopped.map(({ rank, message }) => `${this.names[rank]} failed: ${message}`).join("; ");
    if (silent.length === 0) return `the connection failed: ${firstLine(error)}`;
    const isLate = /timed out|not answer/i.test(String(error));
    const happened = isLate ? `did not answer for ${Math.round(seconds)} s` : "ended unexpectedly";
    return `${silent.map((rank) => this.names[rank]).join(" and ")} ${happened}`;
  }

  /** Who is to blame. Rank 0 finds out and tells the others, which all arrive here sooner or later. */
  private verdict(): Verdict {
    const others = this.names.map((_, rank) => rank).filter((rank) => rank !== this.rank);
    try {
      this.store.set(`state/${this.rank}`, "waiting");
      const [told] = this.store.get(["lost"]);
      if (told) {
        if (this.rank === 0) pause(FAREWELL_MS);
        return { told, silent: [], stopped: [] };
      }
      const before = this.beats(others);
      const call = () => this.rollCall(others);
      if (this.rank > 0) {
        const text = this.pollFor(() => this.store.get(["verdict"])[0] ?? null, VERDICT_SECONDS);
        return text === null ? this.withoutLiving(call(), before) : (JSON.parse(text) as Verdict);
      }
      this.pollFor(() => (call().silent.length === 0 ? true : null), ROLL_CALL_SECONDS);
      const verdict = this.withoutLiving(call(), before);
      this.store.set("verdict", JSON.stringify(verdict));
      // The store ends with this process: the others have to read it first.
      if (this.world > 2) pause(FAREWELL_MS / 2);
      return verdict;
    } catch {
      return { silent: this.rank > 0 ? [0] : [], stopped: [] };
    }
  }

  private rollCall(ranks: readonly number[]): Verdict {
    const states = this.store.get(ranks.map((rank) => `state/${rank}`));
    return {
      silent: ranks.filter((_, i) => states[i] === null),
      stopped: ranks.flatMap((rank, i) => {
        const message = /^stopped: (.*)/.exec(states[i] ?? "")?.[1];
        return message === undefined ? [] : [{ rank, message }];
      }),
    };
  }

  /** One in the middle of a long step does not answer either, but its heart beats. */
  private withoutLiving({ silent, stopped }: Verdict, before: ReadonlyMap<number, string | null>): Verdict {
    const now = this.beats(silent);
    return { silent: silent.filter((rank) => now.get(rank) === before.get(rank)), stopped };
  }

  private beats(ranks: readonly number[]): Map<number, string | null> {
    const texts = this.store.get(ranks.map((rank) => `beat/${rank}`));
    return new Map(ranks.map((rank, i) => [rank, texts[i]!]));
  }

  /** Asks again until there is an answer, or null after so many seconds. */
  private pollFor<Answer>(ask: () => Answer | null, seconds: number): Answer | null {
    const until = performance.now() + seconds * 1000;
    for (;;) {
      const answer = ask();
      if (answer !== null || performance.now() > until) return answer;
      pause(50);
    }
  }
}

/** Tensors of one element type and device, in order, up to 25 MB at a time. */
function* bucketsOf(tensors: readonly Tensor[]): Generator<Tensor[]> {
  const open = new Map<string, { parts: Tensor[]; bytes: number }>();
  for (const part of tensors) {
    const kind = `${part.dtype} ${part.device}`;
    const bucket = open.get(kind) ?? { parts: [], bytes: 0 };
    bucket.parts.push(part);
    bucket.bytes += part.numel * (part.dtype.endsWith("64") ? 8 : 4);
    open.set(kind, bucket);
    if (bucket.bytes < BUCKET_BYTES) continue;
    yield bucket.parts;
    open.delete(kind);
  }
  for (const { parts } of open.values()) yield parts;
}

/** Blocks this thread: after a failure nothing else may run. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]!;
}
