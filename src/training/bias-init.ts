/**
 * @file Readout biases from firing rates, so that a new model starts at every unit's mean rate (training specification,
 * section 6).
 */

import type { PreparedSession } from "../data/prepare.ts";
import { UserError } from "../errors.ts";
import { type Module, scope, tensor } from "../torch/index.ts";

/** Spikes and validity of consecutive frames. */
export interface RateSource {
  /** Spike counts, [frames, units]. */
  robs: Float32Array | Uint8Array;
  units: number;
  /** Weights, [frames, dfsColumns]; absent: all 1. */
  dfs?: Float32Array | Uint8Array | undefined;
  /** 1 when a frame is valid for all units or none, else `units`. */
  dfsColumns: number;
}

/** Mean spikes per valid frame of every unit, over all sources; 0 for a unit without any. [units] */
export function unitRates(sources: readonly RateSource[]): Float64Array {
  const units = sources[0]?.units ?? 0;
  const spikes = new Float64Array(units);
  const frames = new Float64Array(units);
  for (const { robs, dfs, dfsColumns } of sources) {
    for (let i = 0; i < robs.length; i++) {
      const unit = i % units;
      const weight = dfs === undefined ? 1 : dfs[dfsColumns === 1 ? (i - unit) / units : i]!;
      // Left out rather than multiplied by 0: a masked count may be NaN. One that is not masked says nothing about the rate.
      if (weight === 0 || Number.isNaN(robs[i])) continue;
      spikes[unit]! += robs[i]! * weight;
      frames[unit]! += weight;
    }
  }
  return spikes.map((sum, unit) => sum / Math.max(frames[unit]!, 1));
}

/**
 * The bias with which a readout that is otherwise silent puts out `rate`: its logarithm for log rates, else the inverse of
 * softplus, whatever the output activation.
 */
export function biasForRate(rate: number, logInput: boolean): number {
  if (logInput) return Math.log(Math.max(rate, 1e-8));
  const floored = Math.max(rate, 1e-6);
  return floored > 20 ? floored : Math.log(Math.expm1(floored));
}

/**
 * Sets the biases of all readouts that have one. Rates are taken over all frames of all recordings, those that validate
 * and those that are never used included, as the reference does.
 *
 * @param twin the model; readouts are its parameters `readouts.<session>.bias`, or `readout.bias`
 * @throws UserError when a session has other units than its readout
 */
export function initializeReadoutBiases(twin: Module, sessions: readonly PreparedSession[], logInput: boolean): void {
  const state = twin.stateDict();
  for (const [index, { session, train }] of sessions.entries()) {
    const bias = state.get(`readouts.${index}.bias`) ?? state.get("readout.bias");
    if (bias === undefined) continue;
    const rates = unitRates(train.recordings.map((_, recording) => train.arrays(recording)));
    if (rates.length !== bias.numel) {
      throw new UserError(
        `Cannot set the readout biases of session "${session}": it has ${rates.length} units, its readout ${bias.numel}`,
      );
    }
    const values = Float32Array.from(rates, (rate) => biasForRate(rate, logInput));
    scope(() => {
      bias.detach().copy_(tensor(values));
    });
  }
}
