/**
 * @file `visioncore report`: the page about a training run.
 */
import { statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { UserError } from "../../errors.ts";
import { describeCommand } from "../command.ts";
import { note, print } from "../terminal.ts";

interface ReportFlags {
  out?: string;
}

/** The `report` command. */
export function reportCommand(): Command {
  return describeCommand(
    "report",
    "Write a page about a training run: curves, scores, memory, configuration. Needs no recordings.",
    ["report checkpoints/my_run", "report checkpoints/my_run --out my_run.html"],
  )
    .argument("<run>", "folder of a run")
    .option("--out <file>", "the page (default: report.html in the folder)")
    .action(writePage);
}

async function writePage(run: string, { out }: ReportFlags): Promise<void> {
  const folder = runFolder(run);
  const { inspectCheckpoints } = await import("../inspect-checkpoint.ts");
  const { bestCheckpoint } = await import("../../training/checkpoint-files.ts");
  const { METRICS_FILE, readMetrics } = await import("../../tracking/jsonl.ts");
  const { runReport } = await import("../../report/run-report.ts");
  const { writeReport } = await import("../../report/report.ts");
  const [best] = inspectCheckpoints(bestCheckpoint(folder));
  const data = runReport({
    name: basename(resolve(folder)),
    metrics: readMetrics(join(folder, METRICS_FILE)),
    info: best!.info,
    parameters: best!.parameters,
    reproduce: [`npx visioncore train --resume ${folder}`, `npx visioncore eval --checkpoint ${folder}`],
  });
  const path = out ?? join(folder, "report.html");
  writeReport(path, data);
  print(path);
  note("Scores with ceilings, maps and examples: visioncore eval --checkpoint <run> --report <dir>");
}

function runFolder(run: string): string {
  const stats = statSync(run, { throwIfNoEntry: false });
  if (stats === undefined) throw new UserError(`Cannot report on "${run}": there is no such folder`);
  return stats.isDirectory() ? run : dirname(run);
}
