/**
 * @file The analysis `bps`: bits per spike of every unit for every stimulus (evaluation specification,
 * section 6).
 */
import type { NdArray } from "../../formats/array.ts";
import { type Analysis, type AnalysisContext, type AnalysisOptions, Unavailable, type UnitScore } from "../analysis.ts";
import { bitsPerSpike, jointBitsPerSpike } from "../bps.ts";
import type { Predictions } from "../predict.ts";
import { RESCALED_LABEL } from "../rescale.ts";

/** Types whose validation samples are joined for the score `val`. */
const JOINED = ["gaborium", "backimage"];

/** Scores of one stimulus. */
export interface StimulusScores {
  readonly samples: number;
  /** Valid spikes, [units]. */
  readonly spikes: Float64Array;
  /** Bits per spike, [units]. */
  readonly bps: Float64Array;
  /** Of the rates that synthetic spikes were drawn from, [units]; null where they are unknown. */
  readonly oracleBps: Float64Array | null;
  /** What was scored, [samples, units] each; null unless it was asked for. */
  readonly arrays: { readonly robs: NdArray; readonly rhat: NdArray; readonly dfs: NdArray } | null;
}

/** What `bps` finds. */
export interface BpsDetails {
  readonly stimuli: Readonly<Record<string, StimulusScores>>;
  /** Stimuli whose samples make the joint score `val`. */
  readonly joined: readonly string[];
  /** Bits per spike over the joined samples, [units]. */
  readonly val: Float64Array;
  /** Of the true rates over the same samples; null where they are unknown. */
  readonly oracleVal: Float64Array | null;
}

/** Bits per spike. */
export const bpsAnalysis: Analysis<BpsDetails> = {
  name: "bps",
  about: "bits per spike for every stimulus, and for validation samples together",
  version: 1,
  optionKeys: ["repeats", "rescale", "keepArrays", "compat"],
  run: scoreStimuli,
};

async function scoreStimuli(context: AnalysisContext) {
  const { session, options } = context;
  const { compat } = options;
  const stimuli: Record<string, StimulusScores> = {};
  const scores: UnitScore[] = [];
  const evaluated: Predictions[] = [];
  for (const type of session.stimuli) {
    if (session.samples(type).length === 0) continue;
    const predictions = await context.predictions(type);
    evaluated.push(predictions);
    const found = scoreStimulus(predictions, options);
    stimuli[type] = found;
    const title = `bits per spike, ${type}`;
    scores.push({ key: `bps_${type}`, title, values: found.bps, reasons: whyUndefined([predictions]) });
    if (found.oracleBps !== null) {
      scores.push({ key: `bps_true_rates_${type}`, title: `${title}, of the true rates`, values: found.oracleBps });
    }
  }
  const joined = joinedTypes(Object.keys(stimuli), options.repeats);
  if (joined.length === 0) throw new Unavailable("no stimulus has samples to evaluate");
  const parts = evaluated.filter((_, i) => joined.includes(Object.keys(stimuli)[i]!));
  const val = jointBitsPerSpike(parts, { compat });
  const oracleVal = parts.every(({ trueRates }) => trueRates !== null)
    ? jointBitsPerSpike(parts.map((part) => ({ ...part, rates: part.trueRates! })))
    : null;
  const title = options.rescale ? `bits per spike, ${RESCALED_LABEL}` : "bits per spike";
  const headlines: UnitScore[] = [
    { key: "bps", title, values: val, headline: true, reasons: whyUndefined(parts) },
    ...(oracleVal === null
      ? []
      : [{ key: "bps_true_rates", title: "bits per spike of the true rates", values: oracleVal, headline: true }]),
  ];
  return { scores: [...headlines, ...scores], details: { stimuli, joined, val, oracleVal } };
}

/**
 * The stimuli of the score of all validation samples: those of the reference or, where a session has none of these,
 * whatever is not repeated.
 */
function joinedTypes(types: readonly string[], repeats: readonly string[]): string[] {
  const named = types.filter((type) => JOINED.includes(type));
  if (named.length > 0) return named;
  const single = types.filter((type) => !repeats.includes(type));
  return single.length > 0 ? single : [...types];
}

function scoreStimulus(
  { trueRates, ...predictions }: Predictions,
  { compat, rescale, keepArrays }: AnalysisOptions,
): StimulusScores {
  const { robs, rates: rhat, dfs, units, samples } = predictions;
  const table = (data: Float32Array): NdArray => ({ dtype: "float32", shape: [samples, units], data });
  const mode = compat === "reference" && rescale ? "reference-rescaled" : compat;
  return {
    samples,
    spikes: validSpikes(predictions),
    bps: bitsPerSpike(predictions, { compat: mode }),
    oracleBps: trueRates && bitsPerSpike({ ...predictions, rates: trueRates }),
    arrays: keepArrays ? { robs: table(robs), rhat: table(rhat), dfs: table(dfs) } : null,
  };
}

function validSpikes({ robs, dfs, units }: Pick<Predictions, "robs" | "dfs" | "units">): Float64Array {
  const spikes = new Float64Array(units);
  for (let i = 0; i < robs.length; i++) if (dfs[i]! > 0) spikes[i % units]! += robs[i]! * dfs[i]!;
  return spikes;
}

/** Why a unit has no score over all these samples, [units]. */
function whyUndefined(parts: readonly Predictions[]): (string | null)[] {
  const { units } = parts[0]!;
  const [valid, spikes, broken] = [new Float64Array(units), new Float64Array(units), new Float64Array(units)];
  for (const { rates, robs, dfs } of parts) {
    for (let i = 0; i < robs.length; i++) {
      if (!(dfs[i]! > 0)) continue;
      const unit = i % units;
      valid[unit]! += 1;
      spikes[unit]! += robs[i]!;
      if (!Number.isFinite(rates[i])) broken[unit]! += 1;
    }
  }
  return Array.from(valid, (samples, unit) => {
    if (samples === 0) return "no valid sample";
    if (broken[unit]! > 0) return `${broken[unit]} of ${samples} predictions are not finite`;
    return spikes[unit] === 0 ? "no spike in valid samples" : null;
  });
}
