/**
 * @file A training run on the screen: a progress line while it goes on, a line for every epoch that stays.
 */
import type { EpochEvent, RunEvent, StepEvent } from "../training/events.ts";
import type { ProgressLine } from "./progress.ts";
import { formatBytes, formatDuration } from "./quantities.ts";

/** Over how long speed and loss are averaged. */
const SMOOTHING_SECONDS = 5;

/** What the display needs to know. */
export interface TrainProgressOptions {
  /** Epochs the run is going to have; corrected after every epoch. */
  readonly maxEpochs: number;
  /** Time the run may take, in seconds, if it is limited. */
  readonly timeBudget?: number | undefined;
  /** Bytes in use on the training device. */
  readonly memory: () => number;
  /** Milliseconds, for tests. */
  readonly now?: () => number;
}

/** Turns the trainer's events into lines. */
export class TrainProgress {
  private readonly line: ProgressLine;
  private readonly timeBudget: number;
  private readonly memory: () => number;
  private readonly now: () => number;
  private readonly startedAt: number;
  private maxEpochs: number;
  private lastStepAt: number;
  private batches = 0;
  private samplesPerSecond: number | undefined;
  private loss: number | undefined;

  constructor(line: ProgressLine, { maxEpochs, timeBudget, memory, now = Date.now }: TrainProgressOptions) {
    this.line = line;
    this.maxEpochs = maxEpochs;
    this.timeBudget = timeBudget ?? Number.POSITIVE_INFINITY;
    this.memory = memory;
    this.now = now;
    this.startedAt = now();
    this.lastStepAt = this.startedAt;
  }

  onStep({ epoch, batch, batchesPerEpoch, samples, loss }: StepEvent): void {
    const now = this.now();
    const seconds = Math.max(1e-3, (now - this.lastStepAt) / 1000);
    this.lastStepAt = now;
    this.batches++;
    const weight = 1 - Math.exp(-seconds / SMOOTHING_SECONDS);
    this.samplesPerSecond = blend(this.samplesPerSecond, samples / seconds, weight);
    if (Number.isFinite(loss)) this.loss = blend(this.loss, loss, weight);
    const elapsed = (now - this.startedAt) / 1000;
    const done = epoch * batchesPerEpoch + batch + 1;
    const total = this.maxEpochs * batchesPerEpoch;
    const needed = Math.max(0, total - done) * (elapsed / this.batches);
    const left = this.timeBudget - elapsed;
    this.line.update({
      label: this.epochName(epoch),
      ...(needed < left ? { done, total } : { done: elapsed, total: this.timeBudget }),
      // The first batches are slower than the rest and say little.
      remaining: this.batches < 3 ? undefined : Math.max(0, Math.min(needed, left)),
      details: [
        ...(this.loss === undefined ? [] : [`loss ${this.loss.toFixed(4)}`]),
        `${formatRate(this.samplesPerSecond)} samples/s`,
        formatBytes(this.memory()),
      ],
    });
  }

  onEpoch({ epoch, maxEpochs, metrics, saved, seconds }: EpochEvent): void {
    this.maxEpochs = maxEpochs;
    // Validation and saving are not part of the next batch.
    this.lastStepAt = this.now();
    const { train_loss_epoch, val_loss, val_bps_overall } = metrics;
    this.line.line(
      [
        this.epochName(epoch),
        ...named("loss", train_loss_epoch, 4),
        ...named("val_loss", val_loss, 4),
        ...named("val bits/spike", val_bps_overall, 4),
        formatDuration(seconds),
        ...(saved === null ? [] : ["saved"]),
      ].join("  "),
    );
  }

  onEvent({ type, message }: RunEvent): void {
    // Epoch lines tell about checkpoints already.
    if (type !== "checkpoint") this.line.line(type === "warning" ? `warning: ${message}` : message);
  }

  private epochName(epoch: number): string {
    const width = String(this.maxEpochs).length;
    return `epoch ${String(epoch + 1).padStart(width)}/${this.maxEpochs}`;
  }
}

function named(name: string, value: number | undefined, decimals: number): string[] {
  return value === undefined ? [] : [`${name} ${value.toFixed(decimals)}`];
}

function blend(average: number | undefined, value: number, weight: number): number {
  return average === undefined ? value : average + weight * (value - average);
}

function formatRate(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : rate.toFixed(0);
}
