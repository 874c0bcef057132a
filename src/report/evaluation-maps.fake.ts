/**
 * @file Maps, tuning and images of an evaluation without a twin, for tests.
 */
import type { MeiDetails } from "../eval/analyses/mei.ts";
import type { StaDetails } from "../eval/analyses/sta.ts";
import type { UnitScore } from "../eval/analysis.ts";
import type { AnalysisOutcome } from "../eval/evaluate.ts";
import type { GratingsTuning, UnitGratings } from "../eval/gratings/gratings-tuning.ts";
import type { FieldSummary } from "../eval/maps/gaborium.ts";

/** A number between 0 and 1 that looks random and always is the same. */
function noise(...seeds: number[]): number {
  const mixed = Math.sin(seeds.reduce((sum, seed, i) => sum + (seed + 1) * (12.9898 + 65.233 * i), 0)) * 43758.5453;
  return mixed - Math.floor(mixed);
}

/** Such numbers. */
export function values(count: number, ...seeds: number[]): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => noise(i, ...seeds));
}

/** A score. */
export function score(key: string, title: string, of: Float64Array, rest: Partial<UnitScore> = {}): UnitScore {
  return { key, title, values: of, ...rest };
}

/** An analysis that worked. */
export function ok(scores: UnitScore[], details: unknown): AnalysisOutcome {
  return { status: "ok", scores, details, cached: false };
}

/** Numbers of a session's units by the number of the score. */
export type Own = (seed: number) => Float64Array;

/** The analysis `sta`. */
export function fields(own: Own, units: number, pixels: number): AnalysisOutcome {
  const similarity = own(50);
  const summary = (unit: number, seed: number): FieldSummary => ({
    snrSta: 5,
    snrSte: 4,
    modulationIndex: -0.1,
    profile: new Float64Array(3),
    peakBetweenLags: 1,
    sta: Float32Array.from(values(pixels * pixels, unit, seed), (x) => 20 * x - 10),
    ste: new Float32Array(pixels * pixels),
    latency: { onset: 30, peak: 50, offset: 70, reason: null },
    field: { x: 2, y: 3, diameter: 3, xDegrees: 0.1, yDegrees: -0.1, diameterDegrees: 0.5, peak: 10, reason: null },
    fieldSource: "sta",
  });
  const details: StaDetails = {
    lags: [0, 1, 2],
    height: pixels,
    width: pixels,
    frameRate: 120,
    pixelsPerDegree: 3,
    samples: 100,
    units: Array.from({ length: units }, (_, unit) => ({
      spikes: 100,
      reason: null,
      peakLag: 1,
      data: summary(unit, 51),
      model: summary(unit, 52),
    })),
    similarity,
  };
  return ok(
    [
      score("rf_similarity", "correlation of model and data maps", similarity, { headline: true }),
      score(
        "rf_snr",
        "receptive field, signal to noise",
        own(53).map((x) => 5 * x),
        { headline: true },
      ),
      score(
        "latency_peak_ms",
        "latency of the peak, ms",
        own(54).map((x) => 40 + 20 * x),
      ),
      score(
        "model_latency_peak_ms",
        "latency of the model's peak, ms",
        own(55).map((x) => 40 + 20 * x),
      ),
    ],
    details,
  );
}

/** The analysis `gratings`. */
export function gratings(own: Own, units: number): AnalysisOutcome {
  const bins = Float64Array.from({ length: 8 }, (_, i) => 45 * i + 22.5);
  const unit = (seed: number): UnitGratings => ({
    reason: null,
    tuning: {
      peakLagIndex: 5,
      peakLag: 42,
      peakSfIndex: 1,
      peakSf: 2,
      peakOriIndex: 2,
      peakOri: 45,
      sfTuning: values(4, seed, 60).map((x) => 30 * x),
      oriTuning: values(8, seed, 61).map((x) => 30 * x),
      sfSnr: 1,
      oriSnr: 1,
      vectorOri: 45,
      circularVariance: 0.5,
    },
    phase: {
      bins,
      mean: values(8, seed, 62).map((x) => 30 * x),
      standardError: values(8, seed, 63),
      count: bins,
      spikes: 100,
      reason: null,
      fit: {
        ...{
          sine: 0.1,
          cosine: 0.05,
          mean: 0.2,
          sineSe: 0,
          cosineSe: 0,
          meanSe: 0,
          amplitude: 0.11,
          amplitudeSe: 0,
          phase: 0,
        },
        ...{ phaseSe: 0, modulationIndex: 0.7, modulationIndexSe: 0, f1f0: 0.55, rSquared: 0.5, conditionNumber: 1 },
        covariance: new Float64Array(9),
        fitted: new Float64Array(0),
      },
    },
  });
  const details: GratingsTuning = {
    sfs: Float64Array.of(1, 2, 4, 8),
    oris: Float64Array.from({ length: 8 }, (_, i) => 22.5 * i),
    lags: 10,
    frameRate: 120,
    samples: 100,
    units: Array.from({ length: units }, (_, i) => ({ data: unit(i), model: unit(i + 100) })),
  };
  return ok(
    [
      score("tuning_similarity", "correlation of tuning curves of model and data", own(64), { headline: true }),
      score("f1_f0", "F1/F0", own(65)),
      score("model_f1_f0", "F1/F0, model", own(66)),
    ],
    details,
  );
}

/** The analysis `mei`. */
export function mei(session: string, cids: readonly number[], pixels: number): AnalysisOutcome {
  const details: MeiDetails = {
    session,
    kind: "image",
    shape: [1, 1, pixels, pixels],
    blankRates: new Float64Array(cids.length).fill(0.1),
    behavior: null,
    meis: cids.slice(0, 2).map((cid, unit) => ({
      unit,
      cid,
      bps: noise(cid, 80),
      image: Float32Array.from(values(pixels * pixels, cid, 81), (x) => x - 0.5),
      activation: 2 + noise(cid, 82),
      startActivations: Float64Array.of(1.9, 2),
      trace: new Float64Array(0),
      stopped: null,
    })),
  };
  return ok(
    [
      score(
        "mei_rate",
        "predicted spikes per frame for the most exciting image",
        new Float64Array(cids.length).fill(Number.NaN),
      ),
    ],
    details,
  );
}
