/**
 * @file The flags of `visioncore train` (spec training.md, section 2). Settings have no defaults here: the trainer fills in
 * its own or, when resuming, those of the checkpoint.
 */

import { type Command, Option } from "commander";
import { BALANCES } from "../data/samplers.ts";
import type { TrainingSettings, TrainOptions } from "../training/options.ts";
import { SCHEDULES } from "../training/schedules.ts";
import { addDeviceFlags, type DeviceFlags } from "./device.ts";
import { addReferenceFlags } from "./reference-flags.ts";
import { numberBetween, positiveNumber, wholeNumber } from "./values.ts";

/** Values of the flags; settings under the names the trainer uses. */
export interface TrainFlags extends Partial<Omit<TrainingSettings, "precision">>, DeviceFlags {
  precision?: string;
  modelConfig?: string;
  datasetConfigs?: string;
  dataDir?: string;
  dataMemory?: number;
  dataOnDevice?: number;
  strictData?: boolean;
  dataCache?: string;
  maxDatasets?: number;
  checkpointDir?: string;
  experimentName?: string;
  checkpointEvery?: number;
  frozenCore?: string;
  pretrainedCheckpoint?: string;
  freezeVision?: boolean;
  resume?: string;
  overrideOnResume?: boolean;
  printConfig?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** Adds all flags. */
export function addTrainFlags(command: Command): Command {
  command
    .option("--model-config <file>", "model YAML; needed unless resuming")
    .option("--dataset-configs <file>", "dataset YAML that names the sessions; needed unless resuming")
    .option("--data-dir <dir>", "folder with the sessions' folders (default: data_dir of the dataset file)")
    .option(
      "--data-memory <GiB>",
      "stimuli that may lie in memory, the others are mapped from files (default: half of the free memory)",
      numberBetween(0),
    )
    .option(
      "--data-on-device <GiB>",
      "stimuli that are kept on the GPU, the others are sent with every batch (default: 4)",
      numberBetween(0),
    )
    .option("--data-cache <dir>", "where stimuli are copied to that cannot be mapped from their recording")
    .option("--strict-data", "refuse what `inspect data` marks as doubtful")
    .option("--max-datasets <count>", "keep the first sessions (default: 30)", wholeNumber(1))
    .optionsGroup("Steps:")
    .option("--batch-size <samples>", "samples per batch (default: 64)", wholeNumber(1))
    .option(
      "--steps-per-epoch <batches>",
      "batches per epoch, fewer if there are fewer samples (default: 1000)",
      wholeNumber(1),
    )
    .option("--max-epochs <count>", "(default: 100)", wholeNumber(1))
    .option(
      "--time-budget-minutes <minutes>",
      "stop after this time, with the schedule fitted into it (default: none)",
      positiveNumber,
    )
    .option("--accumulate-grad-batches <batches>", "batches per optimiser step (default: 1)", wholeNumber(1))
    .option("--homogeneous-batches", "all samples of a batch from one session")
    .option("--no-homogeneous-batches", "mix sessions within a batch (default)")
    .addOption(
      new Option(
        "--balance <what>",
        "draw each of the sessions, or of the subjects, as often as any other, however many samples it has (default: none)",
      ).choices([...BALANCES]),
    )
    .option("--weigh-samples", "every sample of a batch counts alike in the loss, instead of every session")
    .option("--enable-curriculum", "at first, draw samples more often whose newest frame shows contrast")
    .option("--curriculum-warmup-steps <steps>", "until all samples are equally likely (default: 8000)", wholeNumber(1))
    .option("--curriculum-floor <weight>", "least weight of a sample in it (default: 0.05)", numberBetween(0, 1))
    .optionsGroup("Optimiser:")
    .option(
      "--learning-rate <rate>",
      "of the head: adapters, recurrent part, readouts (default: 1e-4)",
      numberBetween(0),
    )
    .option("--core-lr-scale <factor>", "the core's rate as a multiple of it (default: 1)", numberBetween(0))
    .option("--weight-decay <rate>", "decoupled weight decay (default: 1e-5)", numberBetween(0))
    .option(
      "--gradient-clip-val <norm>",
      "largest norm of all gradients, 0 for no clipping (default: 1)",
      numberBetween(Number.NEGATIVE_INFINITY),
    )
    .addOption(new Option("--lr-scheduler <name>", "(default: none)").choices([...SCHEDULES]))
    .option("--warmup-epochs <epochs>", "of the warm-up schedules (default: 5)", wholeNumber(0))
    .option("--warmup-per-step", "raise the rate with every batch of the warm-up, not every epoch")
    .option(
      "--restart-period <epochs>",
      "of cosine_warmup_restart (default: half of what follows the warm-up)",
      wholeNumber(1),
    )
    .option("--precision <name>", "32 or bf16-mixed (default: bf16-mixed where it is fast)")
    .optionsGroup("Validation:")
    .option(
      "--limit-val-batches <share>",
      "up to 1: share of the validation samples; above: batches (default: 1)",
      positiveNumber,
    )
    .option(
      "--early-stopping-patience <epochs>",
      "stop after this many epochs without improvement (default: never)",
      wholeNumber(1),
    )
    .option(
      "--early-stopping-min-delta <bits>",
      "what counts as an improvement, bits per spike (default: 0)",
      numberBetween(0),
    )
    .optionsGroup("Run:")
    .option("--seed <number>", "of initialisation, shuffling and dropout (default: 0)", wholeNumber(0))
    .option("--checkpoint-dir <dir>", "folder with a folder for every experiment (default: checkpoints)")
    .option("--experiment-name <name>", "the run's folder (default: made from model and settings)")
    .option(
      "--checkpoint-every <steps>",
      "also write the last checkpoint within epochs (default: after each)",
      wholeNumber(1),
    )
    .option("--resume <path>", "checkpoint to continue from, or a run's folder for its last one")
    .option("--override-on-resume", "accept settings, sessions or data that differ from the checkpoint's")
    .option(
      "--frozen-core <path>",
      "train new adapters and readouts on the core of this model file or run, left as it is",
    )
    .option(
      "--pretrained-checkpoint <path>",
      "start from frontend, convnet and known sessions' adapters of this model file or run",
    )
    .option("--freeze-vision", "with --pretrained-checkpoint: what was taken over does not train")
    .option("--dry-run", "set everything up, try a few steps, say what the run needs and how long it takes, and stop")
    .option("--print-config", "show every resolved value and where it came from, and stop")
    .option("--json", "print the result as JSON");
  addDeviceFlags(command);
  return addReferenceFlags(command);
}

/** The trainer's options for the flags; what is about this process only is left out. */
export function trainOptions(flags: TrainFlags): Omit<TrainOptions, "precision"> {
  const {
    device,
    gpu,
    threads,
    printConfig,
    dryRun,
    json,
    datasetConfigs,
    dataMemory,
    dataOnDevice,
    precision,
    ...options
  } = flags;
  const bytes = (gibibytes: number | undefined) => (gibibytes === undefined ? undefined : gibibytes * 2 ** 30);
  return {
    ...options,
    dataMemory: bytes(dataMemory),
    dataOnDevice: bytes(dataOnDevice),
    datasetConfigsPath: datasetConfigs,
  };
}

/** The command that continues an interrupted run: what the checkpoint does not know is said again. */
export function resumeCommand(directory: string, { device, gpu, threads, dataDir }: TrainFlags): string {
  const again = { device, gpu, threads, "data-dir": dataDir };
  const flags = Object.entries(again).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, quoted(value)],
  );
  return ["npx visioncore train --resume", quoted(directory), ...flags].join(" ");
}

/** A word as a shell takes it. */
function quoted(word: string | number): string {
  const text = String(word);
  return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
