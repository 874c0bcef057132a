/**
 * @file What an analysis is: a name, a function from an evaluated session to a result, and the numbers of every unit that
 * tables, files and reports take from it.
 */
import type { SampleSet } from "../data/samples.ts";
import type { LoadedTwin } from "../training/model-file.ts";
import type { EvaluatedSession } from "./evaluated-session.ts";
import type { Predictions } from "./predict.ts";

/** One number of every unit of a session. */
export interface UnitScore {
  /** Name in files, `bps_backimage` for example. */
  readonly key: string;
  /** Name for people, with the unit of measurement. */
  readonly title: string;
  /** Whether tables of sessions show it. */
  readonly headline?: boolean | undefined;
  /** [units]; NaN where the number is not defined for a unit. */
  readonly values: Float64Array;
  /** Confidence interval, [units] each; absent where none is estimated. */
  readonly low?: Float64Array | undefined;
  readonly high?: Float64Array | undefined;
  /** Why a value is NaN, [units]; null where it is a number. Absent when there is nothing to say. */
  readonly reasons?: readonly (string | null)[] | undefined;
}

/** Options that analyses read; each takes only what it needs, which is then part of its cache's key. */
export interface AnalysisOptions {
  /** Stimulus types whose trials repeat one sequence. */
  readonly repeats: readonly string[];
  /** Whether predictions are given the gain of every unit that fits the scored samples best (specification, section 7). */
  readonly rescale: boolean;
  /** Pairs of halves that ceilings are averaged over. */
  readonly splits: number;
  /** Fewest valid trials of a bin for split halves; halves need half as many. */
  readonly minTrials: number;
  /** What confidence intervals are about: other `trials` of the same stimuli, other stimuli (`bins`), or `none`. */
  readonly intervals: "trials" | "bins" | "none";
  /** Of everything that is drawn at random. */
  readonly seed: number;
  /** First frame, and the one after the last, of windows around saccades. */
  readonly saccadeWindow: readonly [from: number, to: number];
  /** Whether results keep the aligned trials and all windows around saccades, as the reference's do. */
  readonly keepArrays: boolean;
  /** Shuffles of gaze for the null of `covariance`; 0 for none. */
  readonly shuffles: number;
  /** Units whose most exciting inputs are made; the best predicted ones. */
  readonly meiUnits: number;
  /** "reference" for the reference's numbers where they are known to be wrong (register E of the specification). */
  readonly compat: "reference" | undefined;
}

/** Everything an analysis may look at. */
export interface AnalysisContext {
  readonly loaded: LoadedTwin;
  readonly session: EvaluatedSession;
  readonly options: AnalysisOptions;
  readonly device: string;
  readonly signal: AbortSignal | undefined;
  /** Predictions for the evaluated samples of a stimulus, computed once; rejects with {@link Unavailable} without it. */
  predictions(stimulus: string): Promise<Predictions>;
  /**
   * All samples of a stimulus, training and validation, and predictions for them: for maps and tuning, which describe a unit
   * rather than score it. Rejects like `predictions`.
   */
  everything(stimulus: string): Promise<{ set: SampleSet; predictions: Predictions }>;
  /** Tells the user something, one sentence. */
  warn(message: string): void;
  /** Tells how far a long analysis is, from 0 to 1. */
  progress(part: number): void;
}

/** What an analysis found in one session. */
export interface AnalysisResult<Details> {
  readonly scores: readonly UnitScore[];
  /** Plain values and arrays, all that figures need. */
  readonly details: Details;
}

/** One analysis. */
export interface Analysis<Details = unknown> {
  readonly name: string;
  /** One line for help texts. */
  readonly about: string;
  /** Raised whenever its numbers change; part of the cache's key. */
  readonly version: number;
  /** The options that its numbers depend on. */
  readonly optionKeys: readonly (keyof AnalysisOptions)[];
  /** Files beside the recordings that its numbers depend on. */
  readonly files?: ((session: EvaluatedSession) => readonly string[]) | undefined;
  run(context: AnalysisContext): Promise<AnalysisResult<Details>>;
}

/** Something that an analysis needs is not there: a stimulus, repeats, a file. Not a failure of the analysis. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}
