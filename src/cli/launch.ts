/**
 * @file Several processes on this machine: starts a command once for every rank, shows what rank 0 shows, and ends all of them
 * when one ends badly.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { UserError } from "../errors.ts";
import { freePort } from "../torch/network.ts";
import { EXIT_STATUS, SAME_KEY_PRESS_MS } from "./interrupt.ts";
import { LAUNCHER_VARIABLE, type RankReport, REASON_FILE } from "./launched.ts";
import { formatError } from "./print-error.ts";
import { note, painterFor } from "./terminal.ts";

/** What is launched. */
export interface Launch {
  processes: number;
  /** Where the processes find each other; a free port when absent. */
  port?: number | undefined;
  /** Arguments of the command, the same for all. */
  argv?: readonly string[];
}

/**
 * How long the others may take to end by themselves once one has ended, milliseconds: long when they have to find out, short
 * when it ended because it had found out.
 */
const GRACE_MS = 8000;
const SHORT_GRACE_MS = 3000;

/** How one process ended. */
interface Outcome {
  rank: number;
  pid: number | undefined;
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The error it reported. */
  report: RankReport | undefined;
  /** Whether it was ended from here. */
  isVictim: boolean;
}

/**
 * Runs this program in several processes until all have ended, and sets the exit status. Ctrl-C reaches all of them; a second
 * one kills them.
 */
export async function launch({ processes, port, argv = process.argv.slice(2) }: Launch): Promise<void> {
  const env = {
    ...process.env,
    [LAUNCHER_VARIABLE]: randomUUID(),
    WORLD_SIZE: String(processes),
    LOCAL_WORLD_SIZE: String(processes),
    MASTER_ADDR: "127.0.0.1",
    MASTER_PORT: String(port ?? (await freePort())),
  };
  const ranks = Array.from({ length: processes }, (_, rank) => new LaunchedRank(rank, env, argv));
  const killAll = () => {
    for (const rank of ranks) rank.kill();
  };
  const interrupt = forwardSignals(ranks, killAll);
  let deadline: NodeJS.Timeout | undefined;
  const outcomes = await Promise.all(
    ranks.map(async (rank) => {
      const outcome = await rank.outcome;
      if (endedBadly(outcome)) {
        deadline ??= setTimeout(killAll, outcome.report?.isConsequence ? SHORT_GRACE_MS : GRACE_MS);
      }
      return outcome;
    }),
  );
  clearTimeout(deadline);
  const status = interrupt.end();
  const stopped = outcomes.find(({ code }) => isInterruption(code));
  const failures = outcomes.filter(endedBadly);
  if (failures.length > 0 && status === undefined) {
    note(describeFailure(failures));
    process.exitCode = 1;
  } else if (status !== undefined || stopped !== undefined) process.exitCode = status ?? stopped!.code!;
}

/** One of the processes. */
class LaunchedRank {
  readonly outcome: Promise<Outcome>;
  private readonly child: ChildProcess;
  private isVictim = false;

  constructor(rank: number, env: NodeJS.ProcessEnv, argv: readonly string[]) {
    const leads = rank === 0;
    this.child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...argv], {
      env: { ...env, RANK: String(rank), LOCAL_RANK: String(rank) },
      // The last is REASON_FILE.
      stdio: leads ? ["inherit", "inherit", "inherit", "ipc", "pipe"] : ["ignore", "ignore", "pipe", "ipc", "pipe"],
    });
    if (this.child.stderr) {
      createInterface({ input: this.child.stderr }).on("line", (line) => note(`[rank ${rank}] ${line}`));
    }
    let report: RankReport | undefined;
    this.child.on("message", (message) => {
      report = message as RankReport;
    });
    createInterface({ input: this.child.stdio[REASON_FILE] as Readable }).on("line", (line) => {
      report = { text: asError(line), hint: RESUME_HINT, isConsequence: true };
    });
    this.outcome = new Promise((resolve, reject) => {
      this.child.on("error", reject).on("close", (code, signal) => {
        resolve({ rank, pid: this.child.pid, code, signal, report, isVictim: this.isVictim });
      });
    });
  }

  send(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  kill(): void {
    const { exitCode, signalCode } = this.child;
    if (exitCode !== null || signalCode !== null) return;
    this.isVictim = true;
    this.child.kill("SIGKILL");
  }
}

/** Passes signals on to all ranks; from the second on they are killed. `end()` gives the exit status that follows. */
function forwardSignals(ranks: readonly LaunchedRank[], killAll: () => void): { end(): number | undefined } {
  let status: number | undefined;
  let firstAt = Number.POSITIVE_INFINITY;
  const onSignal = (name: "SIGINT" | "SIGTERM") => {
    if (Date.now() - firstAt > SAME_KEY_PRESS_MS) return killAll();
    if (status !== undefined) return;
    firstAt = Date.now();
    status = EXIT_STATUS[name];
    for (const rank of ranks) rank.send(name);
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return {
    end() {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
      return status;
    },
  };
}

function isInterruption(code: number | null): boolean {
  return code === EXIT_STATUS.SIGINT || code === EXIT_STATUS.SIGTERM;
}

function endedBadly({ code, isVictim }: Outcome): boolean {
  return isVictim || (code !== 0 && !isInterruption(code));
}

/** The cause: an error of its own that a process reported, else a process that was killed, else what the others say. */
export function describeFailure(failures: readonly Outcome[]): string {
  const own = failures.filter(({ report }) => report !== undefined && !report.isConsequence);
  const texts = new Set(own.map(({ report }) => report!.text));
  // Bad options or configurations fail everywhere alike.
  if (texts.size === 1 && own[0]!.rank === 0) return own[0]!.report!.text;
  if (own.length > 0) return own.map(({ rank, report }) => `[rank ${rank}] ${report!.text}`).join("\n");
  const consequence = failures.find(({ report }) => report !== undefined)?.report;
  const killed = failures.find(({ isVictim, report }) => !isVictim && report === undefined);
  if (killed === undefined) return consequence?.text ?? "error: the processes were stopped";
  const { rank, pid, signal, code } = killed;
  const how = signal === null ? `ended with status ${code}` : `was killed by ${signal}`;
  return asError(`Rank ${rank} (process ${pid}) ${how}, so the others were stopped`, consequence?.hint);
}

const RESUME_HINT = "The run can go on from its last checkpoint, if it has one: --resume.";

function asError(message: string, hint = RESUME_HINT): string {
  return formatError(new UserError(message, { hint }), false, painterFor(process.stderr));
}
