/**
 * @file Which of several processes this one is, from the environment that a launcher gives it: visioncore's own, torchrun's
 * or Slurm's (training specification, sections 3 and 19).
 */

import { UserError } from "../errors.ts";

/** This process among those that train together. */
export interface Rank {
  /** From 0, over all machines. */
  rank: number;
  /** Processes in all. */
  world: number;
  /** From 0, on this machine. */
  localRank: number;
  /** Processes on this machine; 1 where the launcher does not tell. */
  localWorld: number;
  /** Where the processes find each other. */
  address: string;
  port: number;
  /** Address under which the others reach this process; undefined to find it out. */
  ownAddress: string | undefined;
  /** Whether rank 0 serves the store there; otherwise torchrun does. */
  servesStore: boolean;
  /** Keeps runs apart that use one store. */
  run: string;
}

/**
 * The rank that the environment tells, or undefined when nothing says that there are several processes.
 *
 * `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT` (torchrun, or set by hand) come first, then those of a Slurm job step
 * with several tasks.
 *
 * @throws UserError when variables are missing or not numbers
 */
export function rankFromEnvironment(env: NodeJS.ProcessEnv): Rank | undefined {
  if (env.WORLD_SIZE !== undefined && env.RANK !== undefined) return torchRank(env);
  const tasks = Number(env.SLURM_STEP_NUM_TASKS ?? 1);
  return tasks > 1 ? slurmRank(env, tasks) : undefined;
}

function torchRank(env: NodeJS.ProcessEnv): Rank {
  const world = wholeNumber(env, "WORLD_SIZE", 1);
  const rank = wholeNumber(env, "RANK", 0);
  if (rank >= world) throw new UserError(`RANK is ${rank}, expected a number below WORLD_SIZE, which is ${world}`);
  return {
    rank,
    world,
    localRank: env.LOCAL_RANK === undefined ? rank : wholeNumber(env, "LOCAL_RANK", 0),
    localWorld: env.LOCAL_WORLD_SIZE === undefined ? 1 : wholeNumber(env, "LOCAL_WORLD_SIZE", 1),
    address: env.MASTER_ADDR ?? missing("MASTER_ADDR", "RANK and WORLD_SIZE are set"),
    port: wholeNumber(env, "MASTER_PORT", 1),
    ownAddress: env.VISIONCORE_HOST,
    servesStore: env.TORCHELASTIC_USE_AGENT_STORE !== "True",
    run: `${env.VISIONCORE_LAUNCH ?? env.TORCHELASTIC_RUN_ID ?? "run"}-${env.TORCHELASTIC_RESTART_COUNT ?? "0"}`,
  };
}

function slurmRank(env: NodeJS.ProcessEnv, world: number): Rank {
  const job = wholeNumber(env, "SLURM_JOB_ID", 0);
  const hosts = env.SLURM_STEP_NODELIST ?? env.SLURM_JOB_NODELIST ?? missing("SLURM_JOB_NODELIST", "this is Slurm");
  return {
    rank: wholeNumber(env, "SLURM_PROCID", 0),
    world,
    localRank: wholeNumber(env, "SLURM_LOCALID", 0),
    // Slurm gives every task its own share of the machine's cores.
    localWorld: 1,
    address: env.MASTER_ADDR ?? firstHost(hosts),
    // The same for all tasks of a job, another for other jobs on the machine.
    port: env.MASTER_PORT === undefined ? 15000 + (job % 10000) : wholeNumber(env, "MASTER_PORT", 1),
    ownAddress: env.VISIONCORE_HOST,
    servesStore: true,
    run: `slurm-${job}.${env.SLURM_STEP_ID ?? "0"}`,
  };
}

/** The first host of a Slurm list: `gpu[07-09,12],cpu1` starts with `gpu07`. */
export function firstHost(list: string): string {
  const [, prefix = "", numbers] = /^([^,[]*)(?:\[([^\]]*)\])?/.exec(list)!;
  return prefix + (numbers?.split(/[,-]/)[0] ?? "");
}

function wholeNumber(env: NodeJS.ProcessEnv, name: string, least: number): number {
  const text = env[name] ?? missing(name, "this is one of several processes");
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= least) return value;
  throw new UserError(`${name} is "${text}", expected a whole number from ${least}`);
}

function missing(name: string, because: string): never {
  throw new UserError(`${name} is not set, although ${because}`, {
    hint: "torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; by hand, set all but LOCAL_RANK.",
  });
}
