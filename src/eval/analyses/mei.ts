/**
 * @file The analysis `mei`: most exciting inputs of the units that the twin predicts best (evaluation specification,
 * section 14).
 */
import type { SampleSet } from "../../data/samples.ts";
import { ignoresStimulus } from "../../models/shapes.ts";
import { type Analysis, type AnalysisContext, Unavailable } from "../analysis.ts";
import { bitsPerSpike } from "../bps.ts";
import { type MeiResult, synthesiseMei } from "../mei/synthesise-mei.ts";

/** What `mei` finds. */
export interface MeiDetails extends Omit<MeiResult, "meis"> {
  readonly meis: readonly (MeiResult["meis"][number] & {
    /** Number of the unit in the recordings. */
    readonly cid: number;
    /** Bits per spike that it was picked for. */
    readonly bps: number;
  })[];
  /** Behaviour that the twin was told: its mean over evaluated samples; null when it is told none. */
  readonly behavior: Float32Array | null;
}

/** Most exciting inputs. */
export const meiAnalysis: Analysis<MeiDetails> = {
  name: "mei",
  about: "most exciting images of the best predicted units, at fixed contrast",
  version: 1,
  optionKeys: ["repeats", "meiUnits", "seed"],
  run: exciteUnits,
};

async function exciteUnits({ loaded, session, predictions, options, device, signal, progress }: AnalysisContext) {
  const { twin, info } = loaded;
  if (ignoresStimulus(twin.config, twin.sessions)) throw new Unavailable("the twin sees no stimulus");
  const stimulus = session.stimuli.find((type) => !options.repeats.includes(type)) ?? session.stimuli[0];
  if (stimulus === undefined) throw new Unavailable("no stimulus has samples to evaluate");
  const set = session.samples(stimulus);
  const stim = set.lags.get("stim");
  const { height, width } = set.arrays(0);
  const input = info.input ?? (stim === undefined ? null : { frames: stim.lags.length, height, width });
  if (input === null) throw new Unavailable("the checkpoint does not say how large its stimuli are");
  const bps = bitsPerSpike(await predictions(stimulus));
  const best = [...bps.keys()]
    .filter((unit) => Number.isFinite(bps[unit]))
    .sort((a, b) => bps[b]! - bps[a]!)
    .slice(0, options.meiUnits);
  if (best.length === 0) throw new Unavailable(`no unit has a score for ${stimulus}`);
  const behavior = meanBehavior(set);
  const { columns, cids } = session.units;
  const result = await synthesiseMei(
    twin,
    session.index,
    best.map((unit) => columns[unit]!),
    { input, starts: 2, seed: options.seed, behavior: behavior ?? undefined, device, signal, onProgress: progress },
  );
  const meis = result.meis.map((mei, i) => ({ ...mei, cid: cids[best[i]!]!, bps: bps[best[i]!]! }));
  const activation = new Float64Array(bps.length).fill(Number.NaN);
  for (const [i, { activation: rate }] of result.meis.entries()) activation[best[i]!] = rate;
  const scores = [
    { key: "mei_rate", title: "predicted spikes per frame for the most exciting image", values: activation },
  ];
  return { scores, details: { ...result, meis, behavior } };
}

/** Mean over samples of each behaviour value; null when the twin is told none. */
function meanBehavior(set: SampleSet): Float32Array | null {
  if (!set.lags.has("behavior")) return null;
  const { behaviorDim } = set.arrays(0);
  const sums = new Float64Array(behaviorDim);
  for (let i = 0; i < set.length; i++) {
    const { behavior } = set.arrays(set.recordingOf[i]!);
    for (let k = 0; k < behaviorDim; k++) sums[k]! += behavior![set.frameOf[i]! * behaviorDim + k]!;
  }
  return Float32Array.from(sums, (sum) => sum / set.length);
}
