/**
 * @file `visioncore inspect`: what is inside a configuration, a recording, a checkpoint or a model.
 */
import type { Command } from "commander";
import { describeCommand } from "../command.ts";
import { ProgressLine } from "../progress.ts";
import { print, printJson } from "../terminal.ts";
import { counts, positiveNumber, wholeNumber } from "../values.ts";

/** The `inspect` command with its kinds of things. */
export function inspectCommand(): Command {
  return describeCommand("inspect", "Show what is inside a configuration, a recording, a checkpoint or a model.", [
    "inspect config experiments/model_configs/demo.yaml",
    "inspect data data/dataset.yaml --strict",
    "inspect recording data/Allen_2022-02-16",
    "inspect checkpoint checkpoints/my_run",
  ])
    .addCommand(configCommand())
    .addCommand(dataCommand())
    .addCommand(recordingCommand())
    .addCommand(checkpointCommand())
    .addCommand(modelCommand());
}

function configCommand(): Command {
  return describeCommand(
    "inspect config",
    "Check a model or dataset file, and show every value with where it came from.",
    ["inspect config experiments/model_configs/demo.yaml", "inspect config data/dataset.yaml --json"],
  )
    .argument("<file>", "model file, or dataset file that names the sessions")
    .option("--json", "print the resolved values as JSON")
    .action(async (file: string, { json }: { json?: boolean }) => {
      const { inspectConfig } = await import("../inspect-config.ts");
      const { values, text, warnings } = inspectConfig(file);
      if (json) printJson(values);
      else print([...warnings.map((warning) => `# warning: ${warning}`), text].join("\n"));
    });
}

interface DataFlags {
  dataDir?: string;
  maxDatasets?: number;
  strict?: boolean;
  verify?: boolean;
  json?: boolean;
}

function dataCommand(): Command {
  return describeCommand(
    "inspect data",
    "Show what a dataset finds in its recordings: sizes, rates, what filters leave, what is missing or doubtful.",
    ["inspect data demo/data/dataset.yaml", "inspect data data/dataset.yaml --data-dir /mnt/recordings --strict"],
  )
    .argument("<file>", "dataset file that names the sessions")
    .option("--data-dir <dir>", "folder with the sessions' folders (default: data_dir of the file)")
    .option("--max-datasets <count>", "look at the first sessions only", wholeNumber(1))
    .option("--strict", "refuse all that is doubtful: half-valid bins, bins of two trials, lags past the filter, …")
    .option("--verify", "read all of every recording and compare it with the digests in its files")
    .option("--json", "print everything as JSON")
    .action(async (file: string, { json, ...options }: DataFlags) => {
      const { formatDataReport, inspectData, isUsable } = await import("../inspect-data.ts");
      const progress = new ProgressLine();
      const report = inspectData(file, {
        ...options,
        onSession: (label, done, total) => progress.update({ label, done, total, details: [] }),
      });
      progress.clear();
      if (json) printJson(report);
      else print(formatDataReport(report));
      if (!isUsable(report)) process.exitCode = 1;
    });
}

function recordingCommand(): Command {
  return describeCommand("inspect recording", "Show the columns, trials and units of recordings.", [
    "inspect recording data/Allen_2022-02-16/datasets/backimage.dset",
    "inspect recording demo/data/Synth_2024-01-01",
  ])
    .argument("<path>", "recording (.dset or .safetensors), or the folder of a session")
    .option("--verify", "read all of it and compare it with the digests in its files")
    .option("--json", "print as JSON, with metadata and the spikes of every unit; rates in Hz")
    .action(async (path: string, { json, verify }: { json?: boolean; verify?: boolean }) => {
      const { formatRecording, inspectRecordings } = await import("../inspect-recording.ts");
      const summaries = inspectRecordings(path, { verify });
      if (json) printJson(summaries);
      else print(summaries.map(formatRecording).join("\n\n"));
    });
}

function checkpointCommand(): Command {
  return describeCommand("inspect checkpoint", "Show what a checkpoint holds, or list those of a run.", [
    "inspect checkpoint checkpoints/my_run",
    "inspect checkpoint checkpoints/my_run/last.safetensors --json",
  ])
    .argument("<path>", "checkpoint (.safetensors), or the folder of a run")
    .option("--json", "print as JSON, with model, sessions, settings and all tensors")
    .action(async (path: string, { json }: { json?: boolean }) => {
      const { formatCheckpoint, formatCheckpointList, inspectCheckpoints } = await import("../inspect-checkpoint.ts");
      const summaries = inspectCheckpoints(path);
      if (json) printJson(summaries);
      else print(summaries.length === 1 ? formatCheckpoint(summaries[0]!) : formatCheckpointList(summaries));
    });
}

interface ModelFlags {
  datasetConfigs?: string;
  lags: number;
  height: number;
  width: number;
  units: number[];
  rate?: number;
  detail?: boolean;
  json?: boolean;
}

function modelCommand(): Command {
  return describeCommand(
    "inspect model",
    "Show a model's stages with shapes, parameters and cost, and which lags its output can see, without building it.",
    [
      "inspect model experiments/model_configs/demo.yaml --dataset-configs demo/data/dataset.yaml",
      "inspect model experiments/model_configs/demo.yaml --lags 33 --rate 120 --units 8,12 --detail",
    ],
  )
    .argument("<file>", "model file")
    .option("--dataset-configs <file>", "dataset file whose sessions and stimuli the model is for, instead of:")
    .option("--lags <frames>", "stimulus frames of a sample", wholeNumber(1), 25)
    .option("--height <pixels>", "of a frame", wholeNumber(1), 51)
    .option("--width <pixels>", "of a frame", wholeNumber(1), 51)
    .option("--units <list>", "units of every session: 100, or 8,12 for two", counts, [100])
    .option("--rate <Hz>", "frames per second, to show lags in milliseconds", positiveNumber)
    .option("--detail", "also show the layers inside blocks")
    .option("--json", "print everything as JSON")
    .action(async (file: string, flags: ModelFlags) => {
      const { formatModel, inspectModel } = await import("../inspect-model.ts");
      const { datasetConfigs, lags, height, width, units, rate, detail, json } = flags;
      const input = { frames: lags, height, width };
      const summary = inspectModel(file, { datasetConfigs, input, units, rateHz: rate });
      if (json) printJson(summary);
      else print(formatModel(summary, { detail }));
    });
}
