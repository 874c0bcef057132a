/**
 * @file Scores of a trained twin on the sessions it was trained with.
 */
import { prepareSession } from "../data/prepare.ts";
import { type PredictOptions, predictSamples, scorePredictions } from "../eval/predict.ts";
import { buildModel } from "../models/build.ts";
import type { Twin } from "../models/twin.ts";
import { Generator } from "../torch/index.ts";
import { type CheckpointInfo, loadParameters, openCheckpoint } from "../training/checkpoint.ts";

/** Scores of the units of one session. */
export interface ScoredSession {
  readonly name: string;
  /** Units, in the order of the scores. */
  readonly cids: readonly number[];
  /** Bits per spike on validation frames, [units]; NaN for units without spikes there. */
  readonly bps: Float64Array;
  /** The same for the true rates, where they are known. */
  readonly oracleBps: Float64Array | null;
  /** Validation frames. */
  readonly samples: number;
}

/** Options of {@link scoreTwin}. */
export interface ScoreOptions extends PredictOptions {
  /** Folder with the sessions' folders; that of each session's configuration when absent. */
  readonly dataDir?: string | undefined;
  /** Told before each session how many are done. */
  readonly onSession?: ((name: string, done: number, total: number) => void) | undefined;
}

/** A twin from a checkpoint, and what the checkpoint says about it. */
export interface LoadedTwin {
  readonly twin: Twin;
  readonly info: CheckpointInfo;
}

/**
 * Loads a twin. It must be disposed of after use.
 *
 * @throws UserError when the checkpoint cannot be read
 */
export function loadTwin(path: string, device = "cpu"): LoadedTwin {
  using checkpoint = openCheckpoint(path);
  const { info } = checkpoint;
  const sessions = info.sessions.map(({ name, nUnits, config }) => ({
    name,
    nUnits,
    adapter: config.adapter,
    readout: config.readout,
  }));
  // Initial values are overwritten by those of the checkpoint.
  const twin = buildModel(info.model_config, sessions, { generator: new Generator(0) });
  try {
    loadParameters(twin, checkpoint);
    twin.to({ device });
    return { twin, info };
  } catch (error) {
    twin.dispose();
    throw error;
  }
}

/**
 * Bits per spike of every unit on the validation frames of every session, as the checkpoint's configuration divides them.
 *
 * @throws UserError when the data cannot be read, or do not fit the twin
 */
export async function scoreTwin({ twin, info }: LoadedTwin, options: ScoreOptions): Promise<ScoredSession[]> {
  const { dataDir, onSession } = options;
  const scored: ScoredSession[] = [];
  for (const [index, { name, cids, config }] of info.sessions.entries()) {
    onSession?.(name, index, info.sessions.length);
    const { val } = prepareSession(config, { dataDir, keepKeys: ["true_rates"] });
    const { bps, oracleBps } = scorePredictions(await predictSamples(twin, index, val, options));
    scored.push({ name, cids, bps, oracleBps, samples: val.length });
  }
  return scored;
}
