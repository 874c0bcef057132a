/**
 * @file One of several processes, as the command line sees it: which device it computes on, how it finds the others, and how
 * it tells the process that launched it why it failed.
 */
import { availableParallelism } from "node:os";
import { UserError } from "../errors.ts";
import type { ProcessGroup } from "../torch/index.ts";
import type { Rank } from "../training/ranks.ts";
import type { DeviceFlags } from "./device.ts";

/** Set in processes that {@link launch} started; its value keeps launches apart. */
export const LAUNCHER_VARIABLE = "VISIONCORE_LAUNCH";

/** Open file of launched processes that goes to the launcher, for one whose main thread cannot say why it ends. */
export const REASON_FILE = 4;

/** Values of the flags about several processes. */
export interface ProcessFlags extends DeviceFlags {
  numProcesses?: number;
  numGpus?: number;
  gpuIds?: number[];
  masterPort?: number;
  processTimeout?: number;
}

/** Why a process failed. */
export interface RankReport {
  /** What would have been printed. */
  text: string;
  hint: string | undefined;
  /** Only because another process failed. */
  isConsequence: boolean;
}

/** How many processes the flags ask for; undefined when they do not say. */
export function processesWanted({ numProcesses, numGpus, gpuIds }: ProcessFlags): number | undefined {
  return gpuIds?.length ?? numGpus ?? numProcesses;
}

/**
 * Refuses flags about several processes where they would be ignored.
 *
 * @param rank of this process, where a launcher has started it
 * @throws UserError that says why
 */
export function checkProcessFlags({ masterPort, processTimeout }: ProcessFlags, rank: Rank | undefined): void {
  const isOurs = process.env[LAUNCHER_VARIABLE] !== undefined;
  if (rank !== undefined && masterPort !== undefined && !isOurs) {
    throw new UserError(`--master-port is ${masterPort}, but what started this process has chosen port ${rank.port}`, {
      hint: "Leave it out; outside of visioncore's own launcher the port comes from MASTER_PORT.",
    });
  }
  const flag = masterPort === undefined ? "--process-timeout" : "--master-port";
  if (rank === undefined && (masterPort ?? processTimeout) !== undefined) {
    throw new UserError(`${flag} is for several processes, and this run has one`, {
      hint: "Say how many: --num-gpus, --gpu-ids or --num-processes.",
    });
  }
}

/**
 * The device flags of one process.
 *
 * @throws UserError when the flags ask for another number of processes than there are
 */
export function deviceOfRank(flags: ProcessFlags, rank: Rank | undefined, gpus: () => number): DeviceFlags {
  const { device, gpu, threads, numProcesses, numGpus, gpuIds } = flags;
  if (rank === undefined)
    return gpuIds?.length === 1 ? { threads, device: String(gpuIds[0]) } : { device, gpu, threads };
  const { world, localRank, localWorld } = rank;
  if (numProcesses !== undefined && numProcesses !== world) {
    throw new UserError(`--num-processes is ${numProcesses}, but this is one of ${world} processes`, {
      hint: "Leave it out where torchrun or Slurm starts the processes.",
    });
  }
  if (gpuIds !== undefined && gpuIds[localRank] === undefined) {
    throw new UserError(`--gpu-ids names ${gpuIds.length} GPUs, too few for local rank ${localRank}`);
  }
  const shared = process.env.OMP_NUM_THREADS ? undefined : Math.max(1, Math.floor(availableParallelism() / localWorld));
  const onGpu = numGpus !== undefined || (numProcesses === undefined && (device ?? "cuda") === "cuda" && gpus() > 0);
  const own = gpuIds ? String(gpuIds[localRank]) : onGpu ? String(localRank) : (device ?? "cpu");
  return { threads: threads ?? shared, device: own };
}

/**
 * Joins the other processes.
 *
 * @throws UserError when that fails
 */
export async function joinProcesses(
  rank: Rank,
  device: string,
  { processTimeout }: ProcessFlags,
): Promise<ProcessGroup> {
  const { initProcessGroup } = await import("../torch/index.ts");
  const reasonFile = process.env[LAUNCHER_VARIABLE] === undefined ? undefined : REASON_FILE;
  return initProcessGroup({ ...rank, device, joinSeconds: processTimeout, waitSeconds: processTimeout, reasonFile });
}

/** Ends this process when the one that launched it is gone, like a Ctrl-C. */
export function followLauncher(): void {
  if (!process.env[LAUNCHER_VARIABLE] || !process.connected) return;
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  // The connection alone is no reason to stay.
  process.channel?.unref();
}

/** Gives an error to the process that launched this one, which tells the user. False when there is none. */
export async function reportToLauncher(error: unknown, text: string): Promise<boolean> {
  if (!process.env[LAUNCHER_VARIABLE] || !process.connected) return false;
  const { name, hint } = error as { name?: string; hint?: string };
  const report: RankReport = { text, hint, isConsequence: name === "LostProcessError" };
  return new Promise((resolve) => process.send!(report, (failure: Error | null) => resolve(failure === null)));
}
