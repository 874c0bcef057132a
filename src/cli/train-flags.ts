/**
 * @file The flags of `visioncore train` (spec training.md, section 2). Settings have no defaults here: the trainer fills in
 * its own or, when resuming, those of the checkpoint.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import { STORAGE_MODES } from "../data/loader.ts";
import type { OnDevice } from "../data/resident-stimuli.ts";
import { BALANCES } from "../data/samplers.ts";
import type { TrackingOptions } from "../tracking/trackers.ts";
import { WANDB_MODES } from "../tracking/wandb-run.ts";
import { MONITOR_MODES } from "../training/monitor.ts";
import { OPTIMIZERS } from "../training/optimizers.ts";
import { CUDA_GRAPHS, type CudaGraphsMode, type TrainingSettings, type TrainOptions } from "../training/options.ts";
import { SCHEDULES } from "../training/schedules.ts";
import { addDeviceFlags } from "./device.ts";
import type { ProcessFlags } from "./launched.ts";
import { addReferenceFlags } from "./reference-flags.ts";
import { numberBetween, positiveNumber, wholeNumber } from "./values.ts";

/** Values of the flags; settings under the names the trainer uses. */
export interface TrainFlags extends Partial<Omit<TrainingSettings, "precision" | "numProcesses">>, ProcessFlags {
  precision?: string;
  modelConfig?: string;
  datasetConfigs?: string;
  dataDir?: string;
  dataMemory?: number;
  dataOnDevice?: OnDevice;
  strictData?: boolean;
  dataCache?: string | false;
  maxDatasets?: number;
  checkpointDir?: string;
  experimentName?: string;
  projectName?: string;
  wandb?: TrackingOptions["wandb"];
  tensorboard?: boolean;
  mlflow?: string;
  checkpointEvery?: number;
  badStepLimit?: number;
  cudaGraphs?: CudaGraphsMode;
  frozenCore?: string;
  pretrainedCheckpoint?: string;
  freezeVision?: boolean;
  resume?: string;
  allowConfigChange?: boolean;
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
      "--data-on-device <auto|always|never|GiB>",
      "stimuli that are kept on the GPU, the others are sent with every batch (default: auto, half of its free memory)",
      onDevice,
    )
    .option("--data-cache <dir>", "keep prepared sessions there: the next run starts at once, processes share memory")
    .option("--no-data-cache", "copy no stimuli to the user's cache: what cannot be mapped stays in memory")
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
        "--dset-dtype <type>",
        "bfloat16 rounds stimuli, spikes and behaviour as the reference's mode of that name does (default: uint8)",
      ).choices([...STORAGE_MODES]),
    )
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
    .option("--learning-rate <rate>", "of the head: adapters, recurrent part, readouts (default: 1e-4)", positiveNumber)
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
    .addOption(
      new Option("--optimizer <name>", "schedule_free needs no schedule (default: adamw)").choices([...OPTIMIZERS]),
    )
    .option(
      "--optimizer-warmup-steps <steps>",
      "of schedule_free: raise the rate over so many steps (default: 0)",
      wholeNumber(0),
    )
    .option("--precision <name>", "32, bf16-mixed or 16-mixed (default: bf16-mixed where it is fast)")
    .option("--tf32", "on a GPU, products of float32 numbers in TF32, which is faster (default)")
    .option("--no-tf32", "on a GPU, products of float32 numbers in full precision")
    .addOption(
      new Option(
        "--cuda-graphs <when>",
        "launch whole steps as CUDA graphs; on: say why not where not (default: auto, where possible)",
      ).choices([...CUDA_GRAPHS]),
    )
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
      "--early-stopping-min-delta <difference>",
      "what counts as an improvement of the monitored metric (default: 0)",
      numberBetween(0),
    )
    .option(
      "--monitor <metric>",
      "logged metric that chooses the checkpoints to keep, and when to stop early (default: val_bps_overall)",
    )
    .addOption(
      new Option("--monitor-mode <mode>", "how it is to be (default: min for losses, max for scores)").choices([
        ...MONITOR_MODES,
      ]),
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
    .option(
      "--bad-step-limit <count>",
      "give up after so many batches in a row without a finite loss or gradient (default: 50)",
      wholeNumber(1),
    )
    .option("--resume <path>", "checkpoint to continue from, or a run's folder for its last one")
    .option("--allow-config-change", "with --resume: accept what differs from the checkpoint, and list it")
    .option(
      "--frozen-core <path>",
      "train new adapters and readouts on the core of this model file or run, left as it is",
    )
    .option(
      "--pretrained-checkpoint <path>",
      "start from frontend, convnet and known sessions' adapters of this model file or run",
    )
    .option("--freeze-vision", "with --pretrained-checkpoint: what was taken over does not train")
    .optionsGroup("Tracking, besides metrics.jsonl in the run's folder:")
    .addOption(
      new Option("--wandb <mode>", "log to W&B: online, or offline into a folder for `wandb sync`").choices([
        ...WANDB_MODES,
      ]),
    )
    .option("--tensorboard", "write TensorBoard event files")
    .option("--mlflow <uri|dir>", "log to an MLflow server, or into a folder: mlruns")
    .option(
      "--project-name <name>",
      "W&B project, MLflow experiment (default: multidataset; frozencore_readouts with --frozen-core)",
    )
    .optionsGroup("Several processes:")
    .addOption(
      new Option("--num-gpus <count>", "train on the first GPUs, with a process for each (default: 1)")
        .argParser(wholeNumber(1))
        .conflicts(["device", "gpu"]),
    )
    .addOption(
      new Option("--gpu-ids <list>", "train on these GPUs, with a process for each: 0,2")
        .argParser(gpuList)
        .conflicts(["device", "gpu"]),
    )
    .addOption(
      new Option("--num-processes <count>", "train with several processes on the CPU (default: 1)")
        .argParser(wholeNumber(1))
        .conflicts(["numGpus", "gpuIds", "gpu"]),
    )
    .option(
      "--global-objective",
      "every session in the batches of all processes weighs the same, as with one process and their batch",
    )
    .option("--master-port <port>", "where the processes find each other (default: a free one)", wholeNumber(1))
    .option(
      "--process-timeout <seconds>",
      "how long processes wait for each other: to start (default: 300), and for one without a sign of life (default: 15)",
      positiveNumber,
    )
    .optionsGroup("Instead of training:")
    .option("--dry-run", "set everything up, try a few steps, say what the run needs and how long it takes, and stop")
    .addOption(
      new Option("--print-config", "show every resolved value and where it came from, and stop").conflicts([
        "dryRun",
        "json",
      ]),
    )
    .option("--json", "print the result as JSON");
  addDeviceFlags(command);
  return addReferenceFlags(command);
}

/** Numbers of different GPUs. */
function gpuList(text: string): number[] {
  const ids = text.split(",").map(wholeNumber(0));
  if (new Set(ids).size === ids.length) return ids;
  throw new InvalidArgumentError("Expected different GPUs.");
}

/** Reads `auto`, `always`, `never` or a number of GiB. */
function onDevice(text: string): OnDevice {
  if (text === "auto" || text === "always" || text === "never") return text;
  return numberBetween(0)(text);
}

/** The trainer's options for the flags; what is about this process only is left out. */
export function trainOptions(flags: TrainFlags): Omit<TrainOptions, "precision"> {
  const {
    device,
    gpu,
    threads,
    numGpus,
    gpuIds,
    masterPort,
    processTimeout,
    printConfig,
    dryRun,
    json,
    datasetConfigs,
    dataMemory,
    dataOnDevice,
    precision,
    projectName,
    wandb,
    tensorboard,
    mlflow,
    ...options
  } = flags;
  const bytes = (gibibytes: number | undefined) => (gibibytes === undefined ? undefined : gibibytes * 2 ** 30);
  return {
    ...options,
    dataMemory: bytes(dataMemory),
    dataOnDevice: typeof dataOnDevice === "number" ? bytes(dataOnDevice) : dataOnDevice,
    datasetConfigsPath: datasetConfigs,
  };
}

/** Where the run is tracked. */
export function trackingOptions({ wandb, tensorboard, mlflow, projectName, frozenCore }: TrainFlags): TrackingOptions {
  const usual = frozenCore === undefined ? undefined : "frozencore_readouts";
  return { wandb, tensorboard, mlflow, projectName: projectName ?? usual };
}

/** One sentence for a flag about tracking that has no effect: launch scripts of the reference, which always tracks, have it. */
export function trackingNotes({ wandb, mlflow, projectName }: TrainFlags): string[] {
  if (projectName === undefined || wandb !== undefined || mlflow !== undefined) return [];
  return ["--project-name has no effect: neither --wandb nor --mlflow is given."];
}

/** The command that continues an interrupted run: what the checkpoint does not know is said again. */
export function resumeCommand(directory: string, flags: TrainFlags): string {
  const { device, gpu, threads, dataDir, wandb, tensorboard, mlflow, projectName, numGpus, gpuIds, numProcesses } =
    flags;
  const { cudaGraphs } = flags;
  const processes = { "num-gpus": numGpus, "gpu-ids": gpuIds?.join(), "num-processes": numProcesses };
  const again = {
    ...processes,
    device,
    gpu,
    threads,
    "cuda-graphs": cudaGraphs,
    "data-dir": dataDir,
    wandb,
    tensorboard,
    mlflow,
    "project-name": projectName,
  };
  const words = Object.entries(again).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return value === true ? [`--${name}`] : [`--${name}`, quoted(String(value))];
  });
  return ["npx visioncore train --resume", quoted(directory), ...words].join(" ");
}

/** A word as a shell takes it. */
function quoted(text: string): string {
  return /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
