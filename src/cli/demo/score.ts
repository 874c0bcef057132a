/**
 * @file Scores of the demo's twin: validation frames, and mean responses to the repeated stimulus.
 */
import type { SessionConfig } from "../../config/session.ts";
import { prepareSession } from "../../data/prepare.ts";
import { type PredictOptions, predictSamples } from "../../eval/predict.ts";
import type { Twin } from "../../models/twin.ts";
import { loadTwin } from "../../training/model-file.ts";
import { dataConfig } from "../../training/session-fit.ts";
import { type ScoredSession, type ScoreOptions, scoreTwin } from "../score-twin.ts";
import { averageRepeats, type RepeatMeans } from "./repeats.ts";

/** The stimulus whose trials repeat one sequence; the demo does not train on it. */
const REPEATED_TYPE = "fixrsvp";

/** One session's scores. */
export interface DemoSession extends ScoredSession {
  /** Mean responses to repeats. */
  readonly repeats: RepeatMeans;
}

/** What there is to say about a twin. */
export interface Evaluation {
  readonly sessions: readonly DemoSession[];
  readonly parameters: number;
}

/**
 * Scores a checkpoint of the demo.
 *
 * @throws UserError when checkpoint or data cannot be read
 */
export async function evaluateDemo(path: string, options: ScoreOptions): Promise<Evaluation> {
  const loaded = loadTwin(path, options);
  try {
    const { twin } = loaded;
    const sessions: DemoSession[] = [];
    for (const [index, scored] of (await scoreTwin(loaded, options)).entries()) {
      const repeats = await repeatMeans(twin, index, dataConfig(loaded.sessions[index]!, path), options);
      sessions.push({ ...scored, repeats });
    }
    const parameters = [...twin.namedParameters()].reduce((sum, { tensor }) => sum + tensor.numel, 0);
    return { sessions, parameters };
  } finally {
    loaded.twin.dispose();
  }
}

async function repeatMeans(
  twin: Twin,
  index: number,
  config: SessionConfig,
  options: PredictOptions,
): Promise<RepeatMeans> {
  // A fraction of 1: all trials, since none was trained on.
  const repeated = { ...config, types: [REPEATED_TYPE], train_val_split: 1 };
  const { train } = prepareSession(repeated, { keepKeys: ["psth_inds", "true_rates"] });
  return averageRepeats(train, await predictSamples(twin, index, train, options), 1 / config.sampling!.target_rate);
}
