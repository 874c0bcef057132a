/**
 * @file Runs the real command line in a process of its own, from its sources.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");
const TSX = fileURLToPath(import.meta.resolve("tsx"));
const FIXTURES = resolve(import.meta.dirname, "../fixtures/cli");

/** A file of the fixtures. */
export function fixture(name: string): string {
  return resolve(FIXTURES, name);
}

/** What a command did. */
export interface CliResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Called with the process as soon as there is one. */
  onStart?: (child: ChildProcess) => void;
  /** Called with the process and everything on its standard error so far, whenever there is more. */
  onStderr?: (child: ChildProcess, text: string) => void;
}

/** Runs `visioncore <args>` to its end. */
export function runCli(args: readonly string[], { cwd, env, onStart, onStderr }: CliOptions = {}): Promise<CliResult> {
  const child = spawn(process.execPath, ["--import", TSX, MAIN, ...args], {
    cwd,
    // One thread: tests run beside each other.
    env: { ...process.env, OMP_NUM_THREADS: "1", NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onStart?.(child);
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    onStderr?.(child, stderr);
  });
  return new Promise((done, failed) => {
    child.on("error", failed).on("close", (status) => done({ status, stdout, stderr }));
  });
}
