/**
 * @file A trained twin's predictions for the samples of a session (evaluation specification, section 4).
 */

import { setImmediate } from "node:timers/promises";
import { BatchLoader } from "../data/loader.ts";
import type { SampleSet } from "../data/samples.ts";
import { UserError } from "../errors.ts";
import { ignoresStimulus } from "../models/shapes.ts";
import type { Twin } from "../models/twin.ts";
import { noGrad, scope, tensor } from "../torch/index.ts";
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
  /** Samples at a time; the values do not depend on it. 32 on a CPU, where more are not faster, else 256. */
  batchSize?: number | undefined;
  /** Units of the readout that the set has, by their position there; all of them, in order, when absent. */
  columns?: Int32Array | undefined;
  /** Stops before the next batch; the promise is then rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told after every batch how many samples are done. */
  onProgress?: ((done: number) => void) | undefined;
}

/** Everything in {@link Predictions} but the predictions. */
export type Observations = Omit<Predictions, "rates">;

/**
 * What was observed in the samples of a set.
 *
 * @throws UserError when a recording lacks `robs` or `dfs`
 */
export function observe(set: SampleSet): Observations {
  const recordings = set.recordings.map((_, recording) => set.arrays(recording));
  const present = recordings.filter((_, recording) => set.recordingOf.includes(recording));
  const { units } = recordings[0]!;
  return {
    session: set.session,
    samples: set.length,
    units,
    robs: gatherRows(
      set,
      "robs",
      units,
      recordings.map(({ robs }) => ({ values: robs, columns: units })),
    ),
    dfs: gatherRows(
      set,
      "dfs",
      units,
      recordings.map(({ dfs, dfsColumns }) => ({ values: dfs, columns: dfsColumns })),
    ),
    trueRates: present.every(({ trueRates }) => trueRates !== undefined)
      ? gatherRows(
          set,
          "robs",
          units,
          recordings.map(({ trueRates }) => ({ values: trueRates!, columns: units })),
        )
      : null,
  };
}

interface Rows {
  readonly values: Float32Array | Uint8Array;
  /** `units`, or 1 for what holds for all units. */
  readonly columns: number;
}

/** One row of every sample's recording, [samples, units], at the lag of a served key. */
function gatherRows(set: SampleSet, key: string, units: number, sources: readonly Rows[]): Float32Array {
  const rows = new Float32Array(set.length * units);
  const lag = set.lags.get(key)?.lags[0] ?? 0;
  for (let i = 0; i < set.length; i++) {
    const { values, columns } = sources[set.recordingOf[i]!]!;
    const start = (set.frameOf[i]! - lag) * columns;
    if (columns === units) rows.set(values.subarray(start, start + units), i * units);
    else rows.fill(values[start]!, i * units, (i + 1) * units);
  }
  return rows;
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
  { device = "cpu", batchSize = device === "cpu" ? 32 : 256, columns, signal, onProgress }: PredictOptions = {},
): Promise<Predictions> {
  const observed = observe(set);
  const { samples, units } = observed;
  const expected = columns?.length ?? twin.sessions[session]!.nUnits;
  if (units !== expected) {
    throw new UserError(
      `Cannot predict session "${set.session}": it has ${units} units, the twin's readout has ${expected}`,
    );
  }
  const rates = new Float32Array(samples * units);
  const loader = new BatchLoader([set], { device, withStimulus: !ignoresStimulus(twin.config, twin.sessions) });
  const wasTraining = twin.training;
  twin.eval();
  try {
    for (let start = 0; start < samples; start += batchSize) {
      signal?.throwIfAborted();
      const plan = Int32Array.from({ length: Math.min(batchSize, samples - start) }, (_, i) => start + i);
      rates.set(predictBatch(twin, session, loader, plan, columns), start * units);
      onProgress?.(start + plan.length);
      await setImmediate();
    }
    return { ...observed, rates };
  } finally {
    twin.train(wasTraining);
    loader.dispose();
  }
}

/** Predictions for several sets of the same units as for one: the samples of each part after those of the one before. */
export function joinPredictions(parts: readonly Predictions[]): Predictions {
  const first = parts[0]!;
  if (parts.length === 1) return first;
  const samples = parts.reduce((sum, part) => sum + part.samples, 0);
  const join = (arrays: readonly Float32Array[]) => {
    const all = new Float32Array(samples * first.units);
    let at = 0;
    for (const array of arrays) {
      all.set(array, at);
      at += array.length;
    }
    return all;
  };
  const trueRates = parts.flatMap((part) => part.trueRates ?? []);
  return {
    ...first,
    samples,
    rates: join(parts.map(({ rates }) => rates)),
    robs: join(parts.map(({ robs }) => robs)),
    dfs: join(parts.map(({ dfs }) => dfs)),
    trueRates: trueRates.length === parts.length ? join(trueRates) : null,
  };
}

/** Rates of a batch, [batch, units]. */
function predictBatch(
  twin: Twin,
  session: number,
  loader: BatchLoader,
  plan: Int32Array,
  columns: Int32Array | undefined,
): Float32Array {
  return noGrad(() =>
    scope(() => {
      const [group] = loader.load(plan).groups;
      const { stimulus, behavior, history } = group!;
      const [output] = twin.forward([{ session, stimulus, behavior, history }]);
      const all = twin.logRates ? output!.exp() : output!;
      const rates =
        columns === undefined ? all : all.indexSelect(1, tensor(columns, undefined, { device: all.device }));
      return rates.float().toTypedArray() as Float32Array;
    }),
  );
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
