/**
 * @file The analysis `sta`: receptive field maps of data and model from noise (evaluation specification, section 11).
 */
import { type Analysis, type AnalysisContext, Unavailable } from "../analysis.ts";
import { correlation } from "../correlation.ts";
import { type GaboriumMaps, gaboriumMaps, type UnitField } from "../maps/gaborium.ts";
import { unitScore } from "./per-unit.ts";

const STIMULUS = "gaborium";

/** What `sta` finds. */
export interface StaDetails extends GaboriumMaps {
  /** Correlation of the model's map with the data's, of the kind that shows the field, [units]. */
  readonly similarity: Float64Array;
}

/** Spike-triggered maps. */
export const staAnalysis: Analysis<StaDetails> = {
  name: "sta",
  about: "receptive fields of data and model: whitened spike-triggered averages and energies, latency",
  version: 1,
  optionKeys: ["repeats", "rescale", "compat"],
  run: mapFields,
};

async function mapFields({ session, everything, device, signal, options, progress }: AnalysisContext) {
  if (session.frameRate === null)
    throw new Unavailable("neither configuration nor recordings say how many frames a second has");
  const { set: seen, predictions } = await everything(STIMULUS);
  const set = session.asShown(seen, STIMULUS);
  if (!set.recordings.some((recording) => recording.type === STIMULUS && recording.has("stim"))) {
    throw new Unavailable("the twin sees no stimulus, so that none was read");
  }
  const hasGaze = set.recordings.every((recording) => recording.type !== STIMULUS || recording.has("eyepos"));
  const maps = await gaboriumMaps(set, predictions, {
    frameRate: session.frameRate,
    fixationsOnly: hasGaze,
    device,
    signal,
    onProgress: progress,
    compat: options.compat,
  });
  const similarity = Float64Array.from(maps.units, mapSimilarity);
  const { units } = maps;
  const reasons = units.map(({ reason }) => reason);
  const scores = [
    unitScore("rf_snr", "receptive field, signal to noise", units, ({ data }) => Math.max(data.snrSta, data.snrSte), {
      headline: true,
      reasons,
    }),
    { key: "rf_similarity", title: "correlation of model and data maps", values: similarity, headline: true },
    unitScore("rf_x_deg", "receptive field centre right, degrees", units, ({ data }) => data.field.xDegrees),
    unitScore("rf_y_deg", "receptive field centre up, degrees", units, ({ data }) => data.field.yDegrees),
    unitScore("rf_diameter_deg", "receptive field diameter, degrees", units, ({ data }) => data.field.diameterDegrees),
    unitScore("rf_energy_index", "energy against average, -1 to 1", units, ({ data }) => data.modulationIndex),
    unitScore("latency_onset_ms", "latency of the onset, ms", units, ({ data }) => data.latency.onset),
    unitScore("latency_peak_ms", "latency of the peak, ms", units, ({ data }) => data.latency.peak),
    unitScore("model_latency_peak_ms", "latency of the model's peak, ms", units, ({ model }) => model?.latency.peak),
  ];
  return { scores, details: { ...maps, similarity } };
}

/** Pearson's, over pixels at the peak lag of the data. */
function mapSimilarity({ data, model }: UnitField): number {
  if (model === null) return Number.NaN;
  const [rates, robs] = [model[data.fieldSource], data[data.fieldSource]];
  return correlation({ rates, robs, units: 1 })[0]!;
}
