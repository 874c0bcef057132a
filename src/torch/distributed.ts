/**
 * @file Groups of processes that exchange tensors: Gloo for everything on the CPU, NCCL between GPUs where there is one.
 *
 * Rank 0 serves a small key-value store, or a launcher does. Through it the processes find each other, and after a failure it
 * is how they learn whose it was. Every exchange waits for all processes, which must make the same ones in the same order.
 */

import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { noGrad } from "./autograd.ts";
import { native } from "./native.ts";
import { addressTowards, reachable } from "./network.ts";
import { ops } from "./ops.ts";
import { scope } from "./scope.ts";
import { cat, Tensor, tensor } from "./tensor.ts";

/** How to find the other processes. */
export interface ProcessGroupOptions {
  /** This process, from 0. */
  rank: number;
  /** Number of processes. */
  world: number;
  /** Host and port of the store. */
  address: string;
  port: number;
  /** Whether rank 0 serves the store; false where a launcher does. */
  servesStore?: boolean;
  /** Keeps groups apart that use one store. */
  run?: string;
  /** Address under which others reach this process; by default that of the interface towards `address`. */
  ownAddress?: string | undefined;
  /** Device of the tensors that are exchanged; NCCL is used on "cuda:..." if there is one. */
  device?: string;
  /** `gloo`: also between GPUs, by way of the host. */
  backend?: "auto" | "gloo" | "nccl";
  /** Seconds until all processes must have joined. */
  joinSeconds?: number;
  /** Seconds that processes wait for each other in an exchange; longer after longer work, see {@link ProcessGroup}. */
  waitSeconds?: number;
}

/** A process as the others see it. */
interface Member {
  host: string;
  pid: number;
  world: number;
}

/** Another process ended, failed or does not answer. This one has nothing to answer for. */
export class LostProcessError extends UserError {
  override readonly name = "LostProcessError";
}

/** Bytes that are exchanged at once. */
const BUCKET_BYTES = 25 * 2 ** 20;

/** How much longer than this process the others may need. */
const PATIENCE = 4;

/** Seconds until the store must answer. */
const STORE_SECONDS = 5;

/** Seconds for the members to say that they are alive after an exchange failed, and for rank 0's verdict about it. */
const ROLL_CALL_SECONDS = 2;
const VERDICT_SECONDS = 4;

/**
 * Joins a group. Resolves when all processes have joined.
 *
 * @throws UserError when the port is in use, the store cannot be reached, processes are missing after `joinSeconds` (naming
 *   them), or two have the same rank
 */
export async function initProcessGroup(options: ProcessGroupOptions): Promise<ProcessGroup> {
  const { rank, world, address, port, servesStore = true, run = "0", joinSeconds = 300 } = options;
  checkOptions(options);
  const until = performance.now() + joinSeconds * 1000;
  const serves = servesStore && rank === 0;
  const isUp = serves || (await reachable(address, port, until));
  const where = `${address}:${port}`;
  if (!isUp) {
    throw new UserError(`Rank ${rank} of ${world} cannot reach ${servesStore ? "rank 0" : "the store"} at ${where}`, {
      hint: `Nobody listened there for ${joinSeconds} s. Is rank 0 running, and does a firewall let ${port} pass?`,
    });
  }
  const store = new Store(openStore(options, serves), `visioncore/${run}/`);
  try {
    const members = await join(store, options, until);
    const own = options.ownAddress ?? (await addressTowards(address, port));
    // Names of the keys that Gloo's processes tell each other their ports by.
    const group = native().openGroup(store.id, store.key("gloo"), rank, world, own, joinSeconds);
    return new ProcessGroup(options, store, members, group);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Rank ${rank} of ${world} cannot connect to the others: ${firstLine(error)}`, {
      hint: "If this machine has several network interfaces, name the one to use: GLOO_SOCKET_IFNAME=eth0.",
      cause: error,
    });
  }
}

function checkOptions({ rank, world, port, backend, device = "cpu" }: ProcessGroupOptions): void {
  const isRank = Number.isInteger(rank) && Number.isInteger(world) && rank >= 0 && rank < world;
  if (!isRank) throw new UserError(`Cannot join as rank ${rank} of ${world}: ranks count from 0`);
  if (!(Number.isInteger(port) && port > 0 && port < 65536)) throw new UserError(`Cannot join at port "${port}"`);
  if (!native().hasProcessGroups()) {
    throw new UserError("Cannot train with several processes: this libtorch was built without c10d and Gloo", {
      hint: "Use another one: npx visioncore setup --install",
    });
  }
  if (backend === "nccl" && !(device.startsWith("cuda") && native().hasNccl())) {
    throw new UserError(`Cannot use NCCL on ${device}: it needs GPUs and a CUDA build of libtorch from 2.13`, {
      hint: "Leave the backend to be chosen; Gloo works everywhere.",
    });
  }
}

function openStore({ rank, address, port, joinSeconds = 300 }: ProcessGroupOptions, serves: boolean): number {
  try {
    return native().openStore(address, port, serves, joinSeconds);
  } catch (error) {
    if (/EADDRINUSE|already in use/i.test(String(error))) {
      throw new UserError(`Rank ${rank} cannot listen on port ${port}: it is in use`, {
        hint: "Choose another --master-port (MASTER_PORT), the same for all processes.",
        cause: error,
      });
    }
    throw new UserError(`Rank ${rank} cannot open the store at ${address}:${port}: ${firstLine(error)}`, {
      cause: error,
    });
  }
}

/** Waits for all processes and returns who they are. */
async function join(store: Store, options: ProcessGroupOptions, until: number): Promise<Member[]> {
  const { rank, world, joinSeconds = 300 } = options;
  const own: Member = { host: hostname(), pid: process.pid, world };
  const keys = Array.from({ length: world }, (_, i) => `join/${i}`);
  const before = store.get([keys[rank]!])[0];
  if (before != null) {
    const other = JSON.parse(before) as Member;
    throw new UserError(
      `Two processes have rank ${rank}: process ${other.pid} on ${other.host} and process ${own.pid} on ${own.host}`,
      { hint: "Give every process a RANK of its own." },
    );
  }
  store.set(keys[rank]!, JSON.stringify(own));
  for (;;) {
    const found = store.get(keys).map((text) => (text === null ? null : (JSON.parse(text) as Member)));
    const missing = found.flatMap((member, i) => (member === null ? [i] : []));
    if (missing.length === 0) {
      const members = found as Member[];
      const other = members.findIndex((member) => member.world !== world);
      if (other < 0) return members;
      throw new UserError(`Rank ${rank} expects ${world} processes, rank ${other} expects ${members[other]!.world}`);
    }
    if (performance.now() > until) {
      const [are, verb] = missing.length === 1 ? ["rank", "is"] : ["ranks", "are"];
      throw new UserError(
        `${world - missing.length} of ${world} processes joined within ${joinSeconds} s: ${are} ${missing.join(", ")} ${verb} missing`,
        {
          hint: "Start all processes with the same WORLD_SIZE, MASTER_ADDR and MASTER_PORT, and look at their output.",
        },
      );
    }
    await sleep(50);
  }
}

/** The key-value store, within a prefix of its own. */
class Store {
  readonly id: number;
  private readonly prefix: string;

  constructor(id: number, prefix: string) {
    this.id = id;
    this.prefix = prefix;
  }
  key(name: string): string {
    return this.prefix + name;
  }
  set(name: string, text: string): void {
    native().storeSet(this.id, this.key(name), text, STORE_SECONDS);
  }
  get(names: readonly string[]): (string | null)[] {
    return native().storeGet(
      this.id,
      names.map((name) => this.key(name)),
      STORE_SECONDS,
    );
  }
}

/** What rank 0 found after an exchange failed. */
interface Verdict {
  /** Ranks that did not answer. */
  silent: number[];
  /** Ranks that said why they stopped. */
  stopped: { rank: number; message: string }[];
}

/**
 * Processes that exchange tensors.
 *
 * Exchanges block. How long they wait for the other processes follows from how long this one was away: four times that, at
 * least `waitSeconds`. A process that ends is noticed at once.
 */
export class ProcessGroup {
  readonly rank: number;
  readonly world: number;
  private readonly store: Store;
  private readonly members: readonly Member[];
  private readonly group: number;
  private readonly nccl: number | null;
  private readonly waitSeconds: number;
  /** When the last exchange ended, milliseconds. */
  private lastAt = performance.now();
  /** Number of the next {@link follow}. */
  private marks = 0;

  /** Use {@link initProcessGroup}. */
  constructor(options: ProcessGroupOptions, store: Store, members: readonly Member[], group: number) {
    const { rank, world, device = "cpu", backend = "auto", waitSeconds = 20 } = options;
    this.rank = rank;
    this.world = world;
    this.store = store;
    this.members = members;
    this.group = group;
    this.waitSeconds = waitSeconds;
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
    try {
      this.store.set(`state/${this.rank}`, `stopped: ${firstLine(reason)}`);
    } catch {
      // They will see that it is gone.
    }
  }

  /** Leaves the group when all processes are ready to. */
  destroy(): void {
    this.barrier();
    if (this.nccl !== null) native().closeNccl(this.nccl);
    native().closeGroup(this.group);
    native().closeStore(this.store.id);
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
    const seconds = Math.max(this.waitSeconds, PATIENCE * away);
    try {
      return body(seconds);
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
    const isLate = /timed out|not answer/i.test(String(error));
    const { silent, stopped } = this.verdict();
    const failures = stopped.map(({ rank, message }) => `${this.describe(rank)} failed: ${message}`);
    const absent = silent.map((rank) => this.describe(rank)).join(" and ");
    const happened = isLate ? `${absent} did not answer for ${Math.round(seconds)} s` : `${absent} ended unexpectedly`;
    const reasons = silent.length > 0 && failures.length === 0 ? [happened] : failures;
    const reason = reasons.length > 0 ? reasons.join("; ") : `the connection failed: ${firstLine(error)}`;
    return new LostProcessError(`Rank ${this.rank} stops because ${reason}`, { cause: error });
  }

  private describe(rank: number): string {
    const { host, pid } = this.members[rank]!;
    return `rank ${rank} (process ${pid} on ${host})`;
  }

  /** Who is to blame. Rank 0 finds out and tells the others, which all arrive here sooner or later. */
  private verdict(): Verdict {
    const others = this.members.map((_, rank) => rank).filter((rank) => rank !== this.rank);
    try {
      this.store.set(`state/${this.rank}`, "waiting");
      if (this.rank > 0) {
        const text = this.pollFor(() => this.store.get(["verdict"])[0] ?? null, VERDICT_SECONDS);
        return text === null ? this.rollCall(others) : (JSON.parse(text) as Verdict);
      }
      this.pollFor(() => (this.rollCall(others).silent.length === 0 ? true : null), ROLL_CALL_SECONDS);
      const verdict = this.rollCall(others);
      this.store.set("verdict", JSON.stringify(verdict));
      // The store ends with this process: the others have to read it first.
      if (this.world > 2) pause(1000);
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
