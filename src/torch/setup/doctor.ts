/**
 * @file What `visioncore doctor` says: what is in use on this machine and why, and what to do about what is missing.
 */

import { spawnSync } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { UserError } from "../../errors.ts";
import { planBuild } from "./build.ts";
import { type Compiler, compilerMissing, findCompiler } from "./compiler.ts";
import { bf16Flags } from "./cpu.ts";
import { type Attempt, findLibtorch, type Libtorch, libtorchMissing } from "./find.ts";
import { type Machine, pythons, thisMachine, userCache } from "./machine.ts";

/** The state of this machine, as data. Sizes are in bytes. */
export interface DoctorReport {
  node: string;
  cpu: { model: string; cores: number; bf16: string[] };
  memory: { total: number; available: number };
  disks: { folder: string; free: number }[];
  compiler: Compiler | null;
  /** The first Python that runs, and its version. */
  python: { command: string; version: string } | null;
  libtorch: Libtorch | null;
  /** Every place where libtorch was looked for, the last one in use if any. */
  tried: Attempt[];
  /** Where the addon is or will be, or null without libtorch. */
  addon: { folder: string; built: boolean } | null;
  /** What nvidia-smi says, one line per GPU; null without a driver. */
  gpus: string[] | null;
  /** Thread settings found in the environment. */
  threads: Record<string, string>;
  /** What to do, most important first; empty when everything is ready. */
  remedies: string[];
}

const THREAD_VARIABLES = ["OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "MKL_NUM_THREADS"];

/** Looks at this machine. Loads nothing, changes nothing and does not throw for what is missing. */
export function diagnose(machine: Machine = thisMachine()): DoctorReport {
  const remedies: string[] = [];
  const compiler = findCompiler(machine);
  const { found, tried } = lookForLibtorch(machine, remedies);
  const plan = found && planBuild(found, machine);
  const gpus = listGpus(machine);

  if (plan && !plan.addon && !compiler) remedies.push(asText(compilerMissing(machine)));
  else if (plan && !plan.addon) remedies.push("The addon is not built yet. Run: npx visioncore setup (about 20 s)");
  if (gpus && found && !found.cuda) {
    remedies.push(
      "There is a GPU, but this libtorch is for CPU only. " +
        "Set LIBTORCH to the torch folder of a CUDA build, e.g. of pip install torch.",
    );
  }
  return {
    node: process.version,
    cpu: { model: cpus()[0]?.model ?? "unknown", cores: availableParallelism(), bf16: bf16Flags() },
    memory: { total: totalmem(), available: process.availableMemory() },
    disks: [machine.cwd, userCache(machine)].map((folder) => ({ folder, free: freeSpace(folder) })),
    compiler,
    python: findPython(machine),
    libtorch: found,
    tried,
    addon: plan && { folder: plan.folder, built: plan.addon !== null },
    gpus,
    threads: Object.fromEntries(
      THREAD_VARIABLES.flatMap((name) => (machine.env[name] === undefined ? [] : [[name, machine.env[name]]])),
    ),
    remedies,
  };
}

/** The report as text for a terminal, without a newline at the end. */
export function formatDoctor(report: DoctorReport): string {
  const { cpu, memory, libtorch, addon, compiler, python, gpus, threads } = report;
  const rows: [label: string, text: string][] = [
    ["Node", report.node],
    [
      "CPU",
      `${cpu.model}, ${cpu.cores} cores, ${cpu.bf16.length ? `bf16 is fast (${cpu.bf16.join(", ")})` : "bf16 is slow"}`,
    ],
    ["memory", `${gigabytes(memory.available)} of ${gigabytes(memory.total)} free`],
    ...report.disks.map(({ folder, free }): [string, string] => ["disk", `${gigabytes(free)} free in ${folder}`]),
    ["GPU", gpus ? gpus.join("\n") : "no NVIDIA driver"],
    [
      "threads",
      Object.entries(threads)
        .map((pair) => pair.join("="))
        .join(" ") || "no settings in the environment",
    ],
    ["compiler", compiler ? `${compiler.command.join(" ")}: ${compiler.version}` : "none"],
    ["Python", python ? `${python.command}: ${python.version}` : "none (only needed to fetch libtorch)"],
    ["libtorch", libtorch ? describe(libtorch) : "none"],
    ["looked at", report.tried.map(({ place, outcome }) => `${place}: ${outcome}`).join("\n")],
    ["addon", addon ? `${addon.built ? "built" : "not built yet"}, ${addon.folder}` : "needs libtorch first"],
  ];
  const indent = " ".repeat(11);
  const lines = rows.map(([label, text]) => label.padEnd(indent.length) + text.replaceAll("\n", `\n${indent}`));
  const verdict = report.remedies.length
    ? ["To do:", ...report.remedies.map((line) => `- ${line}`)]
    : ["All is ready."];
  return [...lines, "", ...verdict].join("\n");
}

function lookForLibtorch(machine: Machine, remedies: string[]): ReturnType<typeof findLibtorch> {
  try {
    const result = findLibtorch(machine);
    // The places are listed in the report already.
    if (!result.found) remedies.push(`No libtorch found. ${libtorchMissing(result.tried).hint}`);
    return result;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    remedies.push(asText(error));
    return { found: null, tried: [] };
  }
}

function findPython(machine: Machine): DoctorReport["python"] {
  for (const command of pythons(machine)) {
    const { status, stdout } = spawnSync(command, ["--version"], { env: machine.env, encoding: "utf8" });
    if (status === 0) return { command, version: stdout.trim() };
  }
  return null;
}

function listGpus({ env }: Machine): string[] | null {
  const query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
  const { status, stdout } = spawnSync("nvidia-smi", query, { env, encoding: "utf8", timeout: 10_000 });
  return status === 0 && stdout.trim() !== "" ? stdout.trim().split("\n") : null;
}

function freeSpace(folder: string): number {
  if (!existsSync(folder)) return freeSpace(dirname(folder));
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function describe({ version, cuda, root, source }: Libtorch): string {
  return `${version}, ${cuda ? "CUDA" : "CPU"} build, ${root} (from ${source})`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function asText({ message, hint }: UserError): string {
  return hint ? `${message} ${hint}` : message;
}
