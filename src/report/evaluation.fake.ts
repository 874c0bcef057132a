/**
 * @file An evaluation without a twin, for tests: plausible numbers of every analysis, made by a formula.
 */
import type { CcnormDetails } from "../eval/analyses/ccnorm.ts";
import type { CovarianceDetails } from "../eval/analyses/covariance.ts";
import type { AnalysisName } from "../eval/analyses/index.ts";
import type { UnitScore } from "../eval/analysis.ts";
import type { WindowCovariance } from "../eval/covariance/session.ts";
import type { AnalysisOutcome, Evaluation, SessionEvaluation } from "../eval/evaluate.ts";
import { DEFAULT_ANALYSIS_OPTIONS } from "../eval/evaluate.ts";
import type { SaccadeAnalysis } from "../eval/saccades/analysis.ts";
import { fields, gratings, mei, type Own, ok, score, values } from "./evaluation-maps.fake.ts";

function interval(of: Float64Array): Pick<UnitScore, "low" | "high"> {
  return { low: of.map((value) => value - 0.1), high: of.map((value) => value + 0.2) };
}

/** What {@link fakeEvaluation} makes. */
export interface FakeOptions {
  readonly sessions?: number;
  readonly units?: number;
  readonly name?: (session: number) => string;
  /** Pixels along the side of maps and images. */
  readonly pixels?: number;
  readonly warnings?: readonly string[];
}

/** All analyses of some sessions, with a unit without scores in each. */
export function fakeEvaluation(options: FakeOptions = {}): Evaluation {
  const { sessions = 2, units = 5, name = (i) => `A_${i + 1}`, pixels = 6, warnings = [] } = options;
  return {
    checkpoint: { path: "runs/first/best.safetensors", experiment: "first", epoch: 3, digest: "ab".repeat(32) },
    options: DEFAULT_ANALYSIS_OPTIONS,
    sessions: Array.from({ length: sessions }, (_, i) => fakeSession(i, name(i), units, pixels)),
    warnings,
    seconds: { data: 1, forward: 2, analyses: 3 },
  };
}

/** The same evaluation with other outcomes of a session. */
export function withOutcomes(
  evaluation: Evaluation,
  session: number,
  outcomes: Partial<Record<AnalysisName, AnalysisOutcome>>,
): Evaluation {
  const changed = evaluation.sessions.map((one, i) =>
    i === session ? { ...one, analyses: { ...one.analyses, ...outcomes } } : one,
  );
  return { ...evaluation, sessions: changed };
}

function fakeSession(index: number, name: string, units: number, pixels: number): SessionEvaluation {
  const cids = Array.from({ length: units }, (_, i) => 3 * i + index);
  // The last unit never fires.
  const silent = (of: Float64Array) => of.map((value, i) => (i === units - 1 ? Number.NaN : value));
  const reasons = cids.map((_, i) => (i === units - 1 ? `${index + 2} spikes, at least 50 are needed` : null));
  const own = (seed: number) => silent(values(units, index, seed));
  return {
    name,
    index,
    cids,
    frameRate: 120,
    samples: { backimage: 100, fixrsvp: 40 },
    data: `${index}c`.repeat(32),
    analyses: {
      bps: bps(own, reasons),
      correlation: ok([score("correlation_backimage", "correlation, backimage", own(3), { headline: true })], {}),
      ccnorm: repeats(own, reasons, units),
      ceilings: ceilings(own, reasons),
      saccade: saccades(own, units),
      qc: ok(
        [
          score(
            "contamination_pct",
            "contamination, percent",
            own(20).map((x) => 40 * x),
          ),
          score(
            "missing_pct",
            "missing spikes, percent",
            own(21).map((x) => 30 * x),
          ),
        ],
        {},
      ),
      sta: fields(own, units, pixels),
      gratings: gratings(own, units),
      covariance: covariance(own, units, cids),
      mei: mei(name, cids, pixels),
    },
  };
}

function bps(own: Own, reasons: (string | null)[]): AnalysisOutcome {
  const found = own(1);
  return ok(
    [
      score("bps", "bits per spike", found, { headline: true, reasons }),
      score(
        "bps_true_rates",
        "bits per spike of the true rates",
        found.map((bits) => bits + 0.2),
        { headline: true },
      ),
    ],
    {},
  );
}

function repeats(own: Own, reasons: (string | null)[], units: number): AnalysisOutcome {
  const [ccnorm, ccmax] = [own(5), own(6)];
  const bins = 30;
  const details: Pick<CcnormDetails, "stimulus" | "trials" | "bins" | "binSeconds" | "rbar" | "rbarhat"> = {
    stimulus: "fixrsvp",
    trials: 20,
    bins,
    binSeconds: 0.01,
    rbar: values(bins * units, 7).map((rate, i) => (i < units ? Number.NaN : 50 * rate)),
    rbarhat: values(bins * units, 8).map((rate) => 50 * rate),
  };
  return ok(
    [
      score("ccnorm", "CCnorm", ccnorm, { headline: true, reasons, ...interval(ccnorm) }),
      score("ccmax", "ceiling (CCmax)", ccmax, { headline: true, reasons, ...interval(ccmax) }),
      score(
        "ccabs",
        "correlation to average (CCabs)",
        ccnorm.map((value, i) => value * ccmax[i]!),
      ),
    ],
    details,
  );
}

function ceilings(own: Own, reasons: (string | null)[]): AnalysisOutcome {
  const scores = [
    ["feve", "fraction of explainable variance explained (FEVE)"],
    ["fev", "fraction of explainable variance (FEV)"],
    ["jackknife_oracle", "jackknife oracle"],
    ["single_trial_correlation", "single-trial correlation"],
    ["ccmax_signal_power", "CCmax, signal power"],
  ].map(([key, title], i) =>
    score(key!, title!, own(30 + i), { reasons, headline: key === "feve", ...interval(own(30 + i)) }),
  );
  return ok(scores, {});
}

function saccades(own: Own, units: number): AnalysisOutcome {
  const bins = 40;
  const modulation = { early: own(40), late: own(41) };
  const details: SaccadeAnalysis = {
    status: "ok",
    reason: null,
    origin: "file",
    listed: 12,
    mainSequence: {
      saccades: 10,
      amplitude: 2,
      peakSpeed: 150,
      duration: 30,
      scale: 80,
      exponent: 0.8,
      correlation: 0.9,
      amplitudes: values(10, 42).map((x) => 0.5 + 5 * x),
      peakSpeeds: values(10, 42).map((x) => 80 * (0.5 + 5 * x) ** 0.8),
    },
    stimuli: [
      {
        stimulus: "backimage",
        status: "ok",
        reason: null,
        binSeconds: 1 / 120,
        saccades: [],
        modulation: { observed: modulation, predicted: modulation, correlation: own(43) },
        averages: {
          window: [-10, 30],
          saccades: 8,
          bins,
          units,
          rbar: values(bins * units, 44),
          rbarhat: values(bins * units, 45),
          eyevel: new Float64Array(0),
          positions: new Int32Array(0),
          events: new Int32Array(0),
          rows: new Int32Array(0),
          timePrevious: new Float64Array(0),
          timeNext: new Float64Array(0),
        },
      },
    ],
  };
  return ok(
    [
      score("saccade_correlation_backimage", "correlation around saccades, backimage", own(43), { headline: true }),
      score("saccade_suppression_backimage", "modulation 20 to 80 ms after saccades, backimage", own(46)),
      score("model_saccade_suppression_backimage", "the same, model, backimage", own(47)),
    ],
    details,
  );
}

function covariance(own: Own, units: number, cids: readonly number[]): AnalysisOutcome {
  const window = (windowBins: number): WindowCovariance => {
    const matrix = values(units * units, windowBins, 70).map((x) => 0.4 * x - 0.2);
    const parts = { total: matrix, psth: matrix, rate: matrix, noise: matrix };
    return {
      ...parts,
      units,
      samples: 100,
      timeBins: 20,
      closePairs: 50,
      meanRate: own(71),
      noiseCorrelation: matrix,
      noiseCorrelationUncorrected: matrix.map((r) => r + 0.1),
      fano: own(72),
      fanoUncorrected: own(72).map((fano) => fano + 0.2),
      oneMinusAlpha: own(73),
      windowBins,
      historyBins: windowBins,
    };
  };
  const details: CovarianceDetails = {
    units,
    binSeconds: 1 / 120,
    rateHz: own(71),
    reliability: own(74),
    included: Uint8Array.from({ length: units }, (_, i) => Number(i < units - 1)),
    windows: [window(1), window(2)],
    stimulus: "fixrsvp",
    trials: 20,
    bins: 30,
    cids,
  };
  return ok(
    [
      score("eye_share", "share of rate variance made by eye movements", own(73), { headline: true }),
      score("model_eye_share", "the same, model", own(75)),
      score("fano", "Fano factor, corrected for eye movements", own(72)),
      score(
        "fano_uncorrected",
        "Fano factor, uncorrected",
        own(72).map((fano) => fano + 0.2),
      ),
    ],
    details,
  );
}
