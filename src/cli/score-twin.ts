/**
 * @file Scores of a trained twin on the sessions it was trained with.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { SessionConfig } from "../config/session.ts";
import { type PreparedSession, prepareSession } from "../data/prepare.ts";
import { UserError } from "../errors.ts";
import { type PredictOptions, predictSamples, scorePredictions } from "../eval/predict.ts";
import { dataDigest } from "../training/data-digest.ts";
import { type LoadedTwin, sessionNumber } from "../training/model-file.ts";
import { checkSessionFits, dataConfig } from "../training/session-fit.ts";

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
  /** Names of the sessions to score; all when absent. */
  readonly sessions?: readonly string[] | undefined;
  /** Told before each session how many are done. */
  readonly onSession?: ((name: string, done: number, total: number) => void) | undefined;
  /** Told what the user should know, one sentence each. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Bits per spike and correlation of every unit on the validation frames of every session, as the model file's configuration
 * divides them.
 *
 * @throws UserError when the twin lacks a session, or the data cannot be read or do not fit the twin
 */
export async function scoreTwin(loaded: LoadedTwin, options: ScoreOptions): Promise<ScoredSession[]> {
  const { onSession } = options;
  const chosen = options.sessions?.map((name) => sessionNumber(loaded, name)) ?? [...loaded.sessions.keys()];
  const scored: ScoredSession[] = [];
  for (const [done, index] of chosen.entries()) {
    const { name } = loaded.sessions[index]!;
    onSession?.(name, done, chosen.length);
    const { val, cids } = prepareFor(loaded, index, options);
    const scores = scorePredictions(await predictSamples(loaded.twin, index, val, options));
    scored.push({ name, cids, ...scores, samples: val.length });
  }
  return scored;
}

function prepareFor(
  { info, sessions, path }: LoadedTwin,
  index: number,
  { dataDir, onWarning }: ScoreOptions,
): PreparedSession {
  const session = sessions[index]!;
  const config = dataConfig(session, path);
  if (dataDir === undefined) refuseMovedRecordings(path, config);
  const prepared = prepareSession(config, { dataDir, keepKeys: ["true_rates"] });
  checkSessionFits({ path, input: info.input }, session, prepared);
  if (session.data !== null && session.data !== dataDigest(prepared.train)) {
    onWarning?.(`The recordings of ${session.name} are not those that the twin was trained on`);
  }
  return prepared;
}

function refuseMovedRecordings(path: string, { session, data_dir }: SessionConfig): void {
  if (data_dir !== undefined && existsSync(join(data_dir, session))) return;
  const place = data_dir === undefined ? "it does not say where they are" : `they were in "${data_dir}"`;
  throw new UserError(`Cannot find the recordings of session "${session}" of "${path}": ${place}`, {
    hint: `Name the folder that holds the session's folder now: --data-dir <dir>, with <dir>/${session} in it.`,
  });
}
