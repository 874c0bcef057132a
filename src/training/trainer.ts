/**
 * @file Training a twin (training specification, sections 1, 6, 9, 12, 17, 18, 22 and 24).
 *
 * {@link train} reads from top to bottom: set up; then for every epoch batches, validation, checkpoints. It prints nothing,
 * gives the event loop a turn after every batch, and keeps no tensors from batch to batch but weights and moments.
 */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { LostProcessError, releaseMemory, scope } from "../torch/index.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import { lastCheckpoint, statePath } from "./checkpoint-files.ts";
import { chooseStepRunner, type StepRunner } from "./graphed-step.ts";
import { HealthCheck, withMemoryAdvice } from "./health.ts";
import { DEFAULT_MONITOR, monitorOf } from "./monitor.ts";
import { explainNonFinite } from "./non-finite.ts";
import { defaultReadEvery, type TrainOptions } from "./options.ts";
import { type Reading, readTogether } from "./reading.ts";
import { advanceEarlyStopping, bestKept, retainBest } from "./retention.ts";
import { type Place, RunLog } from "./run-log.ts";
import { advancePlateau, scheduledRate } from "./schedules.ts";
import { disposeRun, type Run, setUpRun } from "./setup.ts";
import type { BatchReport, UpdateReport } from "./step.ts";
import { epochsWithinBudget } from "./time-budget.ts";
import { validate } from "./validate.ts";

/** How a run ended. */
export interface TrainResult {
  /**
   * `finished`: all epochs are done, or all that fit into the time budget. `early_stopped`: no improvement for too long.
   * `out_of_time`: the time budget is spent in the middle of an epoch. `interrupted`: by the signal.
   */
  status: "finished" | "early_stopped" | "out_of_time" | "interrupted";
  /** Folder of the run's files. */
  directory: string;
  /** Path of the checkpoint to resume from. */
  last: string;
  /** The best checkpoint by the monitored metric, or null when no epoch was completed. */
  best: BestCheckpoint | null;
  /** Epochs completed, validation included. */
  epochs: number;
  /** Optimiser steps completed. */
  globalStep: number;
  /** Of the last completed epoch, by tracker key; finite values only. */
  metrics: Record<string, number>;
  /** Losses of a session in a batch that were left out because they were not finite. */
  droppedLosses: number;
  /** Optimiser steps that were left out because a gradient was not finite. */
  skippedUpdates: number;
}

/** The checkpoint that a run has found to be the best. Values are null where they are not numbers. */
export interface BestCheckpoint {
  path: string;
  epoch: number;
  /** Tracker key of the metric that decided. */
  monitor: string;
  value: number | null;
  /** Bits per spike over all sessions. */
  valBps: number | null;
}

/** Why a run may stop before its end, the stronger reason last. */
const REASONS = [null, "out_of_time", "interrupted"] as const;

/** Optimiser steps between two records of step metrics. */
const STEPS_PER_RECORD = 50;

/**
 * Trains a twin on prepared or configured sessions, or continues a run.
 *
 * Checkpoints go to `<checkpointDir>/<experimentName>/`: `last` after every epoch and when stopped, and the three best epochs by
 * validation. On the CPU a run that was stopped and resumed ends with the same weights, bit for bit, as one that was not.
 *
 * @example
 * const { best } = await train({ modelConfig: "model.yaml", datasetConfigsPath: "data.yaml", maxEpochs: 20 });
 *
 * @throws UserError for anything wrong in options, configurations, data or the checkpoint to resume from, when losses or
 *   gradients stay non-finite, or when a checkpoint cannot be written
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  try {
    return await trainAlike(options);
  } catch (error) {
    options.processGroup?.fail(error);
    throw error;
  }
}

async function trainAlike(options: TrainOptions): Promise<TrainResult> {
  const run = setUpRun(options);
  const { replica } = run;
  const trackers = replica === undefined || replica.leads ? (options.trackers ?? []) : [];
  let outcome: "finished" | "interrupted" | "failed" = "failed";
  let trainer: Trainer | undefined;
  try {
    replica?.begin(run.twin, partsOf(run));
    for (const tracker of trackers) await tracker.start(describeRun(run));
    trainer = new Trainer(run, { ...options, trackers });
    const result = await trainer.run();
    outcome = result.status === "interrupted" || result.status === "out_of_time" ? "interrupted" : "finished";
    return result;
  } catch (error) {
    throw error instanceof LostProcessError ? withResumeHint(error, run.directory) : error;
  } finally {
    trainer?.dispose();
    disposeRun(run);
    releaseMemory();
    for (const tracker of trackers) await tracker.finish(outcome);
  }
}

class Trainer {
  private readonly job: Run;
  private readonly options: TrainOptions;
  private readonly log: RunLog;
  private readonly health: HealthCheck;
  private readonly readEvery: number;
  private readonly step: StepRunner;
  /** Steps whose numbers are still on the device. */
  private readonly unread: UnreadStep[] = [];
  /** When this process began, and when the current epoch did; milliseconds. */
  private readonly startedAt = performance.now();
  private epochStartedAt = performance.now();
  private readonly secondsBefore: number;
  /** Why the run stops before its end, once that is decided. */
  private stopping: (typeof REASONS)[number] = null;

  constructor(run: Run, options: TrainOptions) {
    this.job = run;
    this.options = options;
    this.secondsBefore = run.state.secondsSpent;
    this.log = new RunLog(run.state, options.trackers ?? [], options.onEvent);
    this.health = new HealthCheck(options.badStepLimit);
    this.readEvery = options.readEvery ?? defaultReadEvery(run.device);
    this.step = chooseStepRunner(run, options, (message) => {
      if (this.leads) this.log[options.cudaGraphs === "on" ? "warn" : "note"](message);
    });
  }

  async run(): Promise<TrainResult> {
    const { state, warnings, notes, replica } = this.job;
    if (replica === undefined || replica.leads) {
      for (const message of warnings) this.log.warn(message);
      for (const message of notes) this.log.note(message);
    }
    while (state.epoch < state.plannedEpochs && !state.stoppedEarly) {
      this.epochStartedAt = performance.now();
      const isWhole = state.batch === 0;
      const metrics = (await this.trainEpoch()) ? await this.validateEpoch() : null;
      if (metrics === null) {
        this.saveLast(state.epoch);
        return this.result(this.stopping ?? "interrupted");
      }
      this.endEpoch(metrics, isWhole);
    }
    return this.result(state.stoppedEarly ? "early_stopped" : "finished");
  }

  /** Trains to the end of the epoch; false when stopped before. */
  private async trainEpoch(): Promise<boolean> {
    const { state, sampler, settings, trainLoader, replica } = this.job;
    const { batchesPerEpoch } = sampler;
    const { accumulateGradBatches, warmupPerStep, warmupEpochs } = settings;
    const { epoch } = state;
    this.setRates(epoch);
    while (state.batch < batchesPerEpoch) {
      if (state.batch % accumulateGradBatches === 0 && this.mustStop()) {
        this.readSteps();
        return false;
      }
      if (state.batch === 0) this.log.logRates(this.job.optimizer, settings.optimizer);
      if (state.batch % accumulateGradBatches === 0) replica?.shareStatistics();
      if (warmupPerStep && epoch < warmupEpochs) this.setRates(epoch + (state.batch + 1) / batchesPerEpoch);

      const plan = sampler.next();
      state.batch++;
      const isUpdate = state.batch % accumulateGradBatches === 0 || state.batch === batchesPerEpoch;
      const { batch, update } = withMemoryAdvice(this.job.device, plan.length, () =>
        scope(() => this.step.start(trainLoader.load(plan).groups, epoch, isUpdate)),
      );
      const learningRate = this.job.optimizer.groups.at(-1)!.lr;
      this.unread.push({ plan, batch, update, place: { epoch, batch: state.batch - 1 }, learningRate });
      if (this.unread.length >= this.readEvery || this.mayNeedSaving()) this.readSteps();
      await setImmediate();
    }
    this.readSteps();
    return !this.mustStop();
  }

  /** Frees what nobody will read any more. */
  dispose(): void {
    for (const { batch, update } of this.unread.splice(0)) for (const reading of [batch, update]) reading?.dispose();
    this.step.dispose();
  }

  /** Reads what the device has put out since the last time, and does what follows from it, step by step. */
  private readSteps(): void {
    const steps = this.unread.splice(0);
    readTogether(steps.flatMap(({ batch, update }) => [batch, ...(update ? [update] : [])]));
    for (const step of steps) this.afterStep(step);
  }

  private afterStep({ plan, batch, update, place, learningRate }: UnreadStep): void {
    const { state, sampler, settings } = this.job;
    this.log.addBatch(batch.report, place);
    this.health.afterBatch(batch.report, () => explainNonFinite(this.job, plan));
    if (update) {
      if (update.report.skipped) this.log.addSkip(update.report, place);
      else if (++state.globalStep % STEPS_PER_RECORD === 0) this.log.logStep(update.report);
      this.health.afterUpdate(update.report, batch.report, () => explainNonFinite(this.job, plan));
      this.saveBetween(place.epoch);
    }
    this.options.onStep?.({
      ...place,
      batchesPerEpoch: sampler.batchesPerEpoch,
      globalStep: state.globalStep,
      samples: plan.length * settings.numProcesses,
      loss: batch.report.baseLoss,
      gradNorm: update?.report.gradNorm ?? null,
      learningRate,
    });
  }

  private async validateEpoch(): Promise<Record<string, number> | null> {
    const { twin, optimizer, valLoader, valBatches, lossOptions, replica } = this.job;
    optimizer.setMode("eval");
    try {
      return await validate(twin, valLoader, valBatches, lossOptions, { signal: this.options.signal, replica });
    } finally {
      optimizer.setMode("train");
    }
  }

  /**
   * Logs the epoch, decides what follows from it and saves.
   *
   * @param isWhole whether this process trained the epoch from its first batch
   */
  private endEpoch(validation: Record<string, number>, isWhole: boolean): void {
    const { state, settings, directory, replica } = this.job;
    const { epoch } = state;
    const metrics = this.log.logEpoch(validation);
    const monitor = monitorOf(settings);
    const own = metrics[monitor.metric] ?? Number.NaN;
    // Means over training batches are each process's own.
    const value = replica?.leading(own) ?? own;

    if (settings.lrScheduler === "plateau") {
      state.plateau = advancePlateau(state.plateau, validation.val_loss ?? Number.NaN);
    }
    const early = advanceEarlyStopping(state.earlyStopping, value, {
      patience: settings.earlyStoppingPatience ?? undefined,
      minDelta: settings.earlyStoppingMinDelta,
      mode: monitor.mode,
    });
    const { kept, saved, removed } = retainBest(state.kept, epoch, value, monitor);
    if (saved && monitor.metric !== DEFAULT_MONITOR) saved.valBps = validation[DEFAULT_MONITOR];
    const seconds = (performance.now() - this.epochStartedAt) / 1000;
    state.earlyStopping = early.state;
    state.stoppedEarly = early.stop;
    state.kept = kept;
    state.metrics = Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
    state.epoch++;
    state.batch = 0;
    state.means = {};
    if (settings.timeBudgetMinutes !== null && isWhole) state.plannedEpochs = this.epochsWithinBudget(seconds);

    const path = saved && join(directory, `${saved.stem}.safetensors`);
    if (path) this.save(path, epoch);
    this.saveLast(epoch);
    if (removed && this.leads) removeCheckpoint(join(directory, `${removed.stem}.safetensors`));
    this.options.onEpoch?.({
      epoch,
      maxEpochs: state.plannedEpochs,
      globalStep: state.globalStep,
      metrics,
      saved: path,
      seconds,
    });
  }

  // --- rates and time --------------------------------------------------------------------------------------------------

  /** @param epoch may lie inside an epoch */
  private setRates(epoch: number): void {
    const { optimizer, baseRates, settings, state } = this.job;
    const { lrScheduler: kind, warmupEpochs, restartPeriod } = settings;
    const schedule = { kind, warmupEpochs, restartPeriod: restartPeriod ?? undefined };
    for (const [i, group] of optimizer.groups.entries()) {
      group.lr = scheduledRate(schedule, baseRates[i]!, epoch, state.plannedEpochs) * state.plateau.factor;
    }
  }

  private secondsSpent(): number {
    return this.secondsBefore + (performance.now() - this.startedAt) / 1000;
  }

  private secondsLeft(): number {
    const { timeBudgetMinutes } = this.job.settings;
    return timeBudgetMinutes === null ? Number.POSITIVE_INFINITY : timeBudgetMinutes * 60 - this.secondsSpent();
  }

  /** All processes stop when one must. */
  private mustStop(): boolean {
    const { replica } = this.job;
    const own = this.options.signal?.aborted ? 2 : this.secondsLeft() <= 0 ? 1 : 0;
    this.stopping = REASONS[replica?.largest(own) ?? own]!;
    return this.stopping !== null;
  }

  /** Epochs the run can have when all further ones take as long as the last. */
  private epochsWithinBudget(epochSeconds: number): number {
    const { state, settings, replica } = this.job;
    const fitting = epochsWithinBudget({ epochsDone: state.epoch, secondsLeft: this.secondsLeft(), epochSeconds });
    const epochs = Math.min(settings.maxEpochs, fitting);
    // The fewest of all processes.
    return replica ? -replica.largest(-epochs) : epochs;
  }

  // --- checkpoints -------------------------------------------------------------------------------------------------------

  /** Whether a checkpoint is due unless steps since the last reading were left out. */
  private mayNeedSaving(): boolean {
    const { checkpointEvery: every } = this.options;
    if (every === undefined) return false;
    const updates = this.unread.filter(({ update }) => update !== null).length;
    return updates > 0 && (this.job.state.globalStep + updates) % every === 0;
  }

  /** Writes `last` within an epoch, as often as asked for. What follows is the same with and without it. */
  private saveBetween(epoch: number): void {
    const { state, sampler } = this.job;
    const { checkpointEvery: every } = this.options;
    if (every === undefined || state.batch === sampler.batchesPerEpoch) return;
    if (state.globalStep > 0 && state.globalStep % every === 0) this.saveLast(epoch);
  }

  private saveLast(epoch: number): void {
    this.save(lastCheckpoint(this.job.directory), epoch);
  }

  private get leads(): boolean {
    return this.job.replica?.leads ?? true;
  }

  /** With several processes, rank 0 writes and the others wait. */
  private save(path: string, epoch: number): void {
    const { twin, optimizer, scaler, device, state, modelConfig, sessions, input, settings, replica } = this.job;
    state.secondsSpent = this.secondsSpent();
    const info = {
      model_config: modelConfig,
      input,
      sessions: [...sessions],
      epoch,
      global_step: state.globalStep,
      metrics: state.metrics,
      settings,
      imported: null,
    };
    scope(() => {
      const otherStates = replica?.otherRandomStates(device);
      if (this.leads) saveCheckpoint(path, twin, info, { optimizer, scaler, device, run: state, otherStates });
    });
    replica?.afterSaving();
    if (this.leads) this.options.onEvent?.({ type: "checkpoint", message: `Saved ${path}` });
  }

  private result(status: TrainResult["status"]): TrainResult {
    const { state } = this.job;
    return {
      status,
      directory: this.job.directory,
      last: lastCheckpoint(this.job.directory),
      best: this.best(),
      epochs: state.epoch,
      globalStep: state.globalStep,
      metrics: state.metrics,
      droppedLosses: state.droppedLosses,
      skippedUpdates: state.skippedUpdates,
    };
  }

  private best(): BestCheckpoint | null {
    const { state, settings, directory } = this.job;
    const { metric, mode } = monitorOf(settings);
    const best = bestKept(state.kept, mode);
    if (best === undefined) return null;
    const { stem, epoch, value, valBps = value } = best;
    return { path: join(directory, `${stem}.safetensors`), epoch, monitor: metric, value, valBps };
  }
}

/** A step that is done, or will be as soon as the device gets there. */
interface UnreadStep {
  plan: Int32Array;
  batch: Reading<BatchReport>;
  /** Null for a batch that only accumulated. */
  update: Reading<UpdateReport> | null;
  place: Place;
  /** Of the last parameter group. */
  learningRate: number;
}

/** What has to be the same in all processes of a run. */
function partsOf({ settings, modelConfig, sessions, state }: Run): Record<string, unknown> {
  const { epoch, batch, globalStep } = state;
  return {
    "the settings": settings,
    "the model configuration": modelConfig,
    "the sessions or their data": sessions,
    "the checkpoint to resume from": { epoch, batch, globalStep },
  };
}

function withResumeHint({ message, cause }: LostProcessError, directory: string): LostProcessError {
  const last = lastCheckpoint(directory);
  const hint = existsSync(last)
    ? `The run can go on from its last checkpoint: --resume ${directory}`
    : "There was no checkpoint yet: start the run again.";
  return new LostProcessError(message, { hint, cause });
}

function removeCheckpoint(path: string): void {
  for (const file of [path, statePath(path)]) rmSync(file, { force: true });
}

function describeRun({ name, directory, settings, device, modelConfig, sessions, state }: Run) {
  return {
    name,
    directory,
    globalStep: state.globalStep,
    config: { ...settings, device, model_config: modelConfig, sessions },
  };
}
