/**
 * @file How the processes of a group find each other: every one joins under its rank, and all begin when all are there.
 */

import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { Heartbeat } from "./heartbeat.ts";
import { native } from "./native.ts";
import { addressTowards, reachable } from "./network.ts";
import { ProcessGroup } from "./process-group.ts";
import { Store } from "./store.ts";

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
  /** Seconds after which a process that gives no sign of life is given up; 15 when absent. */
  waitSeconds?: number;
  /** Open file that this process says in why it ends when another one hangs; the standard error when absent. */
  reasonFile?: number | undefined;
}

/** A process as the others see it. */
interface Member {
  host: string;
  pid: number;
  world: number;
}

/** Seconds without a sign of life after which a process is given up, unless said otherwise. */
const SILENT_SECONDS = 15;

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
  const store = Store.open({ rank, address, port, serves, connectSeconds: joinSeconds, run });
  try {
    const members = await join(store, options, until);
    const { waitSeconds: limit = SILENT_SECONDS, reasonFile = 2 } = options;
    const names = members.map(({ pid, host }, i) => `rank ${i} (process ${pid} on ${host})`);
    const heartbeat = await Heartbeat.start({ rank, address, port, run, names, limit, reasonFile });
    const own = options.ownAddress ?? (await addressTowards(address, port));
    // Names of the keys that Gloo's processes tell each other their ports by.
    const group = native().openGroup(store.id, store.key("gloo"), rank, world, own, joinSeconds);
    return new ProcessGroup(options, store, names, group, heartbeat);
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

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]!;
}
