/**
 * @file Runs a sweep: a queue of training processes, as many at a time as there are GPUs or jobs. What is finished is not run
 * again, what was begun is resumed.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { makeFolder } from "../../formats/folder.ts";
import { lastCheckpoint } from "../../training/checkpoint-files.ts";
import type { PlannedRun, PlannedSweep } from "./plan.ts";

/** How one run of a sweep ended. */
export interface SweepResult {
  readonly run: string;
  readonly differs: PlannedRun["differs"];
  /** As `train` says it, or `failed`. */
  readonly status: string;
  /** Best validation score and its epoch, from 0; null without one. */
  readonly bps: number | null;
  readonly epoch: number | null;
  readonly epochs: number | null;
  readonly steps: number | null;
  /** Wall-clock time of the process that finished it. */
  readonly seconds: number;
  readonly directory: string;
  /** Last line of what a failed run said. */
  readonly problem: string | null;
}

/** Options of {@link runSweep}. */
export interface RunSweepOptions {
  /** Folder that holds the sweep's folder. */
  readonly checkpointDir: string;
  /** What the runs at a time compute on: `["cuda:0", "cuda:1"]`, or `["cpu", "cpu"]` for two. */
  readonly devices: readonly string[];
  /** How a process of ours is started: program and first arguments. */
  readonly command: readonly string[];
  readonly onEvent?: ((message: string, done: number, total: number) => void) | undefined;
  /** Stops the runs after their current steps; they are resumed by the next call. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs what is not finished of a sweep, and writes `results.json` and `results.csv` into its folder after every run. Output of a
 * run goes to `<run>.log` beside its folder. A run that fails does not stop the others.
 *
 * @returns the results of all runs that are finished or failed, in the order of the sweep
 * @throws UserError when a file cannot be written
 */
export async function runSweep(sweep: PlannedSweep, options: RunSweepOptions): Promise<SweepResult[]> {
  const { checkpointDir, devices, signal, onEvent } = options;
  const folder = join(checkpointDir, sweep.name);
  makeFolder(folder);
  const results = new Map<string, SweepResult>();
  for (const { name } of sweep.runs) {
    const known = readResult(join(folder, `${name}.json`));
    if (known !== undefined && known.status !== "failed") results.set(name, known);
  }
  const queue = sweep.runs.filter(({ name }) => !results.has(name));
  const ordered = () => sweep.runs.flatMap(({ name }) => results.get(name) ?? []);
  const total = sweep.runs.length;
  const worker = async (device: string): Promise<void> => {
    for (let run = queue.shift(); run !== undefined && !signal?.aborted; run = queue.shift()) {
      onEvent?.(`${run.name} on ${device}`, results.size, total);
      const result = await runOne(run, folder, device, options);
      if (result === undefined) return;
      results.set(run.name, result);
      writeFileAtomic(join(folder, `${run.name}.json`), `${JSON.stringify(result, null, 1)}\n`);
      writeResults(folder, ordered());
      onEvent?.(`${run.name}: ${result.status}`, results.size, total);
    }
  };
  await Promise.all(devices.map(worker));
  writeResults(folder, ordered());
  return ordered();
}

/** Runs one process to its end; undefined when it was interrupted. */
async function runOne(
  run: PlannedRun,
  folder: string,
  device: string,
  { command, signal }: RunSweepOptions,
): Promise<SweepResult | undefined> {
  const directory = join(folder, run.name);
  const started = performance.now();
  const where = existsSync(lastCheckpoint(directory))
    ? ["--resume", directory]
    : [...run.args, "--checkpoint-dir", folder, "--experiment-name", run.name];
  const log = join(folder, `${run.name}.log`);
  const { status, stdout } = await execute([...command, "train", ...where, "--device", device, "--json"], log, signal);
  if (signal?.aborted) return undefined;
  const common = { run: run.name, differs: run.differs, directory, seconds: (performance.now() - started) / 1000 };
  if (status !== 0) {
    const said = readFileSync(log, "utf8").trim().split("\n");
    const problem = said.findLast((line) => line.startsWith("error:")) ?? said.at(-1) ?? "";
    return { ...common, status: "failed", bps: null, epoch: null, epochs: null, steps: null, problem };
  }
  const { best, epochs, globalStep, status: how } = JSON.parse(stdout);
  return {
    ...common,
    status: how,
    bps: best?.valBps ?? null,
    epoch: best?.epoch ?? null,
    epochs,
    steps: globalStep,
    problem: null,
  };
}

function execute(
  [program, ...args]: readonly string[],
  log: string,
  signal: AbortSignal | undefined,
): Promise<{ status: number | null; stdout: string }> {
  const file = openSync(log, "a");
  // A group of its own: Ctrl-C reaches it through the sweep, once.
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", file], detached: true });
  closeSync(file);
  let stdout = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const stop = () => child.kill("SIGINT");
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  return new Promise((done, failed) => {
    child.on("error", failed).on("close", (status) => {
      signal?.removeEventListener("abort", stop);
      done({ status, stdout });
    });
  });
}

function readResult(path: string): SweepResult | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as SweepResult;
  } catch (cause) {
    throw new UserError(`Cannot read "${path}": it is not valid JSON`, {
      hint: "Delete it; its run is then done again.",
      cause,
    });
  }
}

const COLUMNS = ["status", "bps", "epoch", "epochs", "steps", "seconds", "directory", "problem"] as const;

function writeResults(folder: string, results: readonly SweepResult[]): void {
  const flags = [...new Set(results.flatMap(({ differs }) => Object.keys(differs)))];
  const cell = (value: unknown) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = results.map((result) => [
    result.run,
    ...flags.map((flag) => result.differs[flag]),
    ...COLUMNS.map((column) => result[column]),
  ]);
  const lines = [["run", ...flags, ...COLUMNS], ...rows].map((row) => row.map(cell).join(","));
  writeFileAtomic(join(folder, "results.csv"), `${lines.join("\n")}\n`);
  writeFileAtomic(join(folder, "results.json"), `${JSON.stringify(results, null, 1)}\n`);
}
