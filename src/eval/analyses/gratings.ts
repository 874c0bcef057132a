/**
 * @file The analysis `gratings`: tuning of data and model for spatial frequency, orientation and phase (evaluation
 * specification, section 12).
 */
import { type Analysis, type AnalysisContext, Unavailable } from "../analysis.ts";
import { type GratingsTuning, gratingsTuning, type UnitGratings } from "../gratings/gratings-tuning.ts";
import { unitScore } from "./per-unit.ts";

const STIMULUS = "gratings";

/** Tuning. */
export const gratingsAnalysis: Analysis<GratingsTuning> = {
  name: "gratings",
  about: "tuning of data and model for spatial frequency, orientation and phase; F1/F0",
  version: 1,
  optionKeys: ["repeats", "rescale", "compat"],
  run: tune,
};

async function tune({ session, everything, options }: AnalysisContext) {
  if (session.frameRate === null)
    throw new Unavailable("neither configuration nor recordings say how many frames a second has");
  const { set, predictions } = await everything(STIMULUS);
  const recording = set.recordings.find(({ type }) => type === STIMULUS)!;
  for (const key of ["sf", "ori"]) {
    if (!recording.has(key)) throw new Unavailable(`the ${STIMULUS} recording has no ${key}`);
  }
  const lags = Math.max(...(set.lags.get("stim")?.lags ?? [19])) + 1;
  const tuning = gratingsTuning(set, predictions, { frameRate: session.frameRate, lags, compat: options.compat });
  const { units } = tuning;
  const data = units.map((unit) => unit.data);
  const model = units.map((unit) => unit.model);
  const reasons = data.map(({ reason }) => reason);
  const pair = (key: string, title: string, value: (unit: UnitGratings) => number | undefined, headline = false) => [
    unitScore(key, title, data, value, { reasons, headline }),
    unitScore(`model_${key}`, `${title}, model`, model, (unit) => (unit === null ? null : value(unit))),
  ];
  const scores = [
    unitScore(
      "tuning_similarity",
      "correlation of tuning curves of model and data",
      units,
      ({ data: d, model: m }) => (m === null ? null : similarity(d, m)),
      { headline: true },
    ),
    ...pair("preferred_ori_deg", "preferred orientation, degrees", ({ tuning: t }) => t?.peakOri),
    ...pair("preferred_sf", "preferred spatial frequency, cycles per degree", ({ tuning: t }) => t?.peakSf),
    ...pair("ori_circular_variance", "circular variance of orientation", ({ tuning: t }) => t?.circularVariance),
    ...pair("f1_f0", "F1/F0", ({ phase }) => phase.fit?.f1f0, true),
  ];
  return { scores, details: tuning };
}

/** Pearson correlation of model and data over both tuning curves, each around its own mean. */
function similarity({ tuning: data }: UnitGratings, { tuning: model }: UnitGratings): number {
  if (data === null || model === null) return Number.NaN;
  let [products, squaresA, squaresB] = [0, 0, 0];
  for (const curve of ["oriTuning", "sfTuning"] as const) {
    const shown = [...data[curve].keys()].filter(
      (i) => Number.isFinite(data[curve][i]) && Number.isFinite(model[curve][i]),
    );
    const mean = (values: Float64Array) => shown.reduce((sum, i) => sum + values[i]!, 0) / shown.length;
    const [a, b] = [mean(data[curve]), mean(model[curve])];
    for (const i of shown) {
      products += (data[curve][i]! - a) * (model[curve][i]! - b);
      squaresA += (data[curve][i]! - a) ** 2;
      squaresB += (model[curve][i]! - b) ** 2;
    }
  }
  return products / Math.sqrt(squaresA * squaresB);
}
