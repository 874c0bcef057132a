/**
 * @file Training a twin (training specification, sections 1, 6, 9, 12, 17, 18, 22 and 24).
 *
 * {@link train} reads from top to bottom: set up; then for every epoch batches, validation, checkpoints. It prints nothing,
 * gives the event loop a turn after every batch, and keeps no tensors from batch to batch but weights and moments.
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { releaseMemory, scope } from "../torch/index.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import { lastCheckpoint, statePath } from "./checkpoint-files.ts";
import { HealthCheck, withMemoryAdvice } from "./health.ts";
import { rateKeys } from "./optimizers.ts";
import type { TrainOptions } from "./options.ts";
import { advanceEarlyStopping, bestKept, retainBest } from "./retention.ts";
import { addWeighted, weightedMeans } from "./run-state.ts";
import { advancePlateau, scheduledRate } from "./schedules.ts";
import { disposeRun, type Run, setUpRun } from "./setup.ts";
import type { BatchReport } from "./step.ts";
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
  /** The best checkpoint by `val_bps_overall`, or null when no epoch was completed. */
  best: { path: string; epoch: number; valBps: number | null } | null;
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
  const run = setUpRun(options);
  const { trackers = [] } = options;
  let outcome: "finished" | "interrupted" | "failed" = "failed";
  try {
    for (const tracker of trackers) await tracker.start(describeRun(run));
    const result = await new Trainer(run, options).run();
    outcome = result.status === "interrupted" || result.status === "out_of_time" ? "interrupted" : "finished";
    return result;
  } finally {
    disposeRun(run);
    releaseMemory();
    for (const tracker of trackers) await tracker.finish(outcome);
  }
}

class Trainer {
  private readonly job: Run;
  private readonly options: TrainOptions;
  private readonly health = new HealthCheck();
  /** When this process began, and when the current epoch did; milliseconds. */
  private readonly startedAt = performance.now();
  private epochStartedAt = performance.now();
  private readonly secondsBefore: number;

  constructor(run: Run, options: TrainOptions) {
    this.job = run;
    this.options = options;
    this.secondsBefore = run.state.secondsSpent;
  }

  async run(): Promise<TrainResult> {
    const { state, warnings, notes } = this.job;
    for (const message of warnings) this.warn(message);
    for (const message of notes) this.options.onEvent?.({ type: "note", message });
    while (state.epoch < state.plannedEpochs && !state.stoppedEarly) {
      this.epochStartedAt = performance.now();
      const isWhole = state.batch === 0;
      const metrics = (await this.trainEpoch()) ? await this.validateEpoch() : null;
      if (metrics === null) {
        this.saveLast(state.epoch);
        return this.result(this.options.signal?.aborted ? "interrupted" : "out_of_time");
      }
      this.endEpoch(metrics, isWhole);
    }
    return this.result(state.stoppedEarly ? "early_stopped" : "finished");
  }

  /** Trains to the end of the epoch; false when stopped before. */
  private async trainEpoch(): Promise<boolean> {
    const { state, sampler, settings, trainLoader, step } = this.job;
    const { batchesPerEpoch } = sampler;
    const { accumulateGradBatches, warmupPerStep, warmupEpochs } = settings;
    const { epoch } = state;
    this.setRates(epoch);
    while (state.batch < batchesPerEpoch) {
      if (state.batch % accumulateGradBatches === 0 && this.mustStop()) return false;
      if (state.batch === 0) this.logRates();
      if (warmupPerStep && epoch < warmupEpochs) this.setRates(epoch + (state.batch + 1) / batchesPerEpoch);

      const plan = sampler.next();
      const report = withMemoryAdvice(this.job.device, plan.length, () =>
        scope(() => step.backward(trainLoader.load(plan).groups, epoch)),
      );
      state.batch++;
      this.record(report);
      this.health.afterBatch(report);

      let gradNorm: number | null = null;
      if (state.batch % accumulateGradBatches === 0 || state.batch === batchesPerEpoch) {
        const update = step.update(epoch);
        gradNorm = update.gradNorm;
        if (update.skipped) this.recordSkip(gradNorm);
        else if (++state.globalStep % STEPS_PER_RECORD === 0) this.logStep();
        this.health.afterUpdate(update, report);
        this.saveBetween(epoch);
      }
      this.options.onStep?.({
        epoch,
        batch: state.batch - 1,
        batchesPerEpoch,
        globalStep: state.globalStep,
        samples: plan.length,
        loss: report.baseLoss,
        gradNorm,
        learningRate: this.job.optimizer.groups.at(-1)!.lr,
      });
      await setImmediate();
    }
    return !this.mustStop();
  }

  private async validateEpoch(): Promise<Record<string, number> | null> {
    const { twin, valLoader, valBatches, lossOptions } = this.job;
    return validate(twin, valLoader, valBatches, lossOptions, this.options.signal);
  }

  /**
   * Logs the epoch, decides what follows from it and saves.
   *
   * @param isWhole whether this process trained the epoch from its first batch
   */
  private endEpoch(validation: Record<string, number>, isWhole: boolean): void {
    const { state, settings, directory } = this.job;
    const { epoch } = state;
    const valBps = validation.val_bps_overall ?? Number.NaN;
    const metrics = { ...weightedMeans(state.means), ...validation };
    this.log(metrics, epoch);

    if (settings.lrScheduler === "plateau") {
      state.plateau = advancePlateau(state.plateau, validation.val_loss ?? Number.NaN);
    }
    const early = advanceEarlyStopping(state.earlyStopping, valBps, {
      patience: settings.earlyStoppingPatience ?? undefined,
      minDelta: settings.earlyStoppingMinDelta,
    });
    const { kept, saved, removed } = retainBest(state.kept, epoch, valBps);
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
    if (removed) removeCheckpoint(join(directory, `${removed.stem}.safetensors`));
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

  private mustStop(): boolean {
    return (this.options.signal?.aborted ?? false) || this.secondsLeft() <= 0;
  }

  /** Epochs the run can have when all further ones take as long as the last. */
  private epochsWithinBudget(epochSeconds: number): number {
    const { state, settings } = this.job;
    const more = Math.max(0, Math.floor(this.secondsLeft() / epochSeconds));
    return Math.min(settings.maxEpochs, state.epoch + more);
  }

  // --- metrics -----------------------------------------------------------------------------------------------------------

  private record({ losses, baseLoss, penalties }: BatchReport): void {
    const { means, latestLosses, dropped } = this.job.state;
    const finite = losses.filter(({ loss }) => Number.isFinite(loss));
    for (const { session, loss } of losses) {
      if (Number.isFinite(loss)) continue;
      this.job.state.droppedLosses++;
      if (dropped.includes(session)) continue;
      dropped.push(session);
      this.warn(`The loss of session ${session} is ${loss}${this.where()}: it has no part in that step`);
    }
    const samples = losses.reduce((sum, group) => sum + group.samples, 0);
    if (finite.length > 0) {
      latestLosses.train_loss = baseLoss;
      addWeighted(means, "train_loss_epoch", baseLoss, samples);
    }
    for (const { session, loss, samples: n } of finite) {
      latestLosses[`train_loss/${session}`] = loss;
      addWeighted(means, `train_loss/${session}_epoch`, loss, n);
    }
    for (const { name, value } of penalties) addWeighted(means, `reg_loss/${name}`, value, 1);
  }

  private recordSkip(gradNorm: number): void {
    this.job.state.skippedUpdates++;
    this.warn(`The norm of the gradients is ${gradNorm}${this.where()}: that step is left out`);
  }

  private where(): string {
    const { epoch, batch } = this.job.state;
    return ` in epoch ${epoch}, batch ${batch - 1}`;
  }

  private warn(message: string): void {
    this.options.onEvent?.({ type: "warning", message });
  }

  private logStep(): void {
    const { state } = this.job;
    const losses = Object.entries(state.latestLosses).map(([key, loss]) => [`${key}_step`, loss]);
    const dropped = state.dropped.map((session) => [`train_nan_skip/${session}`, 1]);
    this.log(Object.fromEntries([...losses, ...dropped]), state.epoch);
    state.dropped = [];
  }

  private logRates(): void {
    const { optimizer } = this.job;
    this.log(Object.fromEntries(rateKeys(optimizer).map((key, i) => [key, optimizer.groups[i]!.lr])));
  }

  private log(values: Record<string, number>, epoch?: number): void {
    const record = {
      ...values,
      ...(epoch === undefined ? {} : { epoch }),
      "trainer/global_step": this.job.state.globalStep - 1,
    };
    for (const tracker of this.options.trackers ?? []) {
      try {
        tracker.log(record);
      } catch (error) {
        // A full disk or a lost connection of a tracker is no reason to lose the run.
        this.warn(`Metrics were not logged: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  // --- checkpoints -------------------------------------------------------------------------------------------------------

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

  private save(path: string, epoch: number): void {
    const { twin, optimizer, device, state, modelConfig, sessions, input, settings } = this.job;
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
    saveCheckpoint(path, twin, info, { optimizer, device, run: state });
    this.options.onEvent?.({ type: "checkpoint", message: `Saved ${path}` });
  }

  private result(status: TrainResult["status"]): TrainResult {
    const { state, directory } = this.job;
    const best = bestKept(state.kept);
    return {
      status,
      directory,
      last: lastCheckpoint(directory),
      best: best ? { path: join(directory, `${best.stem}.safetensors`), epoch: best.epoch, valBps: best.value } : null,
      epochs: state.epoch,
      globalStep: state.globalStep,
      metrics: state.metrics,
      droppedLosses: state.droppedLosses,
      skippedUpdates: state.skippedUpdates,
    };
  }
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
