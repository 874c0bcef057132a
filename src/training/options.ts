/**
 * @file Options of a training run: defaults, checks, and what a resumed run takes from its checkpoint (training
 * specification, sections 2 and 22).
 */

import type { ModelConfig } from "../config/model.ts";
import { STORAGE_MODES, type StorageMode } from "../data/loader.ts";
import type { PreparedSession } from "../data/prepare.ts";
import type { OnDevice } from "../data/resident-stimuli.ts";
import { BALANCES, type Balance } from "../data/samplers.ts";
import { UserError } from "../errors.ts";
import type { ProcessGroup } from "../torch/index.ts";
import { bf16Flags } from "../torch/setup/cpu.ts";
import type { TrainEvents } from "./events.ts";
import { refuseIdleOptions } from "./idle-options.ts";
import { DEFAULT_MONITOR, MONITOR_MODES, type MonitorMode } from "./monitor.ts";
import { checkOptimizer, type OptimizerKind } from "./optimizers.ts";
import { FREEZES, type Freeze } from "./pretrained.ts";
import { checkSchedule, type ScheduleKind } from "./schedules.ts";
import { PRECISIONS, type Precision } from "./step.ts";
import type { Tracker } from "./tracker.ts";

/** Numbers and switches of a run, all with their values; part of every checkpoint. */
export interface TrainingSettings {
  /** Samples per batch. */
  batchSize: number;
  /** Rate of the head's parameter groups. */
  learningRate: number;
  /** The core's rate as a multiple of `learningRate`. */
  coreLrScale: number;
  /** Decoupled weight decay. */
  weightDecay: number;
  maxEpochs: number;
  /** Largest norm of all gradients; 0 or less does not clip. */
  gradientClipVal: number;
  /** Batches per optimiser step. */
  accumulateGradBatches: number;
  optimizer: OptimizerKind;
  /** Optimiser steps over which the rate of `schedule_free` rises from 0. */
  optimizerWarmupSteps: number;
  lrScheduler: ScheduleKind;
  /** Epochs of the two warm-up schedules. */
  warmupEpochs: number;
  /** Raise the rate with every batch of the warm-up instead of every epoch, whose first one has rate 0. */
  warmupPerStep: boolean;
  /** Epochs per cycle of `cosine_warmup_restart`; null: half of what follows the warm-up. */
  restartPeriod: number | null;
  /** All samples of a batch from one session. */
  homogeneousBatches: boolean;
  /** How often sessions are drawn: as their samples are, each alike, or each subject alike. */
  balance: Balance;
  /** Every sample of a batch counts alike in the loss, instead of every session. */
  weighSamples: boolean;
  /** At first, draw samples more often whose newest frame shows contrast. */
  enableCurriculum: boolean;
  /** Optimiser steps until the curriculum makes no difference any more. */
  curriculumWarmupSteps: number;
  /** Least weight of a sample in the curriculum, above 0 and up to 1. */
  curriculumFloor: number;
  /** `bfloat16` rounds what is served as the reference does in that mode. */
  dsetDtype: StorageMode;
  /** Parts that do not train: `core` with `frozenCore`, `vision` with `freezeVision`. */
  freeze: Freeze;
  precision: Precision;
  /** On a GPU: products of float32 numbers with the precision of TF32. */
  tf32: boolean;
  /** Batches per epoch; fewer when there are fewer samples. */
  stepsPerEpoch: number;
  /** Up to 1: share of the validation samples, the same in every epoch; above: number of batches. */
  limitValBatches: number;
  /** Tracker key of the metric that chooses which checkpoints are kept, and by which training stops early. */
  monitor: string;
  /** Whether it is to be small or large; null: small for losses, large for scores. */
  monitorMode: MonitorMode | null;
  /** Validations without improvement after which training stops; null: never. */
  earlyStoppingPatience: number | null;
  /** By how much the monitored metric must change to have improved. */
  earlyStoppingMinDelta: number;
  /** Wall-clock limit; the schedule is fitted into it. Null: none. */
  timeBudgetMinutes: number | null;
  /** Of initialisation, shuffling and dropout. The division into training and validation has its own. */
  seed: number;
  /** Processes that train together, each on batches of `batchSize`. The process group decides it. */
  numProcesses: number;
  /** With several processes: every session in the batches of all weighs the same, as if one process had them. */
  globalObjective: boolean;
}

/** Options of {@link train}. Settings that are left out have their defaults or, when resuming, the checkpoint's values. */
export interface TrainOptions extends Partial<TrainingSettings>, TrainEvents {
  /** Path of a model configuration, or one that is loaded already. Needed unless resuming. */
  modelConfig?: string | ModelConfig | undefined;
  /** Path of a dataset configuration, which names the sessions. Needed unless resuming or with `sessions`. */
  datasetConfigsPath?: string | undefined;
  /** Sessions that are prepared already. */
  sessions?: readonly PreparedSession[] | undefined;
  /** Folder with the sessions' folders; each configuration's `data_dir` when absent. */
  dataDir?: string | undefined;
  /**
   * Bytes of stimuli that may lie in memory, others are mapped from files. When absent, half of the available memory, or none
   * with `dataCache`.
   */
  dataMemory?: number | undefined;
  /** Which stimuli are kept on a GPU, others are sent with every batch; `auto` when absent: half of its free memory. */
  dataOnDevice?: OnDevice | undefined;
  /**
   * Folder that prepared sessions are kept in for the next run. When absent only copies of stimuli are, those that must be
   * mapped, in the user's cache; false writes nothing.
   */
  dataCache?: string | false | undefined;
  /** Refuse data that deserve a second look, see `PreparedSession.doubts`. */
  strictData?: boolean | undefined;
  /** Use only the first sessions of the dataset configuration. */
  maxDatasets?: number | undefined;
  /** "cpu" or "cuda:0", ... */
  device?: string | undefined;
  /** The processes that train together; each calls `train` with the same options. */
  processGroup?: ProcessGroup | undefined;
  /** Folder with a folder for every experiment. */
  checkpointDir?: string | undefined;
  /**
   * Model file, or folder of a run, whose core the run takes over and leaves as it is: only adapters and readouts train. Its
   * model configuration is used unless another is given.
   */
  frozenCore?: string | undefined;
  /** Model file, or folder of a run, whose frontend, convnet and adapters (of sessions with the same names) the run starts from. */
  pretrainedCheckpoint?: string | undefined;
  /** With `pretrainedCheckpoint`: what was taken over does not train. */
  freezeVision?: boolean | undefined;
  /** Name of the run's folder; made from configuration and settings when absent. */
  experimentName?: string | undefined;
  /** Checkpoint to continue from, or the folder of a run to continue from its last one. */
  resume?: string | undefined;
  /** When resuming: accept settings, configurations or data that differ from the checkpoint's, each with a warning. */
  allowConfigChange?: boolean | undefined;
  /**
   * Batches in a row without a finite loss, or updates without finite gradients, after which training stops; 50 when absent.
   */
  badStepLimit?: number | undefined;
  /**
   * Batches whose losses and norms are read from the device together, so that the host need not wait after every one; what is
   * reported and logged is the same, later. 16 on a GPU when absent, 1 on the CPU.
   */
  readEvery?: number | undefined;
  /**
   * Whether whole steps are recorded as CUDA graphs and launched in one piece. `auto`, when absent: on a GPU where possible;
   * `on` also says why not on a CPU. The steps run the same operators.
   */
  cudaGraphs?: CudaGraphsMode | undefined;
  /** Optimiser steps between two writings of `last` within an epoch; it is written after every epoch in any case. */
  checkpointEvery?: number | undefined;
  trackers?: readonly Tracker[] | undefined;
  /** Stops after the current optimiser step and writes `last`. */
  signal?: AbortSignal | undefined;
}

export const CUDA_GRAPHS = ["auto", "off", "on"] as const;
export type CudaGraphsMode = (typeof CUDA_GRAPHS)[number];

/** Sessions of a dataset configuration that are used unless said otherwise. */
export const DEFAULT_MAX_DATASETS = 30;

/** Batches between two readings, unless said otherwise. */
export function defaultReadEvery(device: string): number {
  return device === "cpu" ? 1 : 16;
}

/** Settings of a run that says nothing. bfloat16 where it is fast: on GPUs, and on processors that have the products. */
export function defaultSettings(device: string): TrainingSettings {
  return {
    batchSize: 64,
    learningRate: 1e-4,
    coreLrScale: 1,
    weightDecay: 1e-5,
    maxEpochs: 100,
    gradientClipVal: 1,
    accumulateGradBatches: 1,
    optimizer: "adamw",
    optimizerWarmupSteps: 0,
    lrScheduler: "none",
    warmupEpochs: 5,
    warmupPerStep: false,
    restartPeriod: null,
    homogeneousBatches: false,
    balance: "none",
    weighSamples: false,
    enableCurriculum: false,
    curriculumWarmupSteps: 8000,
    curriculumFloor: 0.05,
    dsetDtype: "uint8",
    freeze: "none",
    precision: device !== "cpu" || bf16Flags().length > 0 ? "bf16-mixed" : "32",
    tf32: true,
    stepsPerEpoch: 1000,
    limitValBatches: 1,
    monitor: DEFAULT_MONITOR,
    monitorMode: null,
    earlyStoppingPatience: null,
    earlyStoppingMinDelta: 0,
    timeBudgetMinutes: null,
    seed: 0,
    numProcesses: 1,
    globalObjective: false,
  };
}

/** A setting that differs between a checkpoint and the options of the run that continues from it. */
export interface ChangedSetting {
  name: string;
  stored: unknown;
  given: unknown;
}

/**
 * Settings of a run, and which of the given ones differ from the stored ones.
 *
 * @param stored of the checkpoint that is continued; undefined for a fresh run
 * @throws UserError that names the setting, what was found and what is allowed
 */
export function resolveSettings(
  options: TrainOptions,
  device: string,
  stored?: Partial<TrainingSettings>,
): { settings: TrainingSettings; changed: ChangedSetting[] } {
  // A checkpoint of an earlier version may lack settings that came later.
  const base = { ...defaultSettings(device), ...stored };
  const keys = Object.keys(base) as (keyof TrainingSettings)[];
  const given = Object.fromEntries(keys.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])));
  const settings: TrainingSettings = { ...base, ...given };
  checkSettings(settings);
  refuseIdleOptions(options, settings);
  const changed = keys
    .filter((key) => settings[key] !== base[key])
    .map((key) => ({ name: key, stored: base[key], given: settings[key] }));
  return { settings, changed: stored === undefined ? [] : changed };
}

type NumberKey = {
  [K in keyof TrainingSettings]: TrainingSettings[K] extends number | null ? K : never;
}[keyof TrainingSettings];

const WHOLE_FROM_1: readonly NumberKey[] = [
  "batchSize",
  "maxEpochs",
  "accumulateGradBatches",
  "stepsPerEpoch",
  "earlyStoppingPatience",
  "curriculumWarmupSteps",
  "numProcesses",
];
const FROM_0: readonly NumberKey[] = ["coreLrScale", "weightDecay", "earlyStoppingMinDelta"];
const ABOVE_0: readonly NumberKey[] = ["learningRate", "limitValBatches", "timeBudgetMinutes"];

function checkSettings(settings: TrainingSettings): void {
  const check = (keys: readonly NumberKey[], expected: string, isValid: (value: number) => boolean) => {
    for (const key of keys) {
      const value = settings[key];
      if (value !== null && !isValid(value))
        throw new UserError(`Cannot train: ${key} is ${value}, expected ${expected}`);
    }
  };
  check(WHOLE_FROM_1, "a whole number from 1", (value) => Number.isInteger(value) && value >= 1);
  check(FROM_0, "a number from 0", (value) => Number.isFinite(value) && value >= 0);
  check(ABOVE_0, "a number above 0", (value) => Number.isFinite(value) && value > 0);
  check(["curriculumFloor"], "a number above 0 and up to 1", (value) => value > 0 && value <= 1);
  check(["gradientClipVal"], "a number", (value) => !Number.isNaN(value));
  check(["seed"], "a whole number", Number.isInteger);
  check(
    ["limitValBatches"],
    "a share up to 1 or a whole number of batches",
    (value) => value <= 1 || Number.isInteger(value),
  );
  const { lrScheduler, warmupEpochs, restartPeriod, precision, balance, dsetDtype, monitorMode } = settings;
  if (monitorMode !== null && !MONITOR_MODES.includes(monitorMode)) {
    throw new UserError(`Cannot train: monitorMode is ${monitorMode}, expected ${MONITOR_MODES.join(", ")}`);
  }
  if (!FREEZES.includes(settings.freeze)) {
    throw new UserError(`Cannot train: freeze is ${settings.freeze}, expected ${FREEZES.join(", ")}`);
  }
  if (!BALANCES.includes(balance)) {
    throw new UserError(`Cannot train: balance is ${balance}, expected ${BALANCES.join(", ")}`);
  }
  if (!STORAGE_MODES.includes(dsetDtype)) {
    throw new UserError(`Cannot train: dsetDtype is ${dsetDtype}, expected ${STORAGE_MODES.join(", ")}`);
  }
  checkSchedule({ kind: lrScheduler, warmupEpochs, restartPeriod: restartPeriod ?? undefined });
  checkOptimizer(settings, lrScheduler);
  if (!PRECISIONS.includes(precision)) throw unknownPrecision(precision);
}

const SPELLINGS: Readonly<Record<string, Precision>> = { "32-true": "32", bf16: "bf16-mixed", "16": "16-mixed" };

/**
 * A precision as it is written on the command line: `32` or `32-true`, `bf16` or `bf16-mixed`, `16` or `16-mixed`.
 *
 * @throws UserError for unknown names
 */
export function parsePrecision(text: string): Precision {
  const precision = PRECISIONS.find((known) => known === (SPELLINGS[text] ?? text));
  if (precision === undefined) throw unknownPrecision(text);
  return precision;
}

function unknownPrecision(text: string): UserError {
  return new UserError(`Unknown precision "${text}"`, { hint: `Choose ${PRECISIONS.join(", ")}.` });
}
