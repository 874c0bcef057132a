/**
 * @file `visioncore sweep`: many training runs on one machine, and one table of what came out.
 */
import type { Command } from "commander";
import { describeCommand } from "../command.ts";
import { withInterrupt } from "../interrupt.ts";
import { ProgressLine } from "../progress.ts";
import { formatDuration } from "../quantities.ts";
import type { SweepResult } from "../sweep/run.ts";
import { formatTable, print, printJson } from "../terminal.ts";
import { wholeNumber, wholeNumbers } from "../values.ts";

interface SweepFlags {
  gpus?: number[];
  jobs: number;
  checkpointDir: string;
  list?: boolean;
  json?: boolean;
}

/** The `sweep` command. */
export function sweepCommand(): Command {
  return describeCommand(
    "sweep",
    "Train every combination of flags that a file lists, several at a time, and compare the scores in one table.",
    ["sweep sweep.yaml --list", "sweep sweep.yaml --gpus 0,1", "sweep sweep.yaml --jobs 2"],
  )
    .argument("<file>", "sweep file: flags of train that all runs share, and those that vary")
    .option("--gpus <list>", "GPUs, one run at a time on each: 0,1 (default: the CPU)", wholeNumbers)
    .option("--jobs <count>", "runs at a time on the CPU", wholeNumber(1), 1)
    .option("--checkpoint-dir <dir>", "folder with a folder for every sweep", "checkpoints")
    .option("--list", "show the runs and their commands, and stop")
    .option("--json", "print the results as JSON")
    .action(async (file: string, { gpus, jobs, checkpointDir, list, json }: SweepFlags) => {
      const { planSweep } = await import("../sweep/plan.ts");
      const sweep = planSweep(file);
      if (list) {
        print(sweep.runs.map(({ name, args }) => `${name}\n  visioncore train ${args.join(" ")}`).join("\n"));
        return;
      }
      const { runSweep } = await import("../sweep/run.ts");
      const devices = gpus === undefined ? Array<string>(jobs).fill("cpu") : gpus.map((gpu) => `cuda:${gpu}`);
      const line = new ProgressLine();
      const results = await withInterrupt(
        (text) => line.line(text),
        (signal) =>
          runSweep(sweep, {
            checkpointDir,
            devices,
            command: [process.execPath, ...process.execArgv, process.argv[1]!],
            signal,
            onEvent: (message, done, total) => {
              line.line(message);
              line.update({ label: `sweep ${sweep.name}`, done, total, details: [] });
            },
          }),
      );
      line.clear();
      if (json) printJson(results);
      else print(formatResults(results));
      if (results.some(({ status }) => status === "failed")) process.exitCode ||= 1;
    });
}

/** Best first; runs without a score last. */
function formatResults(results: readonly SweepResult[]): string {
  const ranked = results.toSorted((a, b) => (b.bps ?? Number.NEGATIVE_INFINITY) - (a.bps ?? Number.NEGATIVE_INFINITY));
  const rows = ranked.map(({ run, status, bps, epoch, epochs, seconds, problem }) => [
    run,
    problem === null ? status : `${status}: ${problem}`,
    bps === null ? "-" : bps.toFixed(4),
    epoch === null ? "-" : `${epoch + 1}/${epochs}`,
    formatDuration(seconds),
  ]);
  return formatTable(["run", "status", "bits/spike", "epoch", "time"], rows, 2);
}
