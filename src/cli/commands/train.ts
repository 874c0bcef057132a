/**
 * @file `visioncore train`: trains a twin, or continues to.
 */
import { relative } from "node:path";
import type { Command } from "commander";
import { DEFAULT_MONITOR } from "../../training/monitor.ts";
import { rankFromEnvironment } from "../../training/ranks.ts";
import type { BestCheckpoint, TrainResult } from "../../training/trainer.ts";
import { describeCommand } from "../command.ts";
import { chooseDevice } from "../device.ts";
import { withInterrupt } from "../interrupt.ts";
import { launch } from "../launch.ts";
import {
  checkProcessFlags,
  deviceOfRank,
  followLauncher,
  joinProcesses,
  LAUNCHER_VARIABLE,
  processesWanted,
} from "../launched.ts";
import { ProgressLine } from "../progress.ts";
import { referenceFlagNotes } from "../reference-flags.ts";
import { note, print, printJson } from "../terminal.ts";
import {
  addTrainFlags,
  resumeCommand,
  type TrainFlags,
  trackingNotes,
  trackingOptions,
  trainOptions,
} from "../train-flags.ts";

/** The `train` command. */
export function trainCommand(): Command {
  const command = describeCommand("train", "Train a twin of all sessions of a dataset file, or continue a run.", [
    "train --model-config experiments/model_configs/demo.yaml --dataset-configs demo/data/dataset.yaml",
    "train --model_config M.yaml --dataset_configs_path D.yaml --batch_size 256 --gpu 0 --precision bf16-mixed",
    "train --model-config M.yaml --dataset-configs D.yaml --batch-size 256 --dry-run",
    "train --model-config M.yaml --dataset-configs D.yaml --batch-size 128 --num-gpus 2",
    "train --resume checkpoints/my_run",
  ]);
  return addTrainFlags(command).action(runTrain);
}

async function runTrain(flags: TrainFlags, command: Command): Promise<void> {
  const isFirst = process.env[LAUNCHER_VARIABLE] === undefined;
  for (const sentence of [...referenceFlagNotes(command), ...trackingNotes(flags)]) if (isFirst) note(sentence);
  const rank = rankFromEnvironment(process.env);
  const trains = !flags.printConfig && !flags.dryRun;
  if (rank === undefined && trains) {
    const processes = processesWanted(flags) ?? (await processesBefore(flags));
    if (processes > 1) return launch({ processes, port: flags.masterPort });
  }
  if (trains) checkProcessFlags(flags, rank);
  followLauncher();
  const { cudaDeviceCount } = await import("../../torch/index.ts");
  const { parsePrecision } = await import("../../training/options.ts");
  const device = await chooseDevice(deviceOfRank(flags, rank, cudaDeviceCount));
  const processGroup = rank && trains ? await joinProcesses(rank, device, flags) : undefined;
  const options = {
    ...trainOptions(flags),
    device,
    processGroup,
    precision: flags.precision === undefined ? undefined : parsePrecision(flags.precision),
  };
  if (flags.printConfig) {
    const { printRunConfig } = await import("../print-config.ts");
    print(printRunConfig(options, device));
    return;
  }
  if (flags.dryRun) {
    const { dryRun } = await import("../../training/dry-run.ts");
    const { formatDryRun } = await import("../format-dry-run.ts");
    const found = dryRun(options);
    if (flags.json) printJson(found);
    else print(formatDryRun(found));
    return;
  }
  const { runTraining } = await import("../run-training.ts");
  const line = new ProgressLine();
  const leads = processGroup === undefined || processGroup.rank === 0;
  const result = await withInterrupt(
    (text) => leads && line.line(text),
    (signal) => runTraining({ ...options, signal }, line, trackingOptions(flags)),
  );
  processGroup?.destroy();
  if (!leads) return;
  if (flags.json) printJson(result);
  else report(result, flags);
}

/** How many processes the run to continue had. */
async function processesBefore({ resume }: TrainFlags): Promise<number> {
  if (resume === undefined) return 1;
  const { settingsOfCheckpoint } = await import("../run-training.ts");
  return settingsOfCheckpoint(resume)?.numProcesses ?? 1;
}

function report(result: TrainResult, flags: TrainFlags): void {
  const { status, directory, last, best, epochs, globalStep } = result;
  const where = (path: string) => relative(".", path) || ".";
  const how = {
    finished: "finished",
    early_stopped: "stopped early",
    out_of_time: "out of time",
    interrupted: "interrupted",
  };
  print(`${how[status]} after ${epochs} epochs, ${globalStep} steps`);
  if (best !== null) {
    print(`best  ${scoreOf(best)} in epoch ${best.epoch + 1}  ${where(best.path)}`);
  }
  print(`last  ${where(last)}`);
  if (status === "interrupted" || status === "out_of_time") {
    note(`Go on with:\n  ${resumeCommand(where(directory), flags)}`);
  }
}

function scoreOf({ monitor, value, valBps }: BestCheckpoint): string {
  const score = valBps === null ? "no score" : `${valBps.toFixed(4)} bits/spike`;
  return monitor === DEFAULT_MONITOR ? score : `${monitor} ${value?.toFixed(4) ?? "no number"}, ${score}`;
}
