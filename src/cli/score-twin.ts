/**
 * @file Scores of a trained twin on the sessions it was trained with.
 */
import { prepareSession } from "../data/prepare.ts";
import { type PredictOptions, predictSamples, scorePredictions } from "../eval/predict.ts";
import type { LoadedTwin } from "../training/checkpoint.ts";

/** Scores of the units of one session. */
export interface ScoredSession {
  readonly name: string;
  /** Units, in the order of the scores. */
  readonly cids: readonly number[];
  /** Bits per spike on validation frames, [units]; NaN for units without spikes there. */
  readonly bps: Float64Array;
  /** The same for the true rates, where they are known. */
  readonly oracleBps: Float64Array | null;
  /** Correlation of predicted rates with responses, [units]; NaN where one of them is constant. */
  readonly correlation: Float64Array;
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

/**
 * Bits per spike and correlation of every unit on the validation frames of every session, as the checkpoint's configuration divides them.
 *
 * @throws UserError when the data cannot be read, or do not fit the twin
 */
export async function scoreTwin({ twin, sessions }: LoadedTwin, options: ScoreOptions): Promise<ScoredSession[]> {
  const { dataDir, onSession } = options;
  const scored: ScoredSession[] = [];
  for (const [index, { name, cids, config }] of sessions.entries()) {
    onSession?.(name, index, sessions.length);
    const { val } = prepareSession(config, { dataDir, keepKeys: ["true_rates"] });
    const scores = scorePredictions(await predictSamples(twin, index, val, options));
    scored.push({ name, cids, ...scores, samples: val.length });
  }
  return scored;
}
