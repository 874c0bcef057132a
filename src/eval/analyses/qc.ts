/**
 * @file The analysis `qc`: how well units were isolated (evaluation specification, section 10). Needs no predictions.
 */
import { join } from "node:path";
import { type Analysis, type AnalysisContext, Unavailable } from "../analysis.ts";
import { type QualityControl, type QualityPart, qualityControl } from "../qc.ts";

/** Quality control. */
export const qcAnalysis: Analysis<QualityControl> = {
  name: "qc",
  about: "contamination, missing spikes, waveforms and depth of the units, from the session's qc folder",
  version: 1,
  optionKeys: [],
  files: ({ folder }) =>
    [
      "qc/refractory/refractory.npz",
      "qc/amp_truncation/truncation.npz",
      "qc/waveforms/waveforms.npz",
      "laminar/laminar.npz",
      "ephys_metadata.json",
    ].map((file) => join(folder, file)),
  run: controlQuality,
};

async function controlQuality({ session, warn }: AnalysisContext) {
  const found = qualityControl(session.folder, session.units.cids);
  const { contamination, truncation, depthFromL4, reasons } = found;
  const unknown = Object.entries(reasons).filter(([, reason]) => reason !== null);
  if (unknown.length === Object.keys(reasons).length) {
    throw new Unavailable(`there is no quality control in the session's folder (${reasons.contamination})`);
  }
  const damaged = unknown.filter(([, reason]) => !reason!.startsWith("there is no "));
  for (const [part, reason] of damaged) warn(`${part}: ${reason}`);
  const score = (key: string, title: string, values: Float64Array, part: QualityPart) => {
    const whole = reasons[part];
    return {
      key,
      title,
      values,
      reasons: Array.from(values, (value) =>
        Number.isNaN(value) ? (whole ?? "nothing is known about this unit") : null,
      ),
    };
  };
  const scores = [
    score("contamination_pct", "contamination, percent", contamination, "contamination"),
    score("missing_pct", "missing spikes, percent", truncation, "truncation"),
    score("depth_from_l4_um", "depth from layer 4, µm", depthFromL4, "depthFromL4"),
  ];
  return { scores, details: found };
}
