/**
 * @file The analysis `saccade`: responses of data and model around saccades (evaluation specification, section 9).
 */
import type { NdArray } from "../../formats/array.ts";
import { type Analysis, type AnalysisContext, Unavailable } from "../analysis.ts";
import type { Predictions } from "../predict.ts";
import {
  type EvaluatedStimulus,
  type SaccadeAnalysis,
  type StimulusSaccades,
  saccadeAnalysis,
} from "../saccades/analysis.ts";
import { loadSaccades, saccadePath } from "../saccades/source.ts";
import { cutWindows, type TriggeredAverages } from "../saccades/triggered.ts";
import { unitScore } from "./per-unit.ts";

/** What was cut out around every saccade of a stimulus, [saccades, bins, units] each. */
export interface SaccadeWindows {
  readonly robs: NdArray;
  readonly rhat: NdArray;
  readonly dfs: NdArray;
}

/** What `saccade` finds. */
export interface SaccadeDetails extends SaccadeAnalysis {
  /** By stimulus; null unless they were asked for. */
  readonly windows: Readonly<Record<string, SaccadeWindows>> | null;
}

/** Saccades. */
export const saccadeAnalysisEntry: Analysis<SaccadeDetails> = {
  name: "saccade",
  about: "responses of data and model around saccades, for every stimulus",
  version: 2,
  optionKeys: ["repeats", "rescale", "saccadeWindow", "keepArrays", "compat"],
  files: ({ folder }) => [saccadePath(folder)],
  run: averageAroundSaccades,
};

async function averageAroundSaccades({ session, predictions, options }: AnalysisContext) {
  const stimuli: EvaluatedStimulus[] = [];
  for (const stimulus of session.stimuli) {
    const set = session.samples(stimulus);
    if (set.length > 0) stimuli.push({ stimulus, set, predictions: await predictions(stimulus) });
  }
  if (stimuli.length === 0) throw new Unavailable("no stimulus has samples to evaluate");
  const list = loadSaccades(session.folder, stimuli[0]!.set.recordings);
  const found = saccadeAnalysis(list, stimuli, { window: options.saccadeWindow, compat: options.compat });
  if (found.status !== "ok") throw new Unavailable(found.reason ?? "there are no saccades");
  const usable = found.stimuli.filter(({ status }) => status === "ok");
  if (usable.length === 0) throw new Unavailable(found.stimuli.map(({ reason }) => reason).join("; "));
  const windows = options.keepArrays
    ? Object.fromEntries(
        usable.map(({ stimulus, averages }) => {
          const evaluated = stimuli.find((one) => one.stimulus === stimulus)!;
          return [stimulus, windowsAround(averages!, evaluated.predictions)];
        }),
      )
    : null;
  // The first stimulus, usually the one with most saccades, stands for all in tables.
  return { scores: usable.flatMap((one, i) => stimulusScores(one, i === 0)), details: { ...found, windows } };
}

function windowsAround(averages: TriggeredAverages, { robs, rates, dfs }: Predictions): SaccadeWindows {
  const { saccades, bins, units } = averages;
  const cut = (values: Float32Array): NdArray => {
    return { dtype: "float32", shape: [saccades, bins, units], data: cutWindows(values, averages) };
  };
  return { robs: cut(robs), rhat: cut(rates), dfs: cut(dfs) };
}

function stimulusScores({ stimulus, modulation }: StimulusSaccades, headline: boolean) {
  const { observed, predicted, correlation } = modulation;
  const units = [...correlation.keys()];
  const score = (key: string, title: string, values: Float64Array, rest = {}) =>
    unitScore(`${key}_${stimulus}`, `${title}, ${stimulus}`, units, (unit) => values[unit], rest);
  return [
    score("saccade_correlation", "correlation around saccades", correlation, { headline }),
    score("saccade_suppression", "modulation 20 to 80 ms after saccades", observed.early),
    score("model_saccade_suppression", "the same, model", predicted.early),
    score("saccade_rebound", "modulation 80 to 200 ms after saccades", observed.late),
    score("model_saccade_rebound", "the same, model", predicted.late),
  ];
}
