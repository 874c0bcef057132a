/**
 * @file The evaluation driver: every analysis on every session of a twin, from the cache where nothing has changed
 * (evaluation specification, section 5).
 */

import type { SessionConfig } from "../config/session.ts";
import type { SampleSet } from "../data/samples.ts";
import { didYouMean, UserError } from "../errors.ts";
import { sessionNumber } from "../training/model-file.ts";
import { ANALYSES, type AnalysisName } from "./analyses/index.ts";
import { type Analysis, type AnalysisContext, type AnalysisOptions, Unavailable, type UnitScore } from "./analysis.ts";
import { ResultCache, type ResultKey, type ResultPlace, smallFileDigest } from "./cache.ts";
import { type EvaluatedSession, openEvaluatedSession } from "./evaluated-session.ts";
import { type LoadedModel, type LoadModelOptions, loadModel } from "./load-model.ts";
import { joinPredictions, observe, type Predictions, predictSamples } from "./predict.ts";
import { rescalePredictions } from "./rescale.ts";

/** What became of an analysis of a session. A list position never stands for a session: everything carries its name. */
export type AnalysisOutcome =
  | {
      readonly status: "ok";
      readonly scores: readonly UnitScore[];
      readonly details: unknown;
      readonly cached: boolean;
    }
  /** A stimulus, repeats or a file that it needs is not there. */
  | { readonly status: "missing"; readonly message: string }
  | { readonly status: "failed"; readonly message: string };

/** One session of an evaluation. */
export interface SessionEvaluation {
  readonly name: string;
  /** Number of the session in the twin. */
  readonly index: number;
  /** Units, in the order of all scores. */
  readonly cids: readonly number[];
  readonly frameRate: number | null;
  /** Evaluated samples of each stimulus type. */
  readonly samples: Readonly<Record<string, number>>;
  /** Fingerprint of the evaluated data. */
  readonly data: string;
  readonly analyses: Readonly<Partial<Record<AnalysisName, AnalysisOutcome>>>;
}

/** Everything an evaluation found. */
export interface Evaluation {
  readonly checkpoint: {
    readonly path: string;
    readonly experiment: string;
    readonly epoch: number | null;
    readonly digest: string;
  };
  readonly options: AnalysisOptions;
  readonly sessions: readonly SessionEvaluation[];
  /** What the user should know, one sentence each. */
  readonly warnings: readonly string[];
  /** Where the time went. */
  readonly seconds: { readonly data: number; readonly forward: number; readonly analyses: number };
}

/** What an evaluation is at, for progress displays. */
export interface EvaluationProgress {
  readonly session: string;
  /** Sessions that are finished, and all. */
  readonly done: number;
  readonly total: number;
  /** `predicting backimage`, `ccnorm`, … */
  readonly activity: string;
  /** Of the activity, from 0 to 1. */
  readonly part: number;
}

/** Options of {@link evaluateModelMultidataset}. */
export interface EvaluateOptions extends LoadModelOptions, Partial<AnalysisOptions> {
  /** A twin that is loaded already; the caller keeps it. */
  readonly model?: LoadedModel | undefined;
  /** Which analyses; {@link DEFAULT_ANALYSES} when absent. */
  readonly analyses?: readonly string[] | undefined;
  /** Names of sessions; all of the twin when absent. */
  readonly sessions?: readonly string[] | undefined;
  /** Folder with the sessions' folders; that of the checkpoint's configuration when absent. */
  readonly dataDir?: string | undefined;
  /** Data configurations by session that replace the checkpoint's; units are matched by number. */
  readonly sessionConfigs?: ReadonlyMap<string, SessionConfig> | undefined;
  /** Folder of kept results; nothing is kept when absent. */
  readonly cacheDir?: string | undefined;
  /** Compute everything anew. */
  readonly recalc?: boolean | undefined;
  /** Samples in a forward pass; values do not depend on it. */
  readonly batchSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
  /** Told what the user should know as soon as it is known. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What is computed when nothing is said: the four core analyses of the reference. */
export const DEFAULT_ANALYSES: readonly AnalysisName[] = ["bps", "ccnorm", "saccade", "qc"];

/** Options of analyses where nothing is said. */
export const DEFAULT_ANALYSIS_OPTIONS: AnalysisOptions = {
  repeats: ["fixrsvp"],
  rescale: false,
  splits: 500,
  minTrials: 20,
  intervals: "trials",
  seed: 0,
  saccadeWindow: [-50, 100],
  keepArrays: false,
  shuffles: 0,
  meiUnits: 6,
  compat: undefined,
};

/**
 * Evaluates a twin on its sessions. One analysis that fails, or has nothing to work on, does not stop the others.
 *
 * @example
 * const { sessions } = await evaluateModelMultidataset({ checkpoint: "checkpoints/my_run", analyses: ["bps", "ccnorm"] });
 *
 * @throws UserError when the checkpoint cannot be loaded, a session or analysis of that name does not exist, or recordings
 *   cannot be found; the signal's reason when it is aborted
 */
export async function evaluateModelMultidataset(options: EvaluateOptions): Promise<Evaluation> {
  const analyses = chosenAnalyses(options.analyses ?? DEFAULT_ANALYSES);
  const model = options.model ?? (await loadModel(options));
  try {
    return await new EvaluationRun(model, analyses, options).run();
  } finally {
    if (options.model === undefined) model.twin.dispose();
  }
}

/**
 * Analyses by name, in the order in which they are run.
 *
 * @throws UserError for a name that is not one, with the closest
 */
export function chosenAnalyses(names: readonly string[]): Analysis[] {
  for (const name of names) {
    if (Object.hasOwn(ANALYSES, name)) continue;
    const similar = didYouMean(name, Object.keys(ANALYSES));
    throw new UserError(`There is no analysis "${name}": there are ${Object.keys(ANALYSES).join(", ")}`, {
      hint: similar === undefined ? undefined : `Did you mean "${similar}"?`,
    });
  }
  return Object.values(ANALYSES).filter(({ name }) => names.includes(name));
}

/** One evaluation. */
class EvaluationRun {
  private readonly model: LoadedModel;
  private readonly analyses: readonly Analysis[];
  private readonly given: EvaluateOptions;
  private readonly options: AnalysisOptions;
  private readonly cache: ResultCache | undefined;
  private readonly device: string;
  private readonly warnings: string[] = [];
  /** False once a result could not be written. */
  private isKeeping = true;
  private readonly seconds = { data: 0, forward: 0, analyses: 0 };

  constructor(model: LoadedModel, analyses: readonly Analysis[], given: EvaluateOptions) {
    this.model = model;
    this.analyses = analyses;
    this.given = given;
    this.options = analysisOptions(given);
    this.cache = given.cacheDir === undefined ? undefined : new ResultCache(given.cacheDir);
    this.device = given.device ?? "cpu";
  }

  async run(): Promise<Evaluation> {
    const { model, options, warnings, seconds } = this;
    const chosen = this.given.sessions?.map((name) => sessionNumber(model, name)) ?? [...model.sessions.keys()];
    this.warnAboutConfigs(chosen);
    const sessions: SessionEvaluation[] = [];
    for (const [done, index] of chosen.entries()) {
      sessions.push(await this.evaluateSession(index, { done, total: chosen.length }));
    }
    const { path, experiment, digest, info } = model;
    return { checkpoint: { path, experiment, digest, epoch: info.epoch }, options, sessions, warnings, seconds };
  }

  /** Says which of the given configurations have no session here, and which sessions have none. */
  private warnAboutConfigs(chosen: readonly number[]): void {
    const { sessionConfigs } = this.given;
    if (sessionConfigs === undefined) return;
    const known = this.model.sessions.map(({ name }) => name);
    const strangers = [...sessionConfigs.keys()].filter((name) => !known.includes(name));
    if (strangers.length > 0) this.warn(`The twin has no session ${strangers.join(", ")}, left out`);
    const without = chosen.map((index) => known[index]!).filter((name) => !sessionConfigs.has(name));
    if (without.length > 0)
      this.warn(`Prepared as the checkpoint says, for want of a configuration: ${without.join(", ")}`);
  }

  private async evaluateSession(index: number, count: { done: number; total: number }): Promise<SessionEvaluation> {
    const { name } = this.model.sessions[index]!;
    const tell = (activity: string, part: number) =>
      this.given.onProgress?.({ session: name, ...count, activity, part });
    tell("reading", 0);
    const session = this.timed("data", () =>
      openEvaluatedSession(this.model, index, {
        dataDir: this.given.dataDir,
        config: this.given.sessionConfigs?.get(name),
        repeats: this.options.repeats,
        onWarning: (message) => this.warn(message),
      }),
    );
    const predictions = once((stimulus) => this.predict(session, stimulus, session.samples(stimulus), "", tell));
    const others = once((stimulus) => this.predict(session, stimulus, session.otherSamples(stimulus), "_other", tell));
    const everything = async (stimulus: string) => {
      const [other, evaluated] = [session.otherSamples(stimulus), session.samples(stimulus)];
      if (other.length === 0) return { set: evaluated, predictions: await predictions(stimulus) };
      if (evaluated.length === 0) return { set: other, predictions: await others(stimulus) };
      const parts = [await others(stimulus), await predictions(stimulus)];
      return { set: other.concat(evaluated), predictions: joinPredictions(parts) };
    };
    const outcomes: Partial<Record<AnalysisName, AnalysisOutcome>> = {};
    for (const analysis of this.analyses) {
      this.given.signal?.throwIfAborted();
      tell(analysis.name, 0);
      outcomes[analysis.name as AnalysisName] = await this.analyse(
        analysis,
        session,
        { predictions, everything },
        tell,
      );
    }
    return {
      name,
      index,
      cids: session.units.cids,
      frameRate: session.frameRate,
      samples: Object.fromEntries(session.stimuli.map((type) => [type, session.samples(type).length])),
      data: session.data,
      analyses: outcomes,
    };
  }

  private async analyse(
    analysis: Analysis,
    session: EvaluatedSession,
    served: Pick<AnalysisContext, "predictions" | "everything">,
    tell: (activity: string, part: number) => void,
  ): Promise<AnalysisOutcome> {
    const place = this.place(session, analysis.name);
    const key = this.key(session, analysis);
    const kept = this.lookUp(place, key);
    if (kept !== undefined)
      return { status: "ok", ...(kept as Omit<AnalysisOutcome & { status: "ok" }, "status">), cached: true };
    const context: AnalysisContext = {
      loaded: this.model,
      session,
      options: this.options,
      device: this.device,
      signal: this.given.signal,
      ...served,
      warn: (message) => this.warn(`${session.name}, ${analysis.name}: ${message}`),
      progress: (part) => tell(analysis.name, part),
    };
    const forwardBefore = this.seconds.forward;
    const start = performance.now();
    try {
      const { scores, details } = await analysis.run(context);
      this.keep(place, key, { scores, details });
      return { status: "ok", scores, details, cached: false };
    } catch (error) {
      this.given.signal?.throwIfAborted();
      if (error instanceof Unavailable) return { status: "missing", message: error.message };
      const message = error instanceof Error ? error.message : String(error);
      this.warn(`${session.name}: ${analysis.name} failed: ${message}`);
      return { status: "failed", message };
    } finally {
      const forward = this.seconds.forward - forwardBefore;
      this.seconds.analyses += (performance.now() - start) / 1000 - forward;
    }
  }

  /** Predictions for samples of a stimulus; the rates are kept, what was observed comes from the data. */
  private async predict(
    session: EvaluatedSession,
    stimulus: string,
    set: SampleSet,
    part: string,
    tell: (activity: string, part: number) => void,
  ): Promise<Predictions> {
    if (set.length === 0) throw new Unavailable(`there are no ${stimulus} samples to evaluate`);
    const { twin } = this.model;
    const place = this.place(session, `predictions_${stimulus}${part}`);
    const key: ResultKey = {
      checkpoint: this.model.digest,
      data: session.data,
      options: { repeats: this.options.repeats.includes(stimulus) },
      version: 1,
    };
    const kept = this.lookUp(place, key) as Float32Array | undefined;
    const start = performance.now();
    const predictions =
      kept === undefined
        ? await predictSamples(twin, session.index, set, {
            device: this.device,
            batchSize: this.given.batchSize,
            columns: session.units.columns,
            signal: this.given.signal,
            onProgress: (done) => tell(`predicting ${stimulus}`, done / set.length),
          })
        : { ...observe(set), rates: kept };
    this.seconds.forward += (performance.now() - start) / 1000;
    if (kept === undefined) this.keep(place, key, predictions.rates);
    this.warnAboutNaN(session, stimulus, predictions);
    if (!this.options.rescale) return predictions;
    const { compat } = this.options;
    return {
      ...predictions,
      rates: rescalePredictions(predictions, compat === undefined ? "gain" : "affine", { compat }),
    };
  }

  private warnAboutNaN({ name }: EvaluatedSession, stimulus: string, { rates, units }: Predictions): void {
    let broken = 0;
    const touched = new Set<number>();
    for (let i = 0; i < rates.length; i++) {
      if (Number.isFinite(rates[i])) continue;
      broken++;
      touched.add(i % units);
    }
    if (broken === 0) return;
    this.warn(
      `${name}: ${broken} of ${rates.length} predictions for ${stimulus} are not finite, in ${touched.size} of ${units} units; ` +
        "these units have no scores",
    );
  }

  private lookUp(place: ResultPlace, key: ResultKey): unknown {
    if (this.cache === undefined || this.given.recalc) return undefined;
    const found = this.cache.read(place, key);
    if ("result" in found) return found.result;
    // That options differ is what was asked for; that twin or data do may be news.
    if (found.stale !== null && found.stale !== "has other options") {
      const { name } = this.model.sessions[place.session]!;
      this.warn(`${name}: ${place.analysis} is computed anew; what was kept ${found.stale}`);
    }
    return undefined;
  }

  /** A full or read-only disk is no reason to lose a result. */
  private keep(place: ResultPlace, key: ResultKey, result: unknown): void {
    if (!this.isKeeping) return;
    try {
      this.cache?.write(place, key, result);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.isKeeping = false;
      this.warn(`Results are not kept: ${error.message}`);
    }
  }

  private place({ index }: EvaluatedSession, analysis: string): ResultPlace {
    const suffix = this.options.rescale && analysis !== "qc" && !analysis.startsWith("predictions") ? "_rescaled" : "";
    return { experiment: this.model.experiment, session: index, analysis: `${analysis}${suffix}` };
  }

  private key(session: EvaluatedSession, { optionKeys, version, files }: Analysis): ResultKey {
    const read = Object.fromEntries(optionKeys.map((key) => [key, this.options[key] ?? null]));
    const digests = files?.(session).map((file) => smallFileDigest(file)) ?? [];
    return { checkpoint: this.model.digest, data: session.data, options: { ...read, files: digests }, version };
  }

  private warn(message: string): void {
    this.warnings.push(message);
    this.given.onWarning?.(message);
  }

  private timed<Result>(what: keyof typeof this.seconds, body: () => Result): Result {
    const start = performance.now();
    try {
      return body();
    } finally {
      this.seconds[what] += (performance.now() - start) / 1000;
    }
  }
}

/** A function that computes each value once. */
function once<Result>(compute: (key: string) => Promise<Result>): (key: string) => Promise<Result> {
  const known = new Map<string, Promise<Result>>();
  return (key) => {
    const result = known.get(key) ?? compute(key);
    known.set(key, result);
    return result;
  };
}

function analysisOptions(given: EvaluateOptions): AnalysisOptions {
  const keys = Object.keys(DEFAULT_ANALYSIS_OPTIONS) as (keyof AnalysisOptions)[];
  return Object.fromEntries(
    keys.map((key) => [key, given[key] ?? DEFAULT_ANALYSIS_OPTIONS[key]]),
  ) as unknown as AnalysisOptions;
}
