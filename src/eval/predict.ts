/**
 * @file A trained twin's predictions for the samples of a session (evaluation specification, section 4).
 */

import { setImmediate } from "node:timers/promises";
import { BatchLoader } from "../data/loader.ts";
import type { SampleSet } from "../data/samples.ts";
import { UserError } from "../errors.ts";
import { ignoresStimulus } from "../models/shapes.ts";
import type { Twin } from "../models/twin.ts";
import { noGrad, scope } from "../torch/index.ts";
import { bitsPerSpike } from "./bps.ts";
import { correlation } from "./correlation.ts";

/** Predictions and observations, sample after sample in the order of the set; no tensors. */
export interface Predictions {
  session: string;
  samples: number;
  units: number;
  /** Predicted spikes per frame, [samples, units]. */
  rates: Float32Array;
  /** Observed spikes, [samples, units]. */
  robs: Float32Array;
  /** Validity, [samples, units]. */
  dfs: Float32Array;
  /** Expected spikes per frame of synthetic units, [samples, units]; null when the recordings do not have them. */
  trueRates: Float32Array | null;
}

export interface PredictOptions {
  /** Device that the twin is on. */
  device?: string | undefined;
  /** Samples at a time; the values do not depend on it. */
  batchSize?: number | undefined;
  /** Stops before the next batch; the promise is then rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told after every batch how many samples are done. */
  onProgress?: ((done: number) => void) | undefined;
}

/**
 * Runs a twin over all samples of a set: evaluation mode, float32, no gradients, and no lower bound on the rates. Gives the
 * event loop a turn after every batch.
 *
 * @param session number of the session in the twin
 * @throws UserError when the set has other units than the twin's session, or does not serve what the twin needs
 */
export async function predictSamples(
  twin: Twin,
  session: number,
  set: SampleSet,
  { device = "cpu", batchSize = 256, signal, onProgress }: PredictOptions = {},
): Promise<Predictions> {
  const { nUnits: units } = twin.sessions[session]!;
  const samples = set.length;
  const cells = () => new Float32Array(samples * units);
  const predictions = {
    session: set.session,
    samples,
    units,
    rates: cells(),
    robs: cells(),
    dfs: cells(),
    trueRates: trueRatesOf(set),
  };
  const loader = new BatchLoader([set], { device, withStimulus: !ignoresStimulus(twin.config, twin.sessions) });
  const wasTraining = twin.training;
  twin.eval();
  try {
    for (let start = 0; start < samples; start += batchSize) {
      signal?.throwIfAborted();
      const plan = Int32Array.from({ length: Math.min(batchSize, samples - start) }, (_, i) => start + i);
      predictBatch(twin, session, loader, plan, predictions);
      onProgress?.(start + plan.length);
      await setImmediate();
    }
    return predictions;
  } finally {
    twin.train(wasTraining);
    loader.dispose();
  }
}

function predictBatch(twin: Twin, session: number, loader: BatchLoader, plan: Int32Array, into: Predictions): void {
  noGrad(() =>
    scope(() => {
      const [group] = loader.load(plan).groups;
      const { robs, dfs, stimulus, behavior, history } = group!;
      if (robs.size(1) !== into.units) {
        throw new UserError(
          `Cannot predict session "${into.session}": it has ${robs.size(1)} units, the twin's readout has ${into.units}`,
        );
      }
      const [output] = twin.forward([{ session, stimulus, behavior, history }]);
      const rates = twin.logRates ? output!.exp() : output!;
      const offset = plan[0]! * into.units;
      into.rates.set(rates.float().toTypedArray() as Float32Array, offset);
      into.robs.set(robs.toTypedArray() as Float32Array, offset);
      into.dfs.set(dfs.expand(robs.shape).toTypedArray() as Float32Array, offset);
    }),
  );
}

function trueRatesOf(set: SampleSet): Float32Array | null {
  const sources = set.recordings.map((_, recording) => set.arrays(recording).trueRates);
  if (!sources.every((source) => source !== undefined)) return null;
  const { units } = set.arrays(0);
  const rates = new Float32Array(set.length * units);
  const lag = set.lags.get("robs")?.lags[0] ?? 0;
  for (let i = 0; i < set.length; i++) {
    const start = (set.frameOf[i]! - lag) * units;
    rates.set(sources[set.recordingOf[i]!]!.subarray(start, start + units), i * units);
  }
  return rates;
}

/** Scores of every unit. */
export interface PredictionScores {
  /** The model's bits per spike, [units]. */
  bps: Float64Array;
  /** Those of the true rates on the same samples, the best that can be reached; null where they are unknown. */
  oracleBps: Float64Array | null;
  /** Correlation of the model's rates with the responses, [units]; see {@link correlation}. */
  correlation: Float64Array;
}

/**
 * Bits per spike of predictions and, for synthetic units, of the rates that the spikes were drawn from; and correlation with
 * the responses.
 */
export function scorePredictions({ trueRates, ...predictions }: Predictions): PredictionScores {
  return {
    bps: bitsPerSpike(predictions),
    oracleBps: trueRates && bitsPerSpike({ ...predictions, rates: trueRates }),
    correlation: correlation(predictions),
  };
}
