/**
 * @file What a run keeps account of, tells its caller and sends to trackers (training specification, sections 18 and 24).
 */

import type { Optimizer } from "../torch/index.ts";
import type { TrainEvents } from "./events.ts";
import { type OptimizerKind, rateKeys } from "./optimizers.ts";
import { addWeighted, type RunState, weightedMeans } from "./run-state.ts";
import type { BatchReport, UpdateReport } from "./step.ts";
import type { Tracker } from "./tracker.ts";

/** A batch of a run. */
export interface Place {
  epoch: number;
  /** Within the epoch, from 0. */
  batch: number;
}

/** Writes into the run's state what metrics follow from, so that a resumed run logs on as if it had not been stopped. */
export class RunLog {
  private readonly state: RunState;
  private readonly trackers: readonly Tracker[];
  private readonly onEvent: TrainEvents["onEvent"];

  constructor(state: RunState, trackers: readonly Tracker[], onEvent?: TrainEvents["onEvent"]) {
    this.state = state;
    this.trackers = trackers;
    this.onEvent = onEvent;
  }

  warn(message: string): void {
    this.onEvent?.({ type: "warning", message });
  }

  note(message: string): void {
    this.onEvent?.({ type: "note", message });
  }

  /** Adds a batch to the epoch's means. */
  addBatch({ losses, baseLoss, penalties, auxiliaryLoss }: BatchReport, place: Place): void {
    const { means, latestLosses, dropped } = this.state;
    const finite = losses.filter(({ loss }) => Number.isFinite(loss));
    for (const { session, loss } of losses) {
      if (Number.isFinite(loss)) continue;
      this.state.droppedLosses++;
      if (dropped.includes(session)) continue;
      dropped.push(session);
      this.warn(`The loss of session ${session} is ${loss}${where(place)}: it has no part in that step`);
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
    if (auxiliaryLoss !== null && Number.isFinite(auxiliaryLoss)) addWeighted(means, "aux_loss", auxiliaryLoss, 1);
  }

  /** Counts an update that was left out. */
  addSkip({ gradNorm, lossScale = 1 }: UpdateReport, place: Place): void {
    this.state.skippedUpdates++;
    const message = `The norm of the gradients is ${gradNorm}${where(place)}: that step is left out`;
    // How the largest possible scale is found.
    if (lossScale > 1) this.note(`${message}, and the scale of the loss, ${lossScale}, is halved`);
    else this.warn(message);
  }

  /** Logs the last losses, with what was dropped since the last time. */
  logStep({ lossScale }: UpdateReport): void {
    const { state } = this;
    const losses = Object.entries(state.latestLosses).map(([key, loss]) => [`${key}_step`, loss]);
    const dropped = state.dropped.map((session) => [`train_nan_skip/${session}`, 1]);
    const scale = lossScale === undefined ? {} : { loss_scale: lossScale };
    this.log({ ...Object.fromEntries([...losses, ...dropped]), ...scale }, state.epoch);
    state.dropped = [];
  }

  /** Logs the rates of all parameter groups. */
  logRates(optimizer: Optimizer, kind: OptimizerKind): void {
    this.log(Object.fromEntries(rateKeys(optimizer, kind).map((key, i) => [key, optimizer.groups[i]!.lr])));
  }

  /** Logs the epoch's means with what validation measured, and gives all of them back. */
  logEpoch(validation: Readonly<Record<string, number>>): Record<string, number> {
    const { means, droppedLosses, skippedUpdates, epoch } = this.state;
    const metrics = {
      ...weightedMeans(means),
      ...validation,
      ...(droppedLosses > 0 && { dropped_losses: droppedLosses }),
      ...(skippedUpdates > 0 && { skipped_updates: skippedUpdates }),
    };
    this.log(metrics, epoch);
    return metrics;
  }

  private log(values: Record<string, number>, epoch?: number): void {
    const record = {
      ...values,
      ...(epoch === undefined ? {} : { epoch }),
      "trainer/global_step": this.state.globalStep - 1,
    };
    for (const tracker of this.trackers) {
      try {
        tracker.log(record);
      } catch (error) {
        // A full disk or a lost connection of a tracker is no reason to lose the run.
        this.warn(`Metrics were not logged: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
}

function where({ epoch, batch }: Place): string {
  return ` in epoch ${epoch}, batch ${batch}`;
}
