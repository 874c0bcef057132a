/**
 * @file What a training run tells its caller while it goes on. The trainer itself prints nothing.
 */

/** After every batch. */
export interface StepEvent {
  epoch: number;
  /** Within the epoch, from 0. */
  batch: number;
  batchesPerEpoch: number;
  /** Optimiser steps completed. */
  globalStep: number;
  /** Samples in the batch. */
  samples: number;
  /** Mean over the sessions' losses, without penalties. */
  loss: number;
  /** Norm of the gradients before clipping; null for a batch that only accumulated. */
  gradNorm: number | null;
  /** Rate of the last parameter group, the head's. */
  learningRate: number;
}

/** After every epoch's validation. */
export interface EpochEvent {
  epoch: number;
  /** Epochs the run will have, as far as is known now. */
  maxEpochs: number;
  globalStep: number;
  /** All values of the epoch by tracker key: `train_loss_epoch`, `val_loss`, `val_bps_overall`, ... */
  metrics: Record<string, number>;
  /** Path of the epoch's checkpoint if it is among the best, else null. */
  saved: string | null;
  /** Seconds for training and validation. */
  seconds: number;
}

/** Something a user may want to know, in one sentence. */
export interface RunEvent {
  type: "warning" | "note" | "checkpoint";
  message: string;
}

/** Callbacks; what they return is not waited for. */
export interface TrainEvents {
  onStep?: ((event: StepEvent) => void) | undefined;
  onEpoch?: ((event: EpochEvent) => void) | undefined;
  onEvent?: ((event: RunEvent) => void) | undefined;
}
