/**
 * @file Everything a run needs before its first batch, fresh or continued from a checkpoint (training specification,
 * sections 6, 22 and 23).
 */

import { existsSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { loadModelConfig } from "../config/load.ts";
import type { ModelConfig } from "../config/model.ts";
import { Curriculum, sampleContrasts } from "../data/curriculum.ts";
import { BatchLoader } from "../data/loader.ts";
import type { PreparedSession } from "../data/prepare.ts";
import { mixSeeds } from "../data/random.ts";
import { deviceBudget, ResidentStimuli } from "../data/resident-stimuli.ts";
import { TrainSampler, validationBatches, validationPlan } from "../data/samplers.ts";
import type { SampleSet } from "../data/samples.ts";
import { openStimulusStore, type StimulusStore } from "../data/stimulus-store.ts";
import { UserError } from "../errors.ts";
import { makeFolder } from "../formats/folder.ts";
import { buildModel } from "../models/build.ts";
import { lagReport } from "../models/lag-report.ts";
import { modelWarnings } from "../models/model-warnings.ts";
import { describeModel, type InputShape, ignoresStimulus, type SessionSpec } from "../models/shapes.ts";
import type { Twin } from "../models/twin.ts";
import { freeDeviceMemory, Generator, type Optimizer, seedDefaultGenerator, setFlag } from "../torch/index.ts";
import { AuxiliaryLosses } from "./aux-loss.ts";
import { initializeReadoutBiases } from "./bias-init.ts";
import { loadTrainingState } from "./checkpoint.ts";
import { lastCheckpoint, removeUnfinished, resumableCheckpoint } from "./checkpoint-files.ts";
import { acceptChanges, configChanges } from "./config-changes.ts";
import { Replica } from "./distributed.ts";
import { LossScaler } from "./loss-scaling.ts";
import { loadParameters, type ModelFile, openModelFile } from "./model-file.ts";
import type { ModelSession } from "./model-info.ts";
import { inputWarnings } from "./model-inputs.ts";
import { checkMonitor, monitorOf } from "./monitor.ts";
import { experimentName, frozenCoreName } from "./naming.ts";
import { makeOptimizer, parameterGroups } from "./optimizers.ts";
import {
  type ChangedSetting,
  DEFAULT_MAX_DATASETS,
  defaultReadEvery,
  resolveSettings,
  type TrainingSettings,
  type TrainOptions,
} from "./options.ts";
import { freezeOf, freezeParts, openDonor, takeOver } from "./pretrained.ts";
import { keepGlobalBatch, realChanges } from "./process-count.ts";
import { Regularizers } from "./regularizers.ts";
import { prepareSessions, sessionConfigsOf } from "./run-sessions.ts";
import { freshRunState, type RunState } from "./run-state.ts";
import { scheduleWarnings } from "./schedule-warnings.ts";
import { describeSession, inputShape } from "./session-fit.ts";
import { type LossOptions, TrainingStep } from "./step.ts";

/** A run that is ready for its next batch. */
export interface Run {
  settings: TrainingSettings;
  device: string;
  /** Name of the experiment. */
  name: string;
  /** Folder of the run's files. */
  directory: string;
  modelConfig: ModelConfig;
  sessions: readonly ModelSession[];
  /** Lags and pixels of the stimuli, null when there are none. */
  input: InputShape | null;
  twin: Twin;
  optimizer: Optimizer;
  /** Of the losses, with float16. */
  scaler: LossScaler | undefined;
  /** Rate of every parameter group without a schedule. */
  baseRates: readonly number[];
  step: TrainingStep;
  lossOptions: LossOptions;
  sampler: TrainSampler;
  trainLoader: BatchLoader;
  /** Stimuli that lie on the device. */
  resident: ResidentStimuli;
  valLoader: BatchLoader;
  valBatches: readonly Int32Array[];
  state: RunState;
  /** This process's part in a run of several. */
  replica: Replica | undefined;
  /** What the user should know, one sentence each. */
  warnings: string[];
  /** Bytes of the data that lie in memory. */
  dataBytes: number;
  /** What is good to know about the model: the lags it sees. */
  notes: string[];
}

/** Streams of random numbers beside that of shuffling, which uses the seed itself. */
const INITIALISATION_STREAM = 1;
const DROPOUT_STREAM = 2;

/**
 * Prepares data and model of a run, and makes its folder.
 *
 * @throws UserError for anything wrong in options, configurations, data or the checkpoint to continue from; nothing has
 *   been written then
 */
export function setUpRun(options: TrainOptions): Run {
  const { device = "cpu", resume } = options;
  using checkpoint = resume === undefined ? undefined : openModelFile(resumableCheckpoint(resume));
  if (checkpoint) refuseImported(checkpoint);
  using donor = openDonor(options);
  const modelConfig = modelConfigOf(options, checkpoint ?? (options.frozenCore === undefined ? undefined : donor));
  const configs = sessionConfigsOf(options, checkpoint);
  const { settings, changes } = settingsOf({ ...options, freeze: freezeOf(options) }, device, checkpoint);
  if (checkpoint) changes.push(...configChanges(checkpoint, modelConfig, configs));
  const accepted = checkpoint ? acceptChanges(checkpoint.path, changes, options.allowConfigChange) : [];
  const store = openStimulusStore({ memory: options.dataMemory, cacheFolder: options.dataCache });
  const prepared = prepareSessions(configs, options, modelConfig, checkpoint, store);
  const place = placeOf(options, settings, checkpoint);

  const twin = buildTwin(modelConfig, prepared, settings.seed);
  let run: Run | undefined;
  try {
    if (checkpoint) loadParameters(twin, checkpoint);
    else initializeReadoutBiases(twin, prepared, twin.logRates);
    const notes = donor ? takeOver(twin, twin.sessions, donor, settings.freeze) : [];
    freezeParts(twin, settings.freeze);
    run = { ...place, ...assembleRun(twin, prepared, modelConfig, settings, options) };
    if (checkpoint) restore(run, checkpoint, options);
    run.warnings.unshift(...accepted);
    run.notes.push(...notes);
    if (store.mapped > 0) {
      run.dataBytes -= store.mapped;
      run.notes.push(mappedNote(store, options.dataCache));
    }
    if (run.replica?.leads ?? true) {
      makeFolder(run.directory);
      removeUnfinished(run.directory);
    }
    return run;
  } catch (error) {
    if (run) disposeRun(run);
    else twin.dispose();
    throw error;
  }
}

/** Frees weights, moments and buffers. */
export function disposeRun({ twin, optimizer, scaler, step, trainLoader, valLoader, resident }: Run): void {
  optimizer.dispose();
  scaler?.dispose();
  step.dispose();
  trainLoader.dispose();
  valLoader.dispose();
  resident.dispose();
  twin.dispose();
}

function assembleRun(
  twin: Twin,
  prepared: readonly PreparedSession[],
  modelConfig: ModelConfig,
  settings: TrainingSettings,
  { device = "cpu", dataOnDevice = "auto", processGroup, readEvery = defaultReadEvery(device) }: TrainOptions,
): Omit<Run, "name" | "directory"> {
  const valBatches = planValidation(prepared, settings);
  checkMonitor(
    settings.monitor,
    prepared.filter(({ val }) => val.length > 0).map(({ session }) => session),
  );
  const sets = prepared.map(({ train }) => train);
  twin.to({ device });
  const replica = processGroup && new Replica(processGroup, twin);
  const stream = replica === undefined || replica.leads ? [DROPOUT_STREAM] : [DROPOUT_STREAM, replica.rank];
  for (const where of new Set(["cpu", device])) seedDefaultGenerator(mixSeeds(settings.seed, ...stream), where);

  const trainable = [...twin.namedParameters()].filter(({ tensor }) => tensor.requiresGrad);
  const regularizers = new Regularizers(modelConfig.regularization, trainable, settings);
  const { excludedFromDecay } = regularizers;
  const groups = parameterGroups(twin.namedParameters(), { ...settings, excludedFromDecay });
  const optimizer = makeOptimizer(groups, settings, modelConfig.regularization);
  const scaler = settings.precision === "16-mixed" ? new LossScaler({ device }) : undefined;
  const auxiliary = new AuxiliaryLosses(twin, modelConfig.lambda_pred);
  setFlag("tf32", settings.tf32);
  const lossOptions = { logInput: twin.logRates, precision: settings.precision, device };
  const resident = new ResidentStimuli(device, deviceBudget(device, dataOnDevice, freeDeviceMemory(device)));
  const loaderOptions = {
    device,
    withStimulus: !ignoresStimulus(modelConfig, twin.sessions),
    resident,
    storage: settings.dsetDtype,
  };
  const sessions = prepared.map(describeSession);
  const lags = sets[0]!.lags.get("stim")?.lags;
  const sampler = makeSampler(sets, sessions, settings, replica);
  const stepsPerEpoch = Math.ceil(sampler.batchesPerEpoch / settings.accumulateGradBatches);
  const report = lags ? lagReport(modelConfig, { lags: [...lags], rateHz: sessions[0]!.frameRate ?? undefined }) : null;
  return {
    settings,
    device,
    modelConfig,
    input: inputShape(prepared[0]!),
    sessions,
    twin,
    optimizer,
    baseRates: optimizer.groups.map(({ lr }) => lr),
    scaler,
    step: new TrainingStep({
      ...settings,
      ...lossOptions,
      twin,
      optimizer,
      regularizers,
      auxiliary,
      scaler,
      replica,
      defer: readEvery > 1,
    }),
    lossOptions,
    sampler,
    trainLoader: new BatchLoader(sets, loaderOptions),
    valLoader: new BatchLoader(
      prepared.map(({ val }) => val),
      loaderOptions,
    ),
    resident,
    valBatches,
    state: freshRunState(settings.maxEpochs),
    replica,
    warnings: [
      ...modelWarnings(modelConfig),
      ...(report?.warnings ?? []),
      ...inputWarnings(
        modelConfig,
        prepared.map(({ config }) => config),
      ),
      ...prepared.flatMap(({ warnings }) => warnings),
      ...prepared
        .filter(({ val }) => val.length === 0)
        .map(({ session }) => `Session ${session} has no validation samples and no part in the score`),
      ...regularizers.warnings,
      ...scheduleWarnings(settings, stepsPerEpoch * settings.maxEpochs),
      ...smallSessions(sets, settings),
    ],
    dataBytes: bytesInMemory(prepared),
    notes: [...(report?.notes ?? [])],
  };
}

/** Of all columns that are kept; stimuli that are mapped do not count. */
function bytesInMemory(prepared: readonly PreparedSession[]): number {
  const recordings = prepared.flatMap(({ train }) => train.recordings);
  return recordings.reduce((bytes, recording) => {
    const columns = recording.keys().map((key) => recording.get(key).data.byteLength);
    return columns.reduce((sum, size) => sum + size, bytes);
  }, 0);
}

function mappedNote({ inMemory, mapped, budget }: StimulusStore, cache: string | false | undefined): string {
  const gigabytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const places = `stimuli: ${gigabytes(inMemory)} in memory, ${gigabytes(mapped)} mapped from files`;
  if (budget === 0 && cache) return `${places}, as prepared sessions are kept (--data-cache)`;
  return `${places}, because no more than ${gigabytes(budget)} may lie in memory (--data-memory)`;
}

function makeSampler(
  sets: readonly SampleSet[],
  sessions: readonly ModelSession[],
  settings: TrainingSettings,
  replica: Replica | undefined,
): TrainSampler {
  const { curriculumWarmupSteps: warmupSteps, curriculumFloor: floor, accumulateGradBatches } = settings;
  const curriculum = settings.enableCurriculum
    ? new Curriculum(sampleContrasts(sets), { warmupSteps, floor, batchesPerStep: accumulateGradBatches })
    : undefined;
  return new TrainSampler({
    sizes: sets.map(({ length }) => length),
    batchSize: settings.batchSize,
    batchesPerEpoch: settings.stepsPerEpoch,
    homogeneous: settings.homogeneousBatches,
    balance: settings.balance,
    subjects: sessions.map(({ subject, name }) => subject ?? name),
    curriculum,
    seed: settings.seed,
    rank: replica?.rank,
    world: replica?.world,
  });
}

/** Sessions that do not fill a batch of their own. */
function smallSessions(sets: readonly SampleSet[], { homogeneousBatches, batchSize }: TrainingSettings): string[] {
  if (!homogeneousBatches) return [];
  return sets
    .filter(({ length }) => length > 0 && length < batchSize)
    .map(
      ({ session, length }) =>
        `Session ${session} has ${length} training samples, fewer than a batch of ${batchSize}: ` +
        "its batches hold some of them more than once",
    );
}

function settingsOf(
  options: TrainOptions,
  device: string,
  checkpoint: ModelFile | undefined,
): { settings: TrainingSettings; changes: ChangedSetting[] } {
  const stored = checkpoint?.info.settings ?? undefined;
  const numProcesses = options.processGroup?.world ?? 1;
  const { settings, changed } = resolveSettings(keepGlobalBatch({ ...options, numProcesses }, stored), device, stored);
  return { settings, changes: [...realChanges(changed, settings, stored)] };
}

function modelConfigOf({ modelConfig }: TrainOptions, checkpoint: ModelFile | undefined): ModelConfig {
  if (typeof modelConfig === "string") return loadModelConfig(modelConfig).config;
  const config = modelConfig ?? checkpoint?.info.model_config;
  if (config !== undefined) return config;
  throw new UserError("Cannot train: no model configuration was given", {
    hint: "Pass the path of one: --model-config experiments/model_configs/….yaml",
  });
}

function refuseImported({ path, info: { imported } }: ModelFile): void {
  if (imported === null) return;
  throw new UserError(
    `Cannot resume from "${path}": it was imported from ${imported.file}, without its training state`,
    {
      hint: "Start a new run with what it has learnt: --pretrained-checkpoint, or --frozen-core.",
    },
  );
}

/** Name and folder of the run. A resumed one stays where it was unless told otherwise. */
function placeOf(
  options: TrainOptions,
  settings: TrainingSettings,
  checkpoint: ModelFile | undefined,
): { name: string; directory: string } {
  const { modelConfig, maxDatasets = DEFAULT_MAX_DATASETS, checkpointDir, experimentName: given, frozenCore } = options;
  const before = checkpoint && resolve(dirname(checkpoint.path));
  const mode = settings.homogeneousBatches ? "sgpu" : "ddp";
  const naming = { ...settings, maxDatasets };
  const automatic =
    frozenCore === undefined
      ? experimentName(typeof modelConfig === "string" ? modelConfig : "model", mode, naming)
      : frozenCoreName(frozenCore, naming);
  const name = given ?? (before ? basename(before) : automatic);
  const directory = resolve(checkpointDir ?? (before ? dirname(before) : "checkpoints"), name);
  if (directory !== before && existsSync(lastCheckpoint(directory))) {
    throw new UserError(`Cannot train into "${directory}": it holds the checkpoints of another run`, {
      hint: `Continue that run with --resume ${directory}, or choose another --experiment-name.`,
    });
  }
  return { name, directory };
}

function buildTwin(config: ModelConfig, prepared: readonly PreparedSession[], seed: number): Twin {
  const sessions: SessionSpec[] = prepared.map(({ session, nUnits, config: { adapter, readout } }) => ({
    name: session,
    nUnits,
    adapter,
    readout,
  }));
  const inputs = prepared.map(inputShape);
  for (const [i, input] of inputs.entries()) if (input) describeModel(config, input, [sessions[i]!]);
  const generator = new Generator(mixSeeds(seed, INITIALISATION_STREAM));
  return buildModel(config, sessions, { generator, input: inputs[0] ?? undefined });
}

function planValidation(
  prepared: readonly PreparedSession[],
  { limitValBatches, batchSize: own, numProcesses, globalObjective }: TrainingSettings,
): Int32Array[] {
  const sizes = prepared.map(({ val }) => val.length);
  // The mean of the groups' losses depends on the size of batches.
  const batchSize = globalObjective ? own * numProcesses : own;
  const limit = limitValBatches > 1 ? { count: limitValBatches * batchSize } : { fraction: limitValBatches };
  return validationBatches(validationPlan(sizes, limit), batchSize);
}

/** Puts a run where the checkpoint's was. */
function restore(run: Run, { path, info }: ModelFile, { allowConfigChange }: TrainOptions): void {
  const changed = run.sessions.filter(({ data }, i) => data !== info.sessions[i]!.data).map(({ name }) => name);
  if (changed.length > 0 && !allowConfigChange) {
    throw new UserError(
      `Cannot resume from "${path}": the data of ${changed.join(", ")} are not those it was trained on`,
      {
        hint: "Restore the data, or allow the change: --allow-config-change.",
      },
    );
  }
  run.warnings.push(
    ...changed.map((name) => `Accepted change: the data of ${name} are not those the checkpoint was trained on`),
  );
  const own = { rank: run.replica?.rank, scaler: run.scaler };
  run.state = loadTrainingState<RunState>(path, run.optimizer, run.device, own);
  if (allowConfigChange) Object.assign(run.state, { plannedEpochs: run.settings.maxEpochs, stoppedEarly: false });
  const [before, now] = [monitorOf(info.settings ?? {}), monitorOf(run.settings)];
  const isComparable = before.metric === now.metric && before.mode === now.mode;
  // Checkpoints elsewhere are another run's to keep or delete; those chosen by another metric are compared no more.
  if (resolve(dirname(path)) !== run.directory || !isComparable) run.state.kept = [];
  if (!isComparable) run.state.earlyStopping = freshRunState(0).earlyStopping;
  const { epoch, batch } = run.state;
  run.sampler.restore({ epoch, batch: Math.min(batch, run.sampler.batchesPerEpoch) });
}
